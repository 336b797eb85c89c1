public import Simulator

/// What an exchange simulator is started with.
public struct SimulatorOptions: Sendable {
  public enum Source: Sendable, Equatable {
    /// A recorded file or a folder of them.
    case tape(String)
    /// A seeded market: number of symbols, seed, messages a second (of the venue's clock) over all symbols.
    case generate(symbolCount: Int, seed: UInt64, messagesPerSecond: Int)
  }

  public var source: Source
  /// How much faster than the wall the venue's clock runs. Signed sessions want 1.
  public var speed: Double
  /// 0 picks a free one.
  public var restPort: Int
  public var streamPort: Int
  /// The pair signed requests must use; nil for both means the default pair below.
  public var apiKey: String?
  public var apiSecret: String?
  /// Balance and fees. Latency must be 0: the real wire has its own.
  public var exchange: SimulatedExchangeSettings
  /// Request weight per minute and address; more is answered with 429.
  public var weightPerMinuteMax: Int
  /// What one stream client may fall behind before its connection is closed.
  public var outstandingBytesMax: Int

  /// The pair in force when none is given; the simulator names it when it refuses a key (-2015).
  public static let defaultAPIKey = "simulator-key"
  public static let defaultAPISecret = "simulator-secret"

  public init(
    source: Source, speed: Double = 1, restPort: Int = 0, streamPort: Int = 0, apiKey: String? = nil,
    apiSecret: String? = nil, exchange: SimulatedExchangeSettings = SimulatedExchangeSettings(),
    weightPerMinuteMax: Int = 2_400, outstandingBytesMax: Int = 32 << 20
  ) {
    self.source = source
    self.speed = speed
    self.restPort = restPort
    self.streamPort = streamPort
    self.apiKey = apiKey
    self.apiSecret = apiSecret
    self.exchange = exchange
    self.weightPerMinuteMax = weightPerMinuteMax
    self.outstandingBytesMax = outstandingBytesMax
  }

  /// The first option that cannot be used.
  func check() throws(SimulatorError) {
    guard speed > 0, speed <= SimulatedClock.speedMax else {
      throw .option(
        name: "speed", reason: "\(speed) is not between 0 and \(SimulatedClock.speedMax); 1 is real time")
    }
    for (name, port) in [("rest-port", restPort), ("stream-port", streamPort)]
    where !(0...65_535).contains(port) {
      throw .option(name: name, reason: "\(port) is no port; use 0 to 65535, 0 picks a free one")
    }
    guard (apiKey == nil) == (apiSecret == nil) else {
      throw .option(name: "api-key", reason: "key and secret come together; give both or neither")
    }
    guard apiKey?.isEmpty != true, apiSecret?.isEmpty != true else {
      throw .option(name: "api-key", reason: "key and secret must not be empty")
    }
    guard exchange.latencyNanoseconds == 0, exchange.latencyJitterNanoseconds == 0 else {
      throw .option(name: "exchange.latency", reason: "must be 0 here; the wire adds its own")
    }
    guard weightPerMinuteMax > 0, outstandingBytesMax > 1 << 16 else {
      throw .option(name: "limits", reason: "weight must be positive and buffers larger than 64 KiB")
    }
    guard case .generate(let symbolCount, _, let rate) = source else { return }
    guard (1...GeneratedMarket.symbolCountMax).contains(symbolCount) else {
      throw .option(
        name: "generate", reason: "\(symbolCount) symbols; use 1 to \(GeneratedMarket.symbolCountMax)")
    }
    guard (1...GeneratedMarket.messagesPerSecondMax).contains(rate) else {
      throw .option(
        name: "rate", reason: "\(rate) messages a second; use 1 to \(GeneratedMarket.messagesPerSecondMax)")
    }
  }
}

/// Where a running simulator can be reached; its JSON is the ready line.
public struct SimulatorAddresses: Sendable, Codable, Hashable {
  public var rest: String
  public var streams: String
  public var wsApi: String

  public init(rest: String, streams: String, wsApi: String) {
    self.rest = rest
    self.streams = streams
    self.wsApi = wsApi
  }

  /// `{"rest":"http://…","streams":"ws://…","wsApi":"ws://…"}`
  public var json: String { "{\"rest\":\"\(rest)\",\"streams\":\"\(streams)\",\"wsApi\":\"\(wsApi)\"}" }
}
