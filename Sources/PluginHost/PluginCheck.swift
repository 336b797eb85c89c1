/// One check of a plugin and how it went.
public struct PluginCheck: Sendable, Hashable {
  public enum Result: String, Sendable {
    case ok
    /// Works, and someone should look at it.
    case warning
    case failed
    /// Not made, because an earlier one failed in a way that makes it pointless.
    case skipped
  }

  public var name: String
  /// Which plugin of the file; empty for checks of the file as a whole.
  public var plugin: String
  public var result: Result
  /// What was found, as one line.
  public var detail: String
  /// It ended before it could judge: a crash, the time limit, or an error on the way.
  public var isInterrupted = false

  public init(_ name: String, _ result: Result, _ detail: String, plugin: String = "") {
    self.name = name
    self.plugin = plugin
    self.result = result
    self.detail = detail
  }

  /// One line of JSON, all values strings.
  public var json: String {
    FlatJSON.text([
      ("check", name), ("plugin", plugin), ("result", result.rawValue), ("detail", detail),
      ("interrupted", isInterrupted ? "yes" : "no"),
    ])
  }

  init?(json line: some StringProtocol) {
    guard let fields = FlatJSON.parse(line), let name = fields["check"], let plugin = fields["plugin"],
      let result = fields["result"].flatMap(Result.init(rawValue:)), let detail = fields["detail"]
    else { return nil }
    self.init(name, result, detail, plugin: plugin)
    isInterrupted = fields["interrupted"] == "yes"
  }
}

/// How a plugin is tried.
public struct ValidationOptions: Sendable {
  /// Of the made-up market, the instance and the fuzzed events.
  public var seed: UInt64 = 1
  /// What one event may cost, in microseconds.
  public var budgetMicroseconds: Double = 50
  /// A history written by `TrialHistoryFile`; nil = a made-up market.
  public var historyPath: String?
  /// Configuration texts by parameter name; the rest take their defaults.
  public var parameters: [String: String] = [:]
  /// After this a check's process is killed.
  public var timeoutMilliseconds = 60_000
  /// Only these checks, and the load; empty = all.
  public var only: Set<String> = []
  /// Runs every check in the calling process, for a debugger: a crash ends it.
  public var isInProcess = false

  public init() {}
}

/// Counts what plugin code does through the C library while it runs; only the slim host can.
public struct PluginProbe: Sendable {
  public var begin: @Sendable () -> Void
  /// Calls of the allocator and of `socket` since `begin`, on the calling thread.
  public var end: @Sendable () -> (allocations: Int, sockets: Int)

  public init(
    begin: @escaping @Sendable () -> Void, end: @escaping @Sendable () -> (allocations: Int, sockets: Int)
  ) {
    self.begin = begin
    self.end = end
  }
}
