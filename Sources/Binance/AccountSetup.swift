import BinanceWire
import Foundation
public import Market

/// Why trading cannot begin on this account.
public enum AccountSetupError: Error, Sendable, CustomStringConvertible {
  case rest(RestError)
  case refused(String)
  /// Hedge mode: the engine trades one net position per symbol.
  case hedgeMode
  case leverage(symbol: String, wanted: Int, found: Int)

  public var description: String {
    switch self {
    case .rest(let error): "the account cannot be read: \(error)"
    case .refused(let reason): "the venue refused: \(reason)"
    case .hedgeMode: "the account is in hedge mode; switch it to one-way mode"
    case .leverage(let symbol, let wanted, let found):
      "\(symbol) has leverage \(found) after asking for \(wanted)"
    }
  }
}

/// Brings the account into the shape the engine trades on: read first, change what differs, believe only what is read.
public struct AccountSetup: Sendable {
  private struct SymbolConfig: Decodable {
    var symbol: String
    var leverage: Int
  }

  private struct PositionMode: Decodable { var dualSidePosition: Bool }

  private let client: RestClient
  private let requests: OrderRequests
  private let table: InstrumentTable

  public init(client: RestClient, table: InstrumentTable) {
    self.client = client
    self.table = table
    requests = OrderRequests(table: table)
  }

  /// Checks the position mode and sets the leverage of every instrument named.
  ///
  /// - Parameter leverage: 1 to 125.
  /// - Returns: the verified leverage by instrument.
  @discardableResult
  public func prepare(_ instruments: [InstrumentID], leverage: Int) async throws(AccountSetupError)
    -> [InstrumentID: Int]
  {
    try await checkPositionMode()
    let known = try await leverages()
    var verified: [InstrumentID: Int] = [:]
    for instrument in instruments {
      let symbol = table[instrument].symbol
      if known[symbol] == leverage {
        verified[instrument] = leverage
        continue
      }
      let answer = try await send(requests.leverage(instrument, leverage))
      guard case .confirmed = HTTPOutcome.classify(status: answer.status, body: answer.body) else {
        throw .refused("leverage \(leverage) for \(symbol): HTTP \(answer.status) \(answer.text.prefix(200))")
      }
      let found: Int
      do throws(WireError) { found = try RestAnswers.leverage(answer.body) } catch {
        throw .refused("\(symbol): \(error)")
      }
      guard found == leverage else { throw .leverage(symbol: symbol, wanted: leverage, found: found) }
      verified[instrument] = found
    }
    return verified
  }

  private func checkPositionMode() async throws(AccountSetupError) {
    let answer = try await send(
      RestRequest(.get, "/fapi/v1/positionSide/dual", isSigned: true, weight: 30, lane: .protect))
    guard answer.status != 404 else { return }  // a venue without the endpoint has one-way mode only
    guard answer.status == 200,
      // Unreadable is a refusal.
      let mode = try? JSONDecoder().decode(PositionMode.self, from: Data(answer.body))
    else { throw .refused("position mode: HTTP \(answer.status) \(answer.text.prefix(200))") }
    if mode.dualSidePosition { throw .hedgeMode }
  }

  /// By symbol; empty when the venue does not tell, and then everything is set.
  private func leverages() async throws(AccountSetupError) -> [String: Int] {
    let answer = try await send(
      RestRequest(.get, "/fapi/v1/symbolConfig", isSigned: true, weight: 5, lane: .protect))
    guard answer.status == 200,
      // Then everything is set.
      let rows = try? JSONDecoder().decode([SymbolConfig].self, from: Data(answer.body))
    else { return [:] }
    return Dictionary(rows.map { ($0.symbol, $0.leverage) }, uniquingKeysWith: { _, last in last })
  }

  private func send(_ request: RestRequest) async throws(AccountSetupError) -> RestAnswer {
    do throws(RestError) { return try await client.send(request) } catch { throw .rest(error) }
  }
}
