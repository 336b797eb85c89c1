import Glibc
import Market
import PluginABI

/// The rehearsal of a reload in a child process: the new file with the real configuration, the real symbols and the
/// real state, over a stretch of made-up market. What would hurt the engine hurts the child instead.
public struct PluginReloadCheck: Sendable {
  public var path: String
  public var id: String
  /// Configuration texts by parameter name.
  public var parameters: [String: String]
  /// Symbols in table order.
  public var symbols: [String]
  /// What the running instance saved, with the version that wrote it; nil to start empty.
  public var state: [UInt8]?
  public var stateVersion: UInt32

  public init(
    path: String, id: String, parameters: [String: String], symbols: [String], state: [UInt8]?,
    stateVersion: UInt32
  ) {
    self.path = path
    self.id = id
    self.parameters = parameters
    self.symbols = symbols
    self.state = state
    self.stateVersion = stateVersion
  }

  /// How the rehearsal went.
  public struct Outcome: Sendable, Hashable {
    public var sha256: String
    public var version: String
    public var signalCount: Int
    /// nil when the file may be loaded.
    public var refusal: String?
    /// The child crashed or hung: the file is dangerous, not only unfit.
    public var isDangerous = false
  }

  static let eventCount = 2000

  // MARK: The parent's half

  /// Runs the child and waits for it.   [control]
  ///
  /// - Parameters:
  ///   - host: path of `aegis-plugin-host`.
  ///   - folder: private folder for the three files that tell the child what to do; removed afterwards.
  /// - Throws: `.scannerFailed`, `.cacheUnusable`.
  public func run(host: String, folder: String, timeoutMilliseconds: Int = 20_000) throws(PluginError)
    -> Outcome
  {
    let base = "\(folder)/rehearsal-\(getpid())"
    let files = ["\(base).parameters", "\(base).symbols", "\(base).state"]
    defer { for file in files { unlink(file) } }
    let settings = parameters.sorted { $0.key < $1.key }.map {
      FlatJSON.text([("name", $0.key), ("value", $0.value)])
    }
    try Self.write(Array(settings.joined(separator: "\n").utf8), to: files[0])
    try Self.write(Array(symbols.joined(separator: "\n").utf8), to: files[1])
    if let state { try Self.write(state, to: files[2]) }
    let result = try ChildProcess.run(
      host,
      arguments: [
        "rehearse", path, id, files[0], files[1], state == nil ? "-" : files[2], "\(stateVersion)",
      ], timeoutMilliseconds: timeoutMilliseconds, outputByteCountMax: 64 << 10)
    let line = result.output.split(separator: "\n").last.flatMap { FlatJSON.parse($0) }
    switch result.ending {
    case .exited where line != nil:
      return Outcome(
        sha256: line?["sha256"] ?? "", version: line?["version"] ?? "",
        signalCount: Int(line?["signals"] ?? "") ?? 0, refusal: line?["refusal"])
    case .exited(let status):
      return danger("the plugin ended the process with status \(status)")
    case .killed(let signal): return danger("crashed in the rehearsal (signal \(signal))")
    case .timedOut: return danger("took longer than \(timeoutMilliseconds) ms in the rehearsal")
    }
  }

  private func danger(_ reason: String) -> Outcome {
    Outcome(sha256: "", version: "", signalCount: 0, refusal: reason, isDangerous: true)
  }

  private static func write(_ bytes: [UInt8], to path: String) throws(PluginError) {
    unlink(path)
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw .cacheUnusable(path: path, reason: errorText(errno)) }
    defer { close(descriptor) }
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.write(descriptor, $0.baseAddress! + written, $0.count - written)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw .cacheUnusable(path: path, reason: errorText(errno)) }
      written += count
    }
  }

  // MARK: The child's half

  /// Does what the arguments after `rehearse` say.
  ///
  /// - Returns: one line of JSON; nil when the arguments make no sense.
  public static func answer(_ arguments: [String]) -> String? {
    guard arguments.count == 6, let version = UInt32(arguments[5]) else { return nil }
    var parameters: [String: String] = [:]
    for line in text(arguments[2])?.split(separator: "\n") ?? [] {
      guard let fields = FlatJSON.parse(line), let name = fields["name"] else { return nil }
      parameters[name] = fields["value"]
    }
    guard let symbols = text(arguments[3])?.split(separator: "\n").map(String.init) else { return nil }
    let check = PluginReloadCheck(
      path: arguments[0], id: arguments[1], parameters: parameters, symbols: symbols,
      state: arguments[4] == "-" ? nil : bytes(arguments[4]), stateVersion: version)
    do throws(PluginError) {
      let outcome = try check.rehearse()
      var fields = [
        (name: "sha256", value: outcome.sha256), (name: "version", value: outcome.version),
        (name: "signals", value: "\(outcome.signalCount)"),
      ]
      if let refusal = outcome.refusal { fields.append((name: "refusal", value: refusal)) }
      return FlatJSON.text(fields)
    } catch {
      return FlatJSON.text([("refusal", error.description)])
    }
  }

  private static func bytes(_ path: String) -> [UInt8]? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var result: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { return count < 0 ? nil : result }
      result += buffer[..<count]
    }
  }

  private static func text(_ path: String) -> String? {
    bytes(path).map { String(decoding: $0, as: UTF8.self) }
  }

  private func rehearse() throws(PluginError) -> Outcome {
    let image = try PluginImage(path: path, cacheDirectory: nil)
    let services = HostServices(name: "aegis-plugin-host", version: "1", log: { _, _ in })
    let plugin = try PluginLoader.make(
      image, id: id, parameters: parameters, instruments: symbols, seed: 1, dataDirectory: nil,
      services: services)
    var outcome = Outcome(sha256: image.sha256, version: plugin.descriptor.version, signalCount: 0)
    if let state { try load(state, into: plugin) }
    let (signals, refusal) = replay(plugin.slot)
    outcome.signalCount = signals
    outcome.refusal = refusal
    try plugin.slot.activate(now: .never, id: id)
    plugin.slot.deactivate()
    plugin.slot.end()
    return outcome
  }

  private func load(_ state: [UInt8], into plugin: DetachedPlugin) throws(PluginError) {
    guard let table = plugin.slot.state else {
      throw .stateRefused(
        plugin: id, reason: "\(plugin.descriptor.version) keeps no state, the running version does")
    }
    guard stateVersion >= plugin.descriptor.stateOldest else {
      throw .stateRefused(
        plugin: id,
        reason:
          "state version \(stateVersion) is older than the oldest readable (\(plugin.descriptor.stateOldest))"
      )
    }
    let buffer = PluginStateBuffer()
    guard state.withUnsafeBytes({ buffer.fill($0) }) else {
      throw .stateRefused(plugin: id, reason: "the state has \(state.count) bytes, too many")
    }
    var error = aegis_error()
    let status = buffer.load(into: plugin.slot.instance, with: table, version: stateVersion, &error)
    guard status == AEGIS_OK else {
      throw .stateRefused(
        plugin: id,
        reason: "\(plugin.descriptor.version) refuses the state (\(status)): \(errorMessage(error))")
    }
  }

  /// A stretch of quotes, trades and bars of the first symbols, later than anything the state has seen.
  private func replay(_ plugin: PluginSlot) -> (signals: Int, refusal: String?) {
    var slot = plugin
    let rules = InstrumentRules(tickE8: 1_000_000, stepE8: 100_000)
    let event = UnsafeMutablePointer<aegis_event>.allocate(capacity: 1)
    event.initialize(to: aegis_event())
    defer { event.deallocate() }
    slot.batch.pointee.events = UnsafePointer(event)
    let signals = UnsafeMutableBufferPointer<Signal>.allocate(capacity: Int(slot.capacity))
    defer { signals.deallocate() }
    var random = SeededRandom(seed: 1)
    var price = 100.0
    var time = Instant(nanoseconds: 4_000_000_000_000_000_000)
    var count = 0
    for index in 0..<Self.eventCount {
      price *= 1 + 0.0005 * random.normal()
      time = time.advanced(byNanoseconds: 20_000_000_000)
      let id = InstrumentID(index / 3 % min(symbols.count, 3))
      let ticks = Price(ticks: Int64(price * 100))
      let market: MarketEvent =
        switch index % 3 {
        case 0:
          .quote(
            id, time: time, bid: Price(ticks: ticks.ticks - 1), bidQuantity: Quantity(steps: 5),
            ask: Price(ticks: ticks.ticks + 1), askQuantity: Quantity(steps: 5))
        case 1: .trade(id, time: time, price: ticks, quantity: Quantity(steps: 3), aggregateID: Int64(index))
        default:
          .bar(
            id, .minute1,
            Candle(
              openTime: time.advanced(byNanoseconds: -Timeframe.minute1.nanoseconds), open: ticks,
              high: ticks,
              low: ticks, close: ticks, volume: Quantity(steps: 3)))
        }
      let kind = EventInterest(market)
      guard !slot.interest.isDisjoint(with: kind) else { continue }
      event.pointee = aegis_event(market, sequence: .max / 2 + UInt64(index), rules: rules)
      count += slot.process(
        event, kind, now: time.nanoseconds, phase: [.live, .shadow], instrumentCount: UInt32(symbols.count),
        plugin: 0, signals, 0)
    }
    let refused = SignalRefusal.allCases.filter { slot.counters[$0] > 0 }
    guard refused.isEmpty else {
      return (
        count,
        "bad signals in the rehearsal: "
          + refused.map { "\(slot.counters[$0]) × \($0.name)" }.joined(separator: ", ")
      )
    }
    return (count, nil)
  }
}
