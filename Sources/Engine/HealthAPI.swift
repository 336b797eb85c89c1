public import BinanceWire
import Foundation
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle
public import Storage
import Synchronization

/// Why the API could not start.
public enum HealthAPIError: Error, Sendable, Equatable, CustomStringConvertible {
  case portInUse(Int)
  case cannotListen(port: Int, detail: String)

  public var description: String {
    switch self {
    case .portInUse(let port):
      "api.port: \(port) is in use, perhaps by another aegis; stop it, or set another port (0 picks a free one)"
    case .cannotListen(let port, let detail):
      "api.port: cannot listen on \(port): \(detail); set another port (0 picks a free one)"
    }
  }
}

/// The engine's answers over HTTP, on this machine only: reading, never commanding.
///
/// It listens before anything else is started, so that a person can ask why something else is not. Requests must name
/// this machine as their host and come from no foreign page; there are no cross-origin headers.
public final class HealthAPI: Sendable {
  /// More at once is a mistake or an attack.
  private static let connectionsMax = 64
  /// Rows of one answer; more is what the store is for.
  public static let rowsMax = EngineProjection.recentRowsMax
  private static let rowsByDefault = 50

  public let port: Int
  public var url: String { "http://127.0.0.1:\(port)" }

  private let services: ServiceGroup
  private let serving: Task<Void, any Error>

  private init(port: Int, services: ServiceGroup, serving: Task<Void, any Error>) {
    self.port = port
    self.services = services
    self.serving = serving
  }

  /// Listens on 127.0.0.1 and returns when requests are answered.
  ///
  /// - Parameters:
  ///   - port: 0 picks a free one.
  ///   - token: when given, every request must carry it as `Authorization: Bearer …`.
  public static func start(
    board: HealthBoard, port: Int, token: Secret? = nil
  ) async throws(HealthAPIError) -> HealthAPI {
    let (started, report) = AsyncStream.makeStream(of: Result<Int, any Error>.self)
    let application = application(board: board, port: port, token: token) { channel in
      report.yield(.success(channel.localAddress?.port ?? port))
    }
    var configuration = ServiceGroupConfiguration(services: [application], logger: application.logger)
    configuration.maximumGracefulShutdownDuration = .seconds(2)  // then connections in progress are cut
    let services = ServiceGroup(configuration: configuration)
    let serving = Task {
      do { try await services.run() } catch {
        report.yield(.failure(error))
        throw error
      }
    }
    for await outcome in started {
      switch outcome {
      case .success(let bound): return HealthAPI(port: bound, services: services, serving: serving)
      case .failure(let error as IOError) where error.errnoCode == EADDRINUSE: throw .portInUse(port)
      case .failure(let error): throw .cannotListen(port: port, detail: "\(error)")
      }
    }
    serving.cancel()
    throw .cannotListen(port: port, detail: "cancelled")
  }

  /// Stops listening; answers in progress end first, for two seconds.
  public func stop() async {
    await services.triggerGracefulShutdown()
    _ = await serving.result  // what cutting a connection throws concerns nobody any more
  }

  private static func application(
    board: HealthBoard, port: Int, token: Secret?,
    onServerRunning: @escaping @Sendable (any Channel) async -> Void
  ) -> some ApplicationProtocol {
    let router = Router()
    router.add(middleware: LocalRequestsOnly(token: token))
    router.get("health") { _, _ in try json(Health(board.view())) }
    router.get("status") { _, _ in try json(board.view()) }
    router.get("positions") { _, _ in
      let view = board.view()
      return try json(
        Positions(mode: view.mode, venue: view.venue, positions: view.symbols.filter { $0.position != nil }))
    }
    router.get("trades") { request, _ in
      let limit = try limit(of: request)
      let view = board.view()
      return try json(
        TradesAnswer(
          mode: view.mode, venue: view.venue, positions: view.symbols.compactMap(OpenPosition.init),
          trades: board.trades(limit: limit)))
    }
    router.get("signals") { request, _ in
      let limit = try limit(of: request)
      let view = board.view()
      return try json(SignalsAnswer(mode: view.mode, venue: view.venue, signals: board.signals(limit: limit)))
    }
    router.get("plugins") { _, _ in
      try json(board.plugins())
    }
    router.get("virtual-learning") { _, _ in
      let view = board.view()
      return try json(Ledger(mode: view.mode, venue: view.venue, account: view.totals.ledger))
    }
    var logger = Logger(label: "aegis.api")
    logger.logLevel = .critical  // what goes wrong is told by `start`, what is asked by nobody's log
    return Application(
      router: router,
      configuration: ApplicationConfiguration(
        address: .hostname("127.0.0.1", port: port), serverName: nil,
        availableConnectionsDelegate: MaximumAvailableConnections(connectionsMax)),
      onServerRunning: onServerRunning, logger: logger)
  }

  /// `?limit=`, 1…`rowsMax`.
  private static func limit(of request: Request) throws -> Int {
    guard let text = request.uri.queryParameters["limit"] else { return rowsByDefault }
    guard let limit = Int(text), (1...rowsMax).contains(limit) else {
      throw HTTPError(.badRequest, message: "limit must be 1 to \(rowsMax)")
    }
    return limit
  }

  private static func json(_ value: some Encodable) throws -> Response {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let data = try encoder.encode(value)
    return Response(
      status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-store"],
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: data)))
  }

  private struct Health: Encodable {
    var status: String
    var state: String
    var mode: TradingMode
    var venue: String
    var version: String
    var uptimeSeconds: Double
    var processes: [ProcessView]
    var store: StoreHealth

    init(_ view: EngineView) {
      status = view.status
      state = view.state
      mode = view.mode
      venue = view.venue
      version = view.version
      uptimeSeconds = view.uptimeSeconds
      processes = view.processes
      store = view.store
    }
  }

  private struct Positions: Encodable {
    var mode: TradingMode
    var venue: String
    var positions: [SymbolView]
  }

  private struct Ledger: Encodable {
    var mode: TradingMode
    var venue: String
    var account: LedgerView
  }

  /// A bearer token from a file: at least 16 printable characters, readable by its owner alone.
  public static func token(file path: String) throws(SettingsError) -> Secret {
    func problem(_ what: String, _ fix: String) -> SettingsError {
      SettingsError([SettingsProblem(source: path, key: "api.tokenFile", what: what, fix: fix)])
    }
    let data: Data
    let permissions: Int
    do {
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      permissions = (attributes[.posixPermissions] as? NSNumber)?.intValue ?? 0o777
      data = try Data(contentsOf: URL(filePath: path))
    } catch { throw problem("cannot be read", "name an existing file") }
    guard permissions & 0o077 == 0 else { throw problem("can be read by others", "run chmod 600 on it") }
    let text = String(decoding: data, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    guard (16...512).contains(text.utf8.count), text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw problem("is not a token", "write 16 to 512 printable characters, nothing else")
    }
    return Secret(text)
  }
}

/// Where an answer comes from.
public enum AnswerSource: String, Codable, Sendable { case engine, store }

/// The body of `/trades`.
public struct TradesAnswer: Codable, Sendable {
  public var source = AnswerSource.engine
  public var mode: TradingMode
  public var venue: String
  /// Trades that have not ended yet.
  public var positions: [OpenPosition]
  public var trades: [TradeRow]
}

/// A position that is held: a trade that has not ended yet.
public struct OpenPosition: Codable, Hashable, Sendable {
  public var symbol: String
  /// Signed decimal text: negative is short.
  public var quantity: String
  public var entryPrice: String?
  public var stopPrice: String?
  public var targetPrice: String?
  /// At the last price, before the fees of the exit; nil without a price.
  public var unrealized: ExactAmount?

  /// nil when the instrument is flat.
  init?(_ symbol: SymbolView) {
    guard let quantity = symbol.position else { return nil }
    self.symbol = symbol.symbol
    self.quantity = quantity
    entryPrice = symbol.entryPrice
    stopPrice = symbol.stopPrice
    targetPrice = symbol.targetPrice
    unrealized = symbol.unrealized
  }

  /// As the store has it: without a price of now.
  init(_ row: PositionRow) {
    symbol = row.symbol
    quantity = row.quantity
    entryPrice = row.entryPrice
    stopPrice = row.stopPrice
    targetPrice = row.targetPrice
  }
}

/// The body of `/signals`.
public struct SignalsAnswer: Codable, Sendable {
  public var source = AnswerSource.engine
  public var mode: TradingMode
  public var venue: String
  public var signals: [SignalRow]
}

/// Turns away what a page from elsewhere could send: a foreign name that was pointed at this machine, or a foreign origin.
private struct LocalRequestsOnly<Context: RequestContext>: RouterMiddleware {
  let token: Secret?

  func handle(
    _ request: Request, context: Context, next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    guard let authority = request.head.authority, let host = Loopback.host(ofAuthority: authority),
      Loopback.isName(host)
    else { throw HTTPError(.forbidden, message: "the Host header must name this machine") }
    if let origin = request.headers[.origin] {
      guard let host = Loopback.host(ofURL: origin), Loopback.isName(host) else {
        throw HTTPError(.forbidden, message: "requests from other origins are refused")
      }
    }
    if let token {
      guard let given = request.headers[.authorization], given.hasPrefix("Bearer "),
        token.matches(String(given.dropFirst("Bearer ".count)))
      else { throw HTTPError(.unauthorized, message: "the bearer token of api.tokenFile is needed") }
    }
    return try await next(request, context)
  }
}
