import Market

/// Where the streams of a venue are: the parts of a WebSocket URL.
public struct StreamEndpoint: Sendable, Equatable {
  public var isSecure: Bool
  public var host: String
  public var port: Int
  /// Precedes `/public`, `/market`, `/private`; without a trailing slash, usually empty.
  public var path: String

  public init(isSecure: Bool, host: String, port: Int, path: String = "") {
    self.isSecure = isSecure
    self.host = host
    self.port = port
    self.path = path
  }

  /// Reads `ws://host:port[/path]` or `wss://host[:port][/path]`.
  ///
  /// - Returns: nil for anything else, and for `ws://` to a host that is not this machine: market data decides
  ///   about money, so it travels unprotected on loopback only.
  public init?(url: String) {
    guard let parts = EndpointParts(url: url, plain: "ws", secure: "wss") else { return nil }
    guard parts.isSecure || parts.isLoopback else { return nil }
    self.init(isSecure: parts.isSecure, host: parts.host, port: parts.port, path: parts.path)
  }

  /// The value of the `Host` header.
  var authority: String {
    let shown = host.contains(":") ? "[\(host)]" : host
    return port == (isSecure ? 443 : 80) ? shown : "\(shown):\(port)"
  }
}

/// Scheme, host, port and path of a URL, without user, query or fragment.
struct EndpointParts: Equatable {
  var isSecure: Bool
  var host: String
  var port: Int
  var path: String

  var isLoopback: Bool {
    host == "localhost" || host == "::1"
      || (host.hasPrefix("127.") && host.allSatisfy { "0123456789.".contains($0) })
  }

  init?(url: String, plain: String, secure: String) {
    let rest: Substring
    if url.hasPrefix(plain + "://") {
      isSecure = false
      rest = url.dropFirst(plain.count + 3)
    } else if url.hasPrefix(secure + "://") {
      isSecure = true
      rest = url.dropFirst(secure.count + 3)
    } else {
      return nil
    }
    guard !rest.contains(where: { "@?#\\ \t\r\n".contains($0) }) else { return nil }
    let slash = rest.firstIndex(of: "/") ?? rest.endIndex
    var authority = rest[..<slash]
    var trimmed = rest[slash...]
    while trimmed.hasSuffix("/") { trimmed = trimmed.dropLast() }
    path = String(trimmed)
    var portText: Substring?
    if authority.hasPrefix("[") {
      guard let close = authority.firstIndex(of: "]") else { return nil }
      let after = authority[authority.index(after: close)...]
      if !after.isEmpty {
        guard after.hasPrefix(":") else { return nil }
        portText = after.dropFirst()
      }
      authority = authority[authority.index(after: authority.startIndex)..<close]
    } else if let colon = authority.firstIndex(of: ":") {
      portText = authority[authority.index(after: colon)...]
      authority = authority[..<colon]
    }
    guard !authority.isEmpty else { return nil }
    host = authority.lowercased()
    if let portText {
      guard let number = Int(portText), (1...65_535).contains(number) else { return nil }
      port = number
    } else {
      port = isSecure ? 443 : 80
    }
  }
}

/// The two places market streams are served from; a stream asked for at the wrong one is silent for ever.
enum StreamEntry: Int, CaseIterable, Sendable {
  /// Best bid and ask.
  case publicData = 0
  /// Aggregate trades and mark prices.
  case marketData = 1

  var pathSegment: String { self == .publicData ? "/public" : "/market" }

  /// The stream names of one instrument here. Symbols are lower case in them.
  func streamNames(symbol: String) -> [String] {
    let name = symbol.lowercased()
    return self == .publicData ? ["\(name)@bookTicker"] : ["\(name)@aggTrade", "\(name)@markPrice@1s"]
  }

  var streamsPerInstrument: Int { self == .publicData ? 1 : 2 }
}

/// What one connection carries.
struct ConnectionPlan: Sendable {
  /// Position in the plan; names the connection in events and logs.
  var number: Int
  var entry: StreamEntry
  var instruments: [InstrumentID]
}

/// Splits instruments over connections.
enum StreamPlan {
  /// Streams named in one SUBSCRIBE, so that its text stays near 4 KB.
  static let streamsPerSubscribeMax = 100
  /// Pause between two messages to the exchange: four a second, under its limit of ten with room for pongs.
  static let subscribePauseNanoseconds: Int64 = 250_000_000

  /// - Parameter streamsPerConnectionMax: the exchange allows 1024; fewer means that less is lost with one.
  static func connections(
    for instruments: [InstrumentID], streamsPerConnectionMax: Int = 200
  ) -> [ConnectionPlan] {
    precondition(streamsPerConnectionMax >= 2, "an instrument has two streams at one entry")
    var plans: [ConnectionPlan] = []
    for entry in StreamEntry.allCases {
      let chunk = streamsPerConnectionMax / entry.streamsPerInstrument
      for start in stride(from: 0, to: instruments.count, by: chunk) {
        let part = Array(instruments[start..<min(start + chunk, instruments.count)])
        plans.append(ConnectionPlan(number: plans.count, entry: entry, instruments: part))
      }
    }
    return plans
  }

  /// The SUBSCRIBE texts of a connection, numbered from 1 in their `id`.
  static func subscriptions(of plan: ConnectionPlan, table: InstrumentTable) -> [String] {
    let names = plan.instruments.flatMap { plan.entry.streamNames(symbol: table[$0].symbol) }
    return stride(from: 0, to: names.count, by: streamsPerSubscribeMax).enumerated().map { number, start in
      let part = names[start..<min(start + streamsPerSubscribeMax, names.count)]
      let list = part.map { "\"\($0)\"" }.joined(separator: ",")
      return #"{"method":"SUBSCRIBE","params":[\#(list)],"id":\#(number + 1)}"#
    }
  }
}
