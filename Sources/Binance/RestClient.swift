public import BinanceWire
import CCurl
import Glibc
import Market
import SharedMemory
import Synchronization

/// REST calls over libcurl: one thread, warm connections, verified TLS, no redirects, one named host.
///
/// Calls go out in the order of their lanes, each after the budget gave its cost. A call that changes something is
/// written to the wire at most once: libcurl's own repetition on a connection that died is made impossible by giving
/// it a body it cannot rewind.   [any thread]
public final class RestClient: Sendable {
  /// Called once per call, on the client's thread; must not block.
  public typealias Completion = @Sendable (Result<RestAnswer, RestError>) -> Void

  let inbox: RestInbox
  public let clock: VenueClock
  /// What every call is taken from before it is sent.
  public let budget: RestBudget

  /// - Parameters:
  ///   - signer: signs and names the key; without it calls that need one are denied.
  ///   - budget: shared with every other client that asks the same venue from this address.
  public init(
    _ configuration: RestConfiguration, signer: RequestSigner? = nil,
    budget: RestBudget = RestBudget(), clock: VenueClock = VenueClock()
  ) throws(RestError) {
    guard let parts = EndpointParts(url: configuration.baseURL, plain: "http", secure: "https") else {
      throw .configuration("REST address '\(configuration.baseURL)' is not http(s)://host[:port]")
    }
    guard parts.isLoopback || configuration.allowedHosts.contains(parts.host) else {
      throw .configuration("REST host '\(parts.host)' is not on the list of allowed hosts")
    }
    guard parts.isSecure || parts.isLoopback else {
      throw .configuration(
        "REST address '\(configuration.baseURL)' needs https: plain http is for loopback only")
    }
    guard aegis_curl_global_init() == CURLE_OK else { throw .configuration("libcurl cannot be initialised") }
    let descriptor = aegis_event_descriptor_create()
    guard descriptor >= 0 else {
      throw .configuration("no event descriptor: \(String(cString: strerror(errno)))")
    }
    let inbox = RestInbox(descriptor: descriptor, queuedMax: configuration.queuedMax)
    self.inbox = inbox
    self.clock = clock
    self.budget = budget
    let loop = RestLoop(
      configuration: configuration, parts: parts, signer: signer, budget: budget, clock: clock, inbox: inbox)
    guard let loop else { throw .configuration("libcurl gave no handle") }
    startThread(name: "aegis-rest") { loop.run() }
  }

  deinit { inbox.close() }

  /// Sends one call and waits for its answer.
  ///
  /// - Parameter patienceMilliseconds: how long it may wait for its turn and its budget before it is denied.
  public func send(_ request: RestRequest, patienceMilliseconds: Int = 30_000) async throws(RestError)
    -> RestAnswer
  {
    let result = await withCheckedContinuation {
      (continuation: CheckedContinuation<Result<RestAnswer, RestError>, Never>) in
      submit(request, patienceMilliseconds: patienceMilliseconds) { continuation.resume(returning: $0) }
    }
    return try result.get()
  }

  /// Sends one call; the completion runs on the client's thread.
  public func submit(
    _ request: RestRequest, patienceMilliseconds: Int = 30_000, completion: @escaping Completion
  ) {
    let job = RestJob(
      request: request, deadline: monotonicNanoseconds() + Int64(patienceMilliseconds) * 1_000_000,
      completion: completion)
    if let refusal = inbox.add(job) { completion(.failure(refusal)) }
  }

  /// Ends the thread. Calls on the wire end with `outcomeUnknown`, waiting ones are denied.   [any thread]
  public func shutdown() { inbox.close() }
}

struct RestJob: Sendable {
  var request: RestRequest
  /// Monotonic moment after which it is denied instead of sent.
  var deadline: Int64
  var completion: RestClient.Completion
}

/// Something that lives on the client's thread and is asked after every wake-up.
protocol RestResident: AnyObject {
  /// Does what is due.
  /// - Returns: the monotonic moment of its next deadline, or nil.
  func turn(now: Int64) -> Int64?
}

/// The door to the client's thread.
final class RestInbox: Sendable {
  private struct State {
    var jobs: [RestJob] = []
    var isClosed = false
    var resident: (any RestResident & Sendable)?
  }

  let descriptor: Int32
  private let queuedMax: Int
  private let state = Mutex(State())

  init(descriptor: Int32, queuedMax: Int) {
    self.descriptor = descriptor
    self.queuedMax = queuedMax
  }

  /// The descriptor lives as long as thread or client may signal it.
  deinit { Glibc.close(descriptor) }

  /// - Returns: why the job was not taken.
  func add(_ job: RestJob) -> RestError? {
    let refusal: RestError? = state.withLock { state in
      guard !state.isClosed else { return .denied("the client is shut down") }
      guard state.jobs.count < queuedMax else { return .denied("\(queuedMax) calls are waiting already") }
      state.jobs.append(job)
      return nil
    }
    if refusal == nil { wake() }
    return refusal
  }

  func adopt(_ resident: any RestResident & Sendable) {
    state.withLock { $0.resident = resident }
    wake()
  }

  func wake() { aegis_event_descriptor_signal(descriptor) }

  func close() {
    state.withLock { $0.isClosed = true }
    wake()
  }

  /// Everything that came in, and whether it is the end.
  func drain() -> (jobs: [RestJob], isClosed: Bool, resident: (any RestResident & Sendable)?) {
    state.withLock { state in
      let jobs = state.jobs
      state.jobs.removeAll(keepingCapacity: true)
      return (jobs, state.isClosed, state.resident)
    }
  }
}

/// Runs `body` on a new thread that nobody waits for.
func startThread(name: String, _ body: @escaping @Sendable () -> Void) {
  final class Box {
    let name: String
    let body: @Sendable () -> Void
    init(_ name: String, _ body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }
  let box = Unmanaged.passRetained(Box(name, body))
  var thread = pthread_t()
  let code = pthread_create(
    &thread, nil,
    { context in
      guard let context else { return nil }
      let box = Unmanaged<Box>.fromOpaque(context).takeRetainedValue()
      ThreadPlacement.name(box.name)
      box.body()
      return nil
    }, box.toOpaque())
  precondition(code == 0, "a thread can be started")
  pthread_detach(thread)
}
