public import Market
public import PluginHost
public import Storage
public import Trading

/// Everything that can be chosen about a run: one immutable tree, read once at the edge and passed down by value.
///
/// Keys, environment names, units, ranges and defaults of every value stand in `SettingsFields.swift`.
public struct Settings: Sendable, Equatable {
  public var venue = Venue.binance
  /// WebSocket base of a venue given by URL; the venue's own when nil.
  public var venueStreams: String?
  public var mode = TradingMode.paper
  /// Everything aegis writes lies below it.
  public var dataDirectory = ".aegis"
  public var logLevel = LogLevel.info
  public var api = API()
  public var plugins = Plugins()
  public var reload = Reload()
  public var universe = Universe()
  public var feed = Feed()
  public var ring = Ring()
  public var brain = Brain()
  public var desk = DeskSettings()
  public var warmup = Warmup()
  public var retention = Retention()
  public var simulator = Simulator()

  public init() {}

  /// Where market data comes from and, in live mode, orders go to.
  public enum Venue: Sendable, Hashable, CustomStringConvertible {
    case binance
    /// Started and ended by the engine, on free loopback ports.
    case simulator
    /// REST base of a Binance-compatible venue.
    case url(String)

    /// The name that keys stored rows.
    public var description: String {
      switch self {
      case .binance: "binance"
      case .simulator: "simulator"
      case .url(let url): url
      }
    }
  }

  public enum LogLevel: String, Sendable, CaseIterable { case debug, info, warning, error }

  public struct API: Sendable, Equatable {
    /// 0 picks a free one; the address is written to `run/api.json` in the data directory.
    public var port = 9320
    /// A file with a bearer token that every request must then carry; nil asks for none.
    public var tokenFile: String?
  }

  public struct Plugins: Sendable, Equatable {
    /// The folder a name without a slash is looked up in; nil is `plugins` beside the executable.
    public var directory: String?
    /// Where plugins run that do not say otherwise themselves.
    public var placement = PlacementSetting.auto
    /// How much of the sandbox of isolated plugins must be there.
    public var sandbox = SandboxMode.required
    /// Empty loads nothing: the engine then watches and never trades. The default is the bundled sample, so that a
    /// first start has something to show.
    public var load: [Choice] = [Choice(path: "trend_follower")]

    /// A condition on closed candles without which nothing is opened, such as `rsi(close, 14) < 70`; nil asks for
    /// nothing.
    public var entryFilter: String?
    /// The candles it is about.
    public var entryFilterTimeframe = Timeframe.minute1

    public struct Choice: Sendable, Equatable {
      /// A path, or the name of a library in the plugin directory.
      public var path: String
      /// Which plugin of the library, when it holds several.
      public var id: String?
      /// Given to the plugin as text; it knows their types.
      public var parameters: [Parameter] = []
      /// Where it runs; nil = as `plugins.placement` says.
      public var placement: PlacementSetting?

      public init(
        path: String, id: String? = nil, parameters: [Parameter] = [], placement: PlacementSetting? = nil
      ) {
        self.path = path
        self.id = id
        self.parameters = parameters
        self.placement = placement
      }
    }

    public struct Parameter: Sendable, Hashable {
      public var name: String
      public var value: String
      public init(name: String, value: String) {
        self.name = name
        self.value = value
      }
    }
  }

  /// How a new version of a plugin is tried beside the old one.
  public struct Reload: Sendable, Equatable {
    /// Live events a new version must see in the shadow before it counts; 0 switches at once.
    public var shadowEvents = 2000
    /// The shadow ends after this time even if fewer events came.
    public var shadowSeconds = 5
    /// How long the former version stands ready for a rollback.
    public var probationSeconds = 600
    /// Bad signals within a minute that take a plugin out of service, or roll a new version back.
    public var badSignalsMax = 10
    /// A call of a new version may take this long; more than one call in a hundred above it refuses the version.
    public var budgetMicroseconds = 50
    /// Former versions stay mapped; at this number no more are loaded until a restart.
    public var retiredImagesMax = 1024
  }

  public struct Universe: Sendable, Equatable {
    /// Trade only these; empty means every USDT perpetual the venue lists as trading.
    public var symbols: [String] = []
    /// At most so many, in the venue's order.
    public var symbolsMax = 1000
  }

  public struct Feed: Sendable, Equatable {
    /// Market streams on one connection; the venue allows 1024 and closes connections it finds too busy.
    public var streamsPerConnection = 200
  }

  public struct Ring: Sendable, Equatable {
    /// Events the ring holds, a power of two; 64 bytes each.
    public var capacity = 1 << 18
  }

  public struct Brain: Sendable, Equatable {
    /// How long the decision thread polls an empty ring before it naps. Longer answers faster and burns a core.
    public var spinMicroseconds = 50
  }

  public struct Warmup: Sendable, Equatable {
    /// Closed candles per timeframe to start with.
    public var candles = 300
    /// Asks the venue neither for history nor for what a gap lost; those candles stay incomplete.
    public var isRESTFallbackDisabled = false
  }

  public struct Retention: Sendable, Equatable {
    public var marketTapeHours = 24
    public var journalDays = 30
    public var storeDays = 90
  }

  /// What `aegis run` starts when the venue is `simulator`.
  public struct Simulator: Sendable, Equatable {
    /// A folder of recorded streams to play; nil generates a market.
    public var tape: String?
    public var symbols = 20
    public var seed = 1
    /// Market messages a second over all symbols.
    public var rate = 1000
    /// Times real time.
    public var speed = 1.0
  }
}

extension Settings {
  /// Whether the venue can only be this machine.
  public var isVenueLoopback: Bool {
    switch venue {
    case .binance: false
    case .simulator: true
    case .url(let url):
      Loopback.isName(Loopback.host(ofURL: url) ?? "")
        && (venueStreams.map { Loopback.isName(Loopback.host(ofURL: $0) ?? "") } ?? true)
    }
  }

  /// Whose rows a run with these settings reads and writes.
  public var scope: StoreScope { StoreScope(venue: venue.description, mode: mode) }

  /// What keeps these settings from reaching real money; empty in paper mode.
  ///
  /// - Parameter isConfirmed: the person said `--confirm-live` on this very start.
  public func problemsOfLiveMode(credentials: Credentials?, isConfirmed: Bool) -> [SettingsProblem] {
    guard mode == .live else { return [] }
    var problems: [SettingsProblem] = []
    if credentials == nil {
      problems.append(
        SettingsProblem(
          source: "environment", key: Credentials.keyName, what: "is not set and mode is live",
          fix: "set \(Credentials.keyName) and \(Credentials.secretName), or use mode paper"))
    }
    if !isConfirmed {
      problems.append(
        SettingsProblem(
          source: "flag", key: "--confirm-live", what: "is missing and mode is live",
          fix: "add it to trade with the account's own money, or use mode paper"))
    }
    if !isVenueLoopback {
      problems.append(
        SettingsProblem(
          source: "settings", key: "venue",
          what: "\(venue) is not on this machine and stops are not yet kept at the venue",
          fix: "use mode paper, or venue simulator"))
    }
    return problems
  }
}

/// Names and addresses that cannot leave this machine.
public enum Loopback {
  public static func isName(_ host: String) -> Bool {
    let lower = host.lowercased()
    return lower == "localhost" || lower == "127.0.0.1" || lower == "::1" || lower == "[::1]"
  }

  /// The host of `scheme://host[:port][/path]`; nil for anything else, user names included.
  public static func host(ofURL url: String) -> String? {
    let parts = url.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, parts[1].hasPrefix("//") else { return nil }
    let authority = parts[1].dropFirst(2).prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    guard !authority.isEmpty, !authority.contains("@") else { return nil }
    return host(ofAuthority: authority)
  }

  /// The host of a `Host` header or an authority: the port is taken off.
  public static func host(ofAuthority authority: some StringProtocol) -> String? {
    if authority.first == "[" {
      guard let end = authority.firstIndex(of: "]") else { return nil }
      let rest = authority[authority.index(after: end)...]
      guard rest.isEmpty || isPort(rest) else { return nil }
      return String(authority[...end])
    }
    let parts = authority.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard let host = parts.first, !host.isEmpty else { return nil }
    if parts.count == 2, !isPort(":" + parts[1]) { return nil }
    return String(host)
  }

  private static func isPort(_ text: some StringProtocol) -> Bool {
    text.first == ":" && UInt16(text.dropFirst()) != nil
  }
}
