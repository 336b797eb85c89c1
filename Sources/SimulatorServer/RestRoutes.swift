import BinanceWire
import Market
import Simulator

/// What a route needs from the caller.
enum RestSecurity { case none, key, signed }

/// One endpoint: its price, what it needs, and what answers it.
struct RestRoute {
  var security: RestSecurity
  var weight: (RequestParameters) -> Int
  var orders = 0
  var answer: (ExchangeCore, RequestParameters) throws(RestFailure) -> RestAnswer

  init(
    _ security: RestSecurity, weight: Int, orders: Int = 0,
    _ answer: @escaping (ExchangeCore, RequestParameters) throws(RestFailure) -> RestAnswer
  ) {
    self.init(security, weight: { _ in weight }, orders: orders, answer)
  }

  init(
    _ security: RestSecurity, weight: @escaping (RequestParameters) -> Int, orders: Int = 0,
    _ answer: @escaping (ExchangeCore, RequestParameters) throws(RestFailure) -> RestAnswer
  ) {
    self.security = security
    self.weight = weight
    self.orders = orders
    self.answer = answer
  }
}

extension ExchangeCore {
  /// Answers a request, or says what is still to be computed for it.
  func outcome(of call: RestCall) -> RestOutcome {
    let isKlines = call.method == "GET" && call.path == "/fapi/v1/klines"
    if isKlines { return klineOutcome(call) }
    guard let route = Self.route(call.method, call.path) else { return .answer(unknownPath(call)) }
    if let refused = book(route.weight(call.parameters), orders: route.orders) { return .answer(refused) }
    var answer: RestAnswer
    do {
      try check(route.security, call)
      answer = try route.answer(self, call.parameters)
    } catch {
      answer = RestAnswer(error)
    }
    answer.usedWeight = usage.usedWeight
    if route.orders > 0 { answer.orderCounts = usage.orderCounts }
    hub.flush()
    return .answer(answer)
  }

  private func klineOutcome(_ call: RestCall) -> RestOutcome {
    if let refused = book(Self.klineWeight(call.parameters), orders: 0) { return .answer(refused) }
    do {
      return .klines(try klineJob(call.parameters), usedWeight: usage.usedWeight)
    } catch {
      var answer = RestAnswer(error)
      answer.usedWeight = usage.usedWeight
      return .answer(answer)
    }
  }

  private static func klineWeight(_ parameters: RequestParameters) -> Int {
    OrderRequests.klineWeight(limit: parameters["limit"].flatMap { Int($0) } ?? 500)
  }

  private func unknownPath(_ call: RestCall) -> RestAnswer {
    var answer = RestAnswer(
      RestFailure(-5000, "Path \(call.path), Method \(call.method) is invalid", status: 404))
    answer.usedWeight = usage.usedWeight
    return answer
  }

  private func book(_ weight: Int, orders: Int) -> RestAnswer? {
    let real = SimulatedClock.monotonicNanoseconds
    guard let refusal = usage.take(weight: weight, orders: orders, now: real) else { return nil }
    let failure: RestFailure
    switch refusal {
    case .weight(let seconds):
      failure = RestFailure(
        -1003,
        "Too many requests; current limit of IP is \(options.weightPerMinuteMax) requests per minute. "
          + "Please use the websocket for live updates to avoid polling the API.",
        status: 429, retryAfterSeconds: seconds)
    case .orders(let seconds):
      failure = RestFailure(-1015, "Too many new orders.", status: 429, retryAfterSeconds: seconds)
    }
    var answer = RestAnswer(failure)
    answer.usedWeight = usage.usedWeight
    if orders > 0 { answer.orderCounts = usage.orderCounts }
    return answer
  }

  private func check(_ security: RestSecurity, _ call: RestCall) throws(RestFailure) {
    let verdict: SignatureVerifier.Verdict
    switch security {
    case .none: return
    case .key: verdict = verifier.verdict(onKey: call.apiKey)
    case .signed:
      verdict = verifier.verdict(
        apiKey: call.apiKey, query: call.query, body: call.body, serverNow: clock.now)
    }
    guard case .refused(let status, let code, let message) = verdict else { return }
    // Without keys of its own the simulator says which pair it takes: it guards nothing but loopback.
    let hint =
      code == -2015 && options.apiKey == nil
      ? " This simulator takes key \(SimulatorOptions.defaultAPIKey) with secret "
        + "\(SimulatorOptions.defaultAPISecret) unless it is started with others." : ""
    throw RestFailure(code, message + hint, status: status)
  }

  /// The instrument of the mandatory parameter `symbol`.
  func instrument(_ parameters: RequestParameters) throws(RestFailure) -> InstrumentID {
    guard let id = symbols[try parameters.required("symbol")] else { throw RestFailure(.unknownSymbol) }
    return id
  }

  /// As `instrument`, where the parameter may be left out.
  func instrumentIfAny(_ parameters: RequestParameters) throws(RestFailure) -> InstrumentID? {
    parameters["symbol"] == nil ? nil : try instrument(parameters)
  }

  static func route(_ method: String, _ path: String) -> RestRoute? {
    guard let route = marketRoute(method, path) ?? accountRoute(method, path) ?? orderRoute(method, path)
    else {
      return nil
    }
    return route
  }
}
