/// What the venue answered to one call. A status other than 200 is an answer too.
public struct RestAnswer: Sendable {
  public var status: Int
  public var body: [UInt8]
  /// `X-MBX-USED-WEIGHT-1M`.
  public var usedWeight: Int?
  /// `X-MBX-ORDER-COUNT-10S` and `-1M`.
  public var orderCount10s: Int?
  public var orderCount1m: Int?
  /// `Retry-After`, of 429 and 418.
  public var retryAfterSeconds: Int?

  public init(
    status: Int, body: [UInt8], usedWeight: Int? = nil, orderCount10s: Int? = nil, orderCount1m: Int? = nil,
    retryAfterSeconds: Int? = nil
  ) {
    self.status = status
    self.body = body
    self.usedWeight = usedWeight
    self.orderCount10s = orderCount10s
    self.orderCount1m = orderCount1m
    self.retryAfterSeconds = retryAfterSeconds
  }

  /// The body as text, for error codes and logs; bad UTF-8 is replaced.
  public var text: String { String(decoding: body, as: UTF8.self) }
}

/// Why there is no answer. No case ever carries a query: it would hold a signature.
public enum RestError: Error, Sendable, Equatable {
  /// The client cannot be built like this.
  case configuration(String)
  /// Refused here; nothing was sent: budget, ban, full queue, shut down.
  case denied(String)
  /// No connection, so the venue cannot have seen the call.
  case notSent(String)
  /// Sent, at least in part, without a whole answer: a changing call may or may not have been executed.
  case outcomeUnknown(String)
  /// The answer does not mean what was asked for.
  case unexpectedAnswer(String)

  /// Whether a changing call may have been executed.
  public var mayHaveExecuted: Bool {
    switch self {
    case .outcomeUnknown, .unexpectedAnswer: true
    case .configuration, .denied, .notSent: false
    }
  }
}

/// How a `RestClient` connects.
public struct RestConfiguration: Sendable {
  /// `https://host[:port]`; `http://` for loopback only.
  public var baseURL: String
  /// Hosts that may be called. Loopback is always allowed, everything else must be named here.
  public var allowedHosts: Set<String> = RestConfiguration.exchangeHosts
  /// Name look-up, TCP and TLS together.
  public var connectTimeoutMilliseconds = 3_000
  /// The whole call.
  public var totalTimeoutMilliseconds = 10_000
  /// Calls on the wire at once.
  public var inFlightMax = 16
  /// Calls waiting for budget or their turn; more are denied.
  public var queuedMax = 1_024
  /// Longer answers are cut off as errors; exchangeInfo has about 3 MB.
  public var answerByteCountMax = 32 << 20
  /// A file of certificates to trust instead of the system's.
  public var certificateAuthorityPath: String?

  public init(baseURL: String) { self.baseURL = baseURL }

  /// The exchange's documented production and demo hosts.
  public static let exchangeHosts: Set<String> = [
    "fapi.binance.com", "demo-fapi.binance.com", "testnet.binancefuture.com",
  ]
}
