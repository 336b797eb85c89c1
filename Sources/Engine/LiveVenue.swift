import Binance
import BinanceWire
import Logging
import Market

/// Sets an account up for trading and opens the gateway to it.
enum LiveVenue {
  enum Failure: Error, CustomStringConvertible {
    case noKeys
    case notAnAddress(String)
    case refused(what: String, status: Int, body: String)

    var description: String {
      switch self {
      case .noKeys:
        "environment: \(Credentials.keyName) and \(Credentials.secretName) are not set and mode is live; set both"
      case .notAnAddress(let text): "venue: \(text) is not a stream address this engine would trust"
      case .refused(let what, let status, let body):
        "venue: \(what) was refused with status \(status): \(body.prefix(200))"
      }
    }
  }

  /// Measures the clock, proves the key, sets the leverage of every instrument, starts the account stream.
  static func open(
    _ address: VenueAddress, table: InstrumentTable, credentials: Credentials, leverage: Int,
    budget: RestBudget, lastTradeIDs: [InstrumentID: Int64], logger: Logger
  ) async throws -> OrderGateway {
    guard let streams = StreamEndpoint(url: address.streams) else {
      throw Failure.notAnAddress(address.streams)
    }
    let client = try RestClient(
      RestConfiguration(baseURL: address.rest),
      signer: RequestSigner(apiKey: credentials.apiKey, secret: credentials.apiSecret), budget: budget)
    _ = try await client.clock.measure(with: client)
    let requests = OrderRequests(table: table)
    try await proven(client.send(requests.balance()), "the account's balance")
    try await AccountSetup(client: client, table: table).prepare(Array(table.ids), leverage: leverage)
    var options = GatewayOptions()
    options.lastTradeIDs = lastTradeIDs
    return try OrderGateway.open(
      client: client, table: table, streams: streams, options: options, logger: logger)
  }

  private static func proven(_ answer: RestAnswer, _ what: String) throws(Failure) {
    guard answer.status == 200 else { throw .refused(what: what, status: answer.status, body: answer.text) }
  }
}
