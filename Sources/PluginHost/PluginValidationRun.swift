import Glibc

/// All checks of one file, each made by a child of its own.
public struct PluginValidationReport: Sendable {
  public var file: String
  public var checks: [PluginCheck]
  public var childCount: Int
  public var milliseconds: Int

  /// Every check passed, maybe with warnings, and none was left out.
  public var isTrustworthy: Bool {
    !checks.isEmpty && checks.allSatisfy { $0.result == .ok || $0.result == .warning }
  }

  public func count(_ result: PluginCheck.Result) -> Int { checks.count { $0.result == result } }
}

extension PluginValidation {
  /// Two children keep two cores busy; more would disturb the time measurement of each other.
  fileprivate static let childCountMax = 2

  /// Makes every check, at most two at a time.   [control]
  ///
  /// The load comes first and alone, then what reads tables and one replay; checks that would only repeat the crash of
  /// an earlier one are skipped and say so.
  ///
  /// - Parameter host: path of `aegis-plugin-host`.
  /// - Throws: `.scannerFailed` when a child cannot be started.
  public static func run(
    path: String, host: String, options: ValidationOptions
  ) throws(PluginError) -> PluginValidationReport {
    let start = ResourceChecks.monotonicNanoseconds()
    var run = ValidationRun(path: path, host: host, options: options)
    if options.isInProcess {
      run.checks = inProcess(path: path, options: options)
    } else {
      try run.all()
    }
    return PluginValidationReport(
      file: path, checks: run.checks, childCount: run.childCount,
      milliseconds: Int((ResourceChecks.monotonicNanoseconds() - start) / 1_000_000))
  }
}

private struct ValidationRun {
  let path: String
  let host: String
  let options: ValidationOptions
  var checks: [PluginCheck] = []
  var childCount = 0

  private struct Item {
    var kind: PluginValidation.Kind
    var id: String?
  }

  init(path: String, host: String, options: ValidationOptions) {
    self.path = path
    self.host = host
    self.options = options
  }

  private var wanted: [PluginValidation.Kind] {
    PluginValidation.kinds.filter { PluginValidation.isWanted($0, options) }
  }

  mutating func all() throws(PluginError) {
    // What can be known without running code needs no child.
    do throws(PluginError) {
      _ = try PluginFile(path: path).elf()
    } catch {
      checks = [PluginCheck("load", .failed, error.description)]
      return skip(after: "load")
    }
    let first = try make([Item(kind: PluginValidation.kinds[0])])[0]
    checks = [first]
    guard first.result != .failed else { return skip(after: "load") }
    let reports = try PluginScan.file(path, host: host, timeoutMilliseconds: options.timeoutMilliseconds)
    childCount += 1
    let plugins = reports.filter { $0.state == .ok }
    guard !plugins.isEmpty else {
      checks.append(PluginCheck("descriptor", .failed, reports.first?.reason ?? "no plugin"))
      return skip(after: "descriptor")
    }
    checks += try make(wanted.filter { $0.scope == .file && $0.name != "load" }.map { Item(kind: $0) })
    for plugin in plugins { try plugin.kind == "functions" ? functions(plugin.id) : strategy(plugin.id) }
  }

  private mutating func functions(_ id: String) throws(PluginError) {
    checks += try make(wanted.filter { $0.scope == .plugin }.map { Item(kind: $0, id: id) })
  }

  private mutating func strategy(_ id: String) throws(PluginError) {
    let kinds = wanted.filter { $0.scope != .file }
    let early = try make(
      kinds.filter { !$0.replays && $0.name != "functions" }.map { Item(kind: $0, id: id) })
    let replay = early.first { $0.name == "replay" }
    // A run that broke a rule can still be compared; one that ended its process, or never began, cannot.
    let canReplay = replay.map { !$0.isInterrupted } ?? true
    let late = kinds.filter { $0.replays && canReplay || $0.name == "functions" }
    let made = early + (try make(late.map { Item(kind: $0, id: id) }))
    for kind in kinds {
      if let check = made.first(where: { $0.name == kind.name }) {
        checks.append(check)
      } else {
        checks.append(PluginCheck(kind.name, .skipped, "replay did not come to an end", plugin: id))
      }
    }
  }

  private mutating func skip(after name: String) {
    for kind in wanted where !checks.contains(where: { $0.name == kind.name }) {
      checks.append(PluginCheck(kind.name, .skipped, "\(name) failed"))
    }
  }

  /// Runs tasks in children; answers in their order.
  private mutating func make(_ tasks: [Item]) throws(PluginError) -> [PluginCheck] {
    var position = 0
    var results = [PluginCheck?](repeating: nil, count: tasks.count)
    let (path, options) = (path, options)
    try ChildCrew.run(host, atOnce: PluginValidation.childCountMax) {
      guard position < tasks.count else { return nil }
      defer { position += 1 }
      return ChildCrew.Job(
        arguments: Self.arguments(tasks[position], path, options),
        timeoutMilliseconds: options.timeoutMilliseconds, mark: position)
    } done: { job, outcome in
      results[job.mark] = Self.check(tasks[job.mark], outcome, options)
    }
    childCount += tasks.count
    return zip(tasks, results).map { task, result in
      result ?? PluginCheck(task.kind.name, .failed, "was not made", plugin: task.id ?? "")
    }
  }

  private static func arguments(_ task: Item, _ path: String, _ options: ValidationOptions) -> [String] {
    var words = ["check", task.kind.name, path, "--seed", "\(options.seed)"]
    words += ["--budget-us", "\(options.budgetMicroseconds)"]
    if let id = task.id { words += ["--id", id] }
    if let history = options.historyPath { words += ["--history", history] }
    return words + options.parameters.keys.sorted().map { "\($0)=\(options.parameters[$0] ?? "")" }
  }

  private static func check(_ task: Item, _ outcome: ChildCrew.Outcome, _ options: ValidationOptions)
    -> PluginCheck
  {
    var answer: PluginCheck?
    var phase = ""
    for line in outcome.answers {
      if let check = PluginCheck(json: line) {
        answer = check
      } else if let at = FlatJSON.parse(line)?["at"] {
        phase = at
      }
    }
    let place = phase.isEmpty ? "" : " in \(phase)"
    var problem: String?
    switch outcome.ending {
    case .timedOut:
      problem = "took longer than \(options.timeoutMilliseconds) ms\(place); killed"
    case .killed, .flooded:
      problem = (outcome.ending.explanation ?? "") + place
    case .exited(let code):
      if answer == nil { problem = "ended the process with status \(code)\(place)" }
    }
    if let problem {
      var text = problem
      let printed = firstLine(outcome.printed)
      if outcome.printedByteCount > 0 {
        text += "; it printed \(outcome.printedByteCount) bytes" + (printed.isEmpty ? "" : ": \(printed)")
      }
      var check = PluginCheck(task.kind.name, .failed, text, plugin: task.id ?? "")
      check.isInterrupted = true
      return check
    }
    var check = answer ?? PluginCheck(task.kind.name, .failed, "did not answer", plugin: task.id ?? "")
    if task.kind.name == "replay", outcome.printedByteCount > 0, check.result == .ok {
      check.result = .warning
      check.detail += "; it printed \(outcome.printedByteCount) bytes: \(firstLine(outcome.printed))"
    }
    return check
  }

  /// The first line that says something, cut, without control bytes. How the backtrace of a crash is taken is not it.
  private static func firstLine(_ text: String) -> String {
    let line =
      text.split(whereSeparator: \.isNewline).first { line in
        line.contains { $0.isLetter } && !line.contains("Backtracing from") && !line.contains("crashed:")
      } ?? ""
    return String(line.prefix(160).map { $0.isASCII && ($0.asciiValue ?? 0) < 0x20 ? " " : $0 })
  }
}
