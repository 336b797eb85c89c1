import Glibc
import Market
import PluginABI

/// Checks of what a plugin takes: time, memory, threads, and what it does to the rest of the process.
enum ResourceChecks {
  // MARK: Time

  /// Beyond this many times the budget a plugin cannot keep up with a market at all.
  private static let budgetFactorMax = 100.0

  static func latency(
    _ plugin: TrialPlugin, _ options: ValidationOptions, note: (String) -> Void
  ) throws -> PluginCheck {
    var texts: [String] = []
    var worst = 0.0
    for (batchCount, instrumentCount) in [(1, 3), (16, 16)] {
      let bench = try TrialBench(
        plugin, options, barCount: 2000, instrumentCount: instrumentCount,
        note: note)
      let instance = try bench.instance()
      var output = TrialOutput()
      var costs: [Int64] = []
      costs.reserveCapacity(bench.trial.events.count)
      note("process in batches of up to \(batchCount)")
      instance.feed(
        bench.trial, 0..<bench.trial.events.count, liveFrom: bench.liveFrom, batchCount: batchCount,
        into: &output
      ) { count, process in
        let start = Self.monotonicNanoseconds()
        let status = process()
        costs.append((Self.monotonicNanoseconds() - start) / Int64(count))
        return status
      }
      costs.sort()
      let p50 = Double(costs[costs.count / 2]) / 1000
      let p99 = Double(costs[costs.count * 99 / 100]) / 1000
      worst = max(worst, p99)
      texts.append("p50 \(Self.decimal(p50)) µs, p99 \(Self.decimal(p99)) µs at batch \(batchCount)")
    }
    let text = texts.joined(separator: "; ")
    let budget = "budget \(decimal(options.budgetMicroseconds)) µs an event"
    if worst > options.budgetMicroseconds * budgetFactorMax {
      return PluginCheck("latency", .failed, "\(text); more than \(Int(budgetFactorMax)) times the \(budget)")
    }
    if worst > options.budgetMicroseconds {
      return PluginCheck("latency", .warning, "\(text); over the \(budget)")
    }
    return PluginCheck("latency", .ok, "\(text); \(budget)")
  }

  static func monotonicNanoseconds() -> Int64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  /// Two decimals at most.
  private static func decimal(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    if hundredths % 100 == 0 { return String(hundredths / 100) }
    let rest = hundredths % 100
    return
      "\(hundredths / 100).\(rest % 10 == 0 ? String(rest / 10) : (rest < 10 ? "0\(rest)" : String(rest)))"
  }

  // MARK: Memory

  private static let memoryBarCount = 12_000
  private static let growthWarning = 4 << 20
  private static let growthMax = 16 << 20
  private static let lifeCount = 400
  private static let lifeGrowthMax = 8 << 20

  static func memory(
    _ plugin: TrialPlugin, _ options: ValidationOptions, note: (String) -> Void
  ) throws -> PluginCheck {
    let bench = try TrialBench(plugin, options, barCount: memoryBarCount, note: note)
    let values = bench.values
    func liveOnce() throws(PluginError) {
      _ = try TrialInstance(
        plugin, values: values, symbols: bench.history.symbols, seed: options.seed, events: nil)
    }
    note("create and destroy")
    for _ in 0..<20 { try liveOnce() }
    let beforeLives = residentByteCount()
    for _ in 0..<lifeCount { try liveOnce() }
    let lives = max(0, residentByteCount() - beforeLives)
    guard lives <= lifeGrowthMax else {
      return PluginCheck(
        "memory", .failed,
        "leaks: \(lifeCount) times create and destroy took \(mebibytes(lives)), \(lives / lifeCount) bytes each"
      )
    }
    note("process of a long history")
    let instance = try bench.instance()
    let count = bench.trial.events.count
    var base = 0
    var baseIndex = 0
    var start = 0
    while start < count {
      let end = min(start + 500, count)
      var output = TrialOutput()  // not kept: its growth is not the plugin's
      instance.feed(bench.trial, start..<end, liveFrom: bench.liveFrom, batchCount: 16, into: &output)
      start = end
      if base == 0, start >= count / 4 {
        base = residentByteCount()
        baseIndex = start
      }
    }
    let growth = max(0, residentByteCount() - base)
    let text =
      "\(mebibytes(growth)) more after \(count - baseIndex) events, \(growth / max(count - baseIndex, 1)) bytes an event"
    if growth > growthMax { return PluginCheck("memory", .failed, "leaks: \(text)") }
    if growth > growthWarning { return PluginCheck("memory", .warning, "grows: \(text)") }
    return PluginCheck("memory", .ok, "\(text); \(lifeCount) times create and destroy: \(mebibytes(lives))")
  }

  private static func mebibytes(_ count: Int) -> String { "\(decimal(Double(count) / 1_048_576)) MiB" }

  private static func residentByteCount() -> Int {
    let words = (try? ProcessFile.text("/proc/self/statm"))?.split(separator: " ") ?? []
    return (words.count > 1 ? Int(words[1]) ?? 0 : 0) * Int(getpagesize())
  }

  // MARK: Threads

  static func threads(_ bench: TrialBench, note: (String) -> Void) throws -> PluginCheck {
    let before = try ProcessFile.names("/proc/self/task").count
    var most = before
    do {
      let instance = try bench.instance()
      var output = TrialOutput()
      let end = min(bench.trial.events.count, 2000)
      instance.feed(bench.trial, 0..<end, liveFrom: bench.liveFrom, batchCount: 16, into: &output)
      most = max(most, try ProcessFile.names("/proc/self/task").count)
      instance.deactivate()
      note("destroy")
    }
    var left = try ProcessFile.names("/proc/self/task").count - before
    // A joined thread may be listed a moment longer.
    for _ in 0..<50 where left > 0 {
      _ = poll(nil, 0, 10)
      left = try ProcessFile.names("/proc/self/task").count - before
    }
    if left > 0 {
      return PluginCheck(
        "threads", .failed, "\(left) thread\(left == 1 ? "" : "s") left after destroy; join them there")
    }
    let started = most - before
    if started > 0, !bench.plugin.descriptor.capabilities.contains(.threads) {
      return PluginCheck("threads", .failed, "starts \(started) threads without the capability THREADS")
    }
    return PluginCheck("threads", .ok, started == 0 ? "none of its own" : "\(started), joined in destroy")
  }

  // MARK: Promises

  static func capabilities(_ bench: TrialBench, _ probe: PluginProbe?) throws -> PluginCheck {
    guard bench.plugin.descriptor.capabilities.contains(.realtimeSafe) else {
      return PluginCheck("capabilities", .ok, "does not promise RT_SAFE")
    }
    guard let probe else {
      return PluginCheck(
        "capabilities", .warning, "RT_SAFE not measured: allocations are counted in aegis-plugin-host only")
    }
    let instance = try bench.instance()
    var output = TrialOutput()
    var allocations = 0
    var waits = 0
    var calls = 0
    var first: Int?
    instance.feed(
      bench.trial, 0..<bench.trial.events.count, liveFrom: bench.liveFrom, batchCount: 16, into: &output
    ) { count, process in
      let waitsBefore = Self.waitCount()
      probe.begin()
      let status = process()
      let found = probe.end().allocations
      waits += Self.waitCount() - waitsBefore
      if found > 0, first == nil { first = calls }
      allocations += found
      calls += 1
      return status
    }
    guard allocations == 0 else {
      return PluginCheck(
        "capabilities", .failed,
        "promises RT_SAFE, but process called the allocator \(allocations) times in \(calls) calls, first in call \(first ?? 0)"
      )
    }
    // A page that comes from disk waits as well, which is not the plugin's doing: once in a while is a warning.
    if waits > 0 {
      let text = "promises RT_SAFE, but process waited in the kernel \(waits) times in \(calls) calls"
      return PluginCheck("capabilities", waits * 100 > calls ? .failed : .warning, text)
    }
    return PluginCheck("capabilities", .ok, "RT_SAFE: no allocation and no wait in \(calls) calls of process")
  }

  /// Voluntary context switches of this thread: sleeping, locking, reading.
  private static func waitCount() -> Int {
    var usage = rusage()
    getrusage(1, &usage)  // RUSAGE_THREAD
    return Int(usage.ru_nvcsw)
  }

  // MARK: Isolation

  static func isolation(_ bench: TrialBench, _ probe: PluginProbe?, note: (String) -> Void) throws
    -> PluginCheck
  {
    var template = Array("/tmp/aegis-check-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      return PluginCheck("isolation", .failed, "no folder for its data: \(errorText(errno))")
    }
    let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    defer { ProcessFile.removeFolder(folder) }
    let capabilities = bench.plugin.descriptor.capabilities
    let before = try descriptors()
    var problems: [String] = []
    var written = 0
    var sockets = 0
    do {
      probe?.begin()
      let writtenBefore = writtenByteCount()
      let instance = try bench.instance(dataDirectory: capabilities.contains(.files) ? folder : nil)
      var output = TrialOutput()
      let end = min(bench.trial.events.count, 5000)
      instance.feed(bench.trial, 0..<end, liveFrom: bench.liveFrom, batchCount: 16, into: &output)
      instance.deactivate()
      written = writtenByteCount() - writtenBefore
      sockets = probe?.end().sockets ?? 0
      for (name, target) in try descriptors() where before[name] != target {
        if target.hasPrefix("socket:") { sockets += 1 }
        let isOwn = target.hasPrefix(folder) && capabilities.contains(.files)
        if !isOwn, !target.hasPrefix("socket:") { problems.append("keeps \(target) open") }
      }
      note("destroy")
    }
    if sockets > 0, !capabilities.contains(.network) {
      problems.append("opened \(sockets) socket\(sockets == 1 ? "" : "s") without the capability NETWORK")
    }
    if written > 0, !capabilities.contains(.files), !capabilities.contains(.network) {
      problems.append("wrote \(written) bytes to files or standard output without the capability FILES")
    }
    if hasChildren() { problems.append("started another process") }
    if getppid() == 1 { problems.append("left its parent") }
    guard problems.isEmpty else { return PluginCheck("isolation", .failed, problems.joined(separator: "; ")) }
    return PluginCheck("isolation", .ok, "nothing written, no socket, no process, no file left open")
  }

  /// Bytes handed to write calls by this process; 0 where the kernel does not count.
  private static func writtenByteCount() -> Int {
    let lines = (try? ProcessFile.text("/proc/self/io"))?.split(separator: "\n") ?? []
    return lines.first { $0.hasPrefix("wchar: ") }.flatMap { Int($0.dropFirst(7)) } ?? 0
  }

  private static func descriptors() throws -> [String: String] {
    var result: [String: String] = [:]
    for name in try ProcessFile.names("/proc/self/fd") {
      if let target = ProcessFile.link("/proc/self/fd/\(name)") { result[name] = target }
    }
    return result
  }

  /// A child that runs, or one that ended and was waited for.
  private static func hasChildren() -> Bool {
    var usage = rusage()
    getrusage(-1, &usage)  // RUSAGE_CHILDREN
    if usage.ru_maxrss > 0 { return true }
    var status: Int32 = 0
    return waitpid(-1, &status, WNOHANG) >= 0
  }
}
