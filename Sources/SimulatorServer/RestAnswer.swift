import BinanceWire
import Market
import Simulator

/// One request of the REST port, raw where signatures need it raw.
struct RestCall: Sendable {
  var method: String
  var path: String
  /// Undecoded, without `?`.
  var query: String
  var body: String
  var apiKey: String?
  var parameters: RequestParameters

  init(method: String, path: String, query: String, body: String, apiKey: String?) {
    self.method = method
    self.path = path
    self.query = query
    self.body = body
    self.apiKey = apiKey
    parameters = RequestParameters(query: query, body: body)
  }
}

/// What goes back to the client.
struct RestAnswer: Sendable {
  var status: Int = 200
  var body: [UInt8]
  var usedWeight = 0
  /// Shown on order answers.
  var orderCounts: (tenSeconds: Int, minute: Int)?
  var retryAfterSeconds: Int?

  /// - Parameter body: JSON text; `{}` unless something is said.
  init(body: [UInt8] = Array("{}".utf8)) { self.body = body }

  init(_ message: some Encodable) { body = JSONText.encode(message) }

  init(_ failure: RestFailure) {
    self.init(ErrorBody(code: failure.code, message: failure.message))
    status = failure.status
    retryAfterSeconds = failure.retryAfterSeconds
  }
}

/// A request that is refused: HTTP status, the exchange's code and a sentence.
struct RestFailure: Error, Equatable {
  var status = 400
  var code: Int32
  var message: String
  var retryAfterSeconds: Int?

  init(_ code: Int32, _ message: String, status: Int = 400, retryAfterSeconds: Int? = nil) {
    self.status = status
    self.code = code
    self.message = message
    self.retryAfterSeconds = retryAfterSeconds
  }

  init(_ refusal: OrderRefusal) { self.init(refusal.rawValue, refusal.message) }

  static func missing(_ name: String) -> RestFailure {
    RestFailure(-1102, "Mandatory parameter '\(name)' was not sent, was empty/null, or malformed.")
  }

  static func illegal(_ name: String) -> RestFailure {
    RestFailure(-1100, "Illegal characters found in parameter '\(name)'.")
  }
}

/// What the exchange's thread decided about a request: an answer, or candles still to be made elsewhere.
enum RestOutcome: Sendable {
  case answer(RestAnswer)
  case klines(KlineJob, usedWeight: Int)
}

extension RequestParameters {
  func required(_ name: String) throws(RestFailure) -> String {
    guard let value = self[name] else { throw .missing(name) }
    return value
  }

  /// A whole number, or nil when it was not sent.
  func integer(_ name: String) throws(RestFailure) -> Int64? {
    guard let text = self[name] else { return nil }
    guard let value = Int64(text) else { throw .illegal(name) }
    return value
  }

  /// `limit` within its bounds.
  func limit(usual: Int, max: Int) throws(RestFailure) -> Int {
    guard let value = try integer("limit") else { return usual }
    guard value >= 1 else { throw RestFailure(-1130, "Data sent for parameter 'limit' is not valid.") }
    return Int(min(value, Int64(max)))
  }

  /// `"true"` or `"false"`, in any case.
  func flag(_ name: String) throws(RestFailure) -> Bool? {
    guard let text = self[name] else { return nil }
    switch text.lowercased() {
    case "true": return true
    case "false": return false
    default: throw .illegal(name)
    }
  }
}
