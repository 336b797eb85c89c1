import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import NIOPosix
import ServiceLifecycle

/// The REST port: hummingbird in front, the exchange's thread behind.
struct RestServer: Sendable {
  let core: NIOLoopBound<ExchangeCore>
  let loop: any EventLoop

  /// Longest body read; the largest real one is a list of ids.
  static let bodyBytesMax = 1 << 16
  /// What answers in progress get at the end.
  static let shutdownDuration = Duration.seconds(1)

  /// Serves until its task is cancelled.
  ///
  /// - Parameter onRunning: told the port once connections are accepted.
  func run(port: Int, logger: Logger, onRunning: @escaping @Sendable (Int) async -> Void) async throws {
    let application = Application(
      responder: CallbackResponder { (request: Request, _: BasicRequestContext) in try await respond(request)
      },
      configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: port), serverName: nil),
      onServerRunning: { channel in await onRunning(channel.localAddress?.port ?? port) },
      logger: logger)
    // Cutting a connection that waits to be accepted is a crash in the server library, so it ends gracefully, in a task
    // that our own cancellation does not reach.
    var configuration = ServiceGroupConfiguration(services: [application], logger: logger)
    configuration.maximumGracefulShutdownDuration = Self.shutdownDuration
    let services = ServiceGroup(configuration: configuration)
    let running = Task { try await services.run() }
    try await withTaskCancellationHandler {
      try await running.value
    } onCancel: {
      Task { await services.triggerGracefulShutdown() }
    }
  }

  private func respond(_ request: Request) async throws -> Response {
    let body: String
    do {
      body = String(buffer: try await request.body.collect(upTo: Self.bodyBytesMax))
    } catch {
      return response(RestAnswer(RestFailure(-1010, "The request body is too large.", status: 413)))
    }
    let call = RestCall(
      method: request.method.rawValue, path: request.uri.path, query: request.uri.query ?? "", body: body,
      apiKey: HTTPField.Name("X-MBX-APIKEY").flatMap { request.headers[$0] })
    let core = core
    let outcome = try await loop.submit { core.value.outcome(of: call) }.get()
    switch outcome {
    case .answer(let answer): return response(answer)
    case .klines(let job, let usedWeight):
      var answer = RestAnswer(body: job.body())
      answer.usedWeight = usedWeight
      return response(answer)
    }
  }

  private func response(_ answer: RestAnswer) -> Response {
    var headers = HTTPFields()
    headers[.contentType] = "application/json"
    headers[.contentLength] = String(answer.body.count)
    Self.set(&headers, "X-MBX-USED-WEIGHT-1M", answer.usedWeight)
    if let counts = answer.orderCounts {
      Self.set(&headers, "X-MBX-ORDER-COUNT-10S", counts.tenSeconds)
      Self.set(&headers, "X-MBX-ORDER-COUNT-1M", counts.minute)
    }
    if let seconds = answer.retryAfterSeconds { Self.set(&headers, "Retry-After", seconds) }
    return Response(
      status: HTTPResponse.Status(code: answer.status), headers: headers,
      body: ResponseBody(byteBuffer: ByteBuffer(bytes: answer.body)))
  }

  private static func set(_ headers: inout HTTPFields, _ name: String, _ value: Int) {
    if let name = HTTPField.Name(name) { headers[name] = String(value) }
  }
}
