import Glibc
import Market
import PluginABI

/// Runs a history through one plugin and writes down what it said, row by row.
public enum PluginTrace {
  public static let eventColumns = "bar,time,event,dir,origin,level,top,bottom,value"
  public static let eventFile = "events.csv"
  public static let signalFile = "signals.csv"
  private static let signalColumns =
    "bar,time,return_fraction,confidence,stop_fraction,target_fraction,horizon_s,tag"

  /// How much was written, as the child tells it.
  public struct Summary: Sendable {
    public var plugin: String
    public var barCount: Int
    public var eventCount: Int
    public var annotationCount: Int
    public var signalCount: Int
    /// Broken rules in words; empty when there are none.
    public var refused: String
    /// `1m`, `5m`… the file's bars were delivered as.
    public var timeframe: String
  }

  public struct Failure: Error, Sendable, CustomStringConvertible {
    public var description: String
  }

  // MARK: In the child

  /// Loads the file here, runs it and writes both files into a folder.
  ///
  /// - Returns: the summary as one line of JSON.
  public static func run(
    path: String, id: String?, options: ValidationOptions, outputFolder: String
  ) throws -> String {
    let image = try PluginImage(path: path, cacheDirectory: nil)
    let plugin = try TrialPlugin.one(image, id: id)
    guard plugin.descriptor.kind != .functions else {
      throw Failure(
        description: "\(path): \(plugin.descriptor.id) only offers functions; try aegis plugins call")
    }
    guard let historyPath = options.historyPath else { throw Failure(description: "trace needs --history") }
    let history = try TrialHistory(path: historyPath)
    let values = try plugin.descriptor.values(options.parameters)
    let wanted = try TrialWishes(plugin, values: values, seed: options.seed)
    let trial = TrialEvents(history, wishes: wanted.events, seesWindows: wanted.seesWindows)
    let instance = try TrialInstance(
      plugin, values: values, symbols: history.symbols, seed: options.seed, events: trial)
    try instance.activate(now: trial.events.first?.ts_ns ?? 0)

    let events = try LineFile("\(outputFolder)/\(eventFile)")
    let signals = try LineFile("\(outputFolder)/\(signalFile)")
    events.write(eventColumns)
    signals.write(
      signalColumns + plugin.descriptor.features.map { "," + CSVCell.text($0.name) }.joined())
    let rows = TraceRows(trial, history)
    var refused = TrialOutput()
    var summary = Summary(
      plugin: plugin.descriptor.id, barCount: history.instruments[0].count, eventCount: 0, annotationCount: 0,
      signalCount: 0, refused: "", timeframe: trial.base.name)
    var start = 0
    while start < trial.events.count {
      let end = min(start + 1024, trial.events.count)
      var output = TrialOutput()
      instance.feed(trial, start..<end, liveFrom: 0, batchCount: 256, into: &output)
      for note in output.notes { events.write(rows.event(note)) }
      for signal in output.signals {
        signals.write(rows.signal(signal, featureCount: plugin.descriptor.features.count))
      }
      summary.annotationCount += output.notes.count
      summary.signalCount += output.signals.count
      for refusal in output.refusals { refused.refuse(refusal.reason, refusal.eventIndex) }
      refused.refusedNoteCount = output.refusedNoteCount
      refused.droppedNoteCount = output.droppedNoteCount
      start = end
    }
    instance.deactivate()
    try events.end()
    try signals.end()
    summary.eventCount = trial.events.count
    var problems = refused.refusals.map {
      "\($0.reason.explanation), first at bar \(trial.barIndices[$0.eventIndex])"
    }
    if refused.refusedNoteCount > 0 {
      problems.append("\(refused.refusedNoteCount) annotations that break a rule")
    }
    if refused.droppedNoteCount > 0 {
      problems.append("\(refused.droppedNoteCount) annotations too many for one call")
    }
    summary.refused = problems.joined(separator: "; ")
    return json(summary)
  }

  /// The line a child answers with when it cannot go on.
  public static func failure(_ error: any Error) -> String { FlatJSON.text([("error", "\(error)")]) }

  private static func json(_ summary: Summary) -> String {
    FlatJSON.text([
      ("plugin", summary.plugin), ("bars", "\(summary.barCount)"), ("events", "\(summary.eventCount)"),
      ("annotations", "\(summary.annotationCount)"), ("signals", "\(summary.signalCount)"),
      ("refused", summary.refused), ("timeframe", summary.timeframe),
    ])
  }

  // MARK: In the parent

  /// Traces in a child process.   [control]
  ///
  /// - Parameters:
  ///   - options: its history is written by `PluginHistory`.
  ///   - outputFolder: gets `events.csv` and `signals.csv`.
  public static func start(
    path: String, id: String?, host: String, options: ValidationOptions, outputFolder: String
  ) throws -> Summary {
    _ = try PluginFile(path: path).elf()
    var words = ["trace", path, "--seed", "\(options.seed)", "--output", outputFolder]
    if let id { words += ["--id", id] }
    if let history = options.historyPath { words += ["--history", history] }
    words += options.parameters.keys.sorted().map { "\($0)=\(options.parameters[$0] ?? "")" }
    var jobs = [ChildCrew.Job(arguments: words, timeoutMilliseconds: options.timeoutMilliseconds)]
    var result: Result<Summary, Failure> = .failure(Failure(description: "\(path): the trace was not made"))
    try ChildCrew.run(host, atOnce: 1) {
      jobs.popLast()
    } done: { _, outcome in
      let fields = outcome.answers.last.flatMap { FlatJSON.parse($0) } ?? [:]
      if let explanation = outcome.ending.explanation {
        result = .failure(Failure(description: "plugin \(path): \(explanation)"))
      } else if let error = fields["error"] {
        result = .failure(Failure(description: error))
      } else if let summary = summary(fields) {
        result = .success(summary)
      } else {
        result = .failure(
          Failure(description: "plugin \(path): ended its process before the trace was complete"))
      }
    }
    return try result.get()
  }

  private static func summary(_ fields: [String: String]) -> Summary? {
    guard let plugin = fields["plugin"], let bars = fields["bars"].flatMap({ Int($0) }),
      let events = fields["events"].flatMap({ Int($0) }),
      let annotations = fields["annotations"].flatMap({ Int($0) }),
      let signals = fields["signals"].flatMap({ Int($0) })
    else { return nil }
    return Summary(
      plugin: plugin, barCount: bars, eventCount: events, annotationCount: annotations, signalCount: signals,
      refused: fields["refused"] ?? "", timeframe: fields["timeframe"] ?? "")
  }
}

/// What plugins said as lines of CSV.
private struct TraceRows {
  private let trial: TrialEvents
  private let history: TrialHistory
  private let openTimes: [[Int64]]

  init(_ trial: TrialEvents, _ history: TrialHistory) {
    self.trial = trial
    self.history = history
    openTimes = Timeframe.allCases.map { trial.candles.openTimes($0, instrument: 0) }
  }

  func event(_ note: TrialOutput.Note) -> String {
    let annotation = note.annotation
    let times = openTimes[Int(annotation.timeframe)]
    let bar = annotation.bar < 0 ? "" : String(annotation.bar)
    // Of the bar it was seen at; of the event that showed it when there is none.
    let time =
      times.indices.contains(Int(annotation.bar))
      ? times[Int(annotation.bar)] : trial.events[note.eventIndex].ts_ns
    let numbers = [annotation.level, annotation.top, annotation.bottom, annotation.value].map {
      ShortDecimal.text($0)
    }
    return
      "\(bar),\(CalendarTime.text(time)),\(annotation.name),\(annotation.direction),\(annotation.origin < 0 ? "" : String(annotation.origin)),"
      + numbers.joined(separator: ",")
  }

  func signal(_ emission: TrialOutput.Emission, featureCount: Int) -> String {
    let signal = emission.signal
    let bar = Int(trial.barIndices[emission.eventIndex])
    let cells = [
      String(bar), CalendarTime.text(history.instruments[0][bar].openNanoseconds),
      ShortDecimal.text(signal.return_fraction), ShortDecimal.text(signal.confidence),
      ShortDecimal.text(signal.stop_fraction), ShortDecimal.text(signal.target_fraction),
      ShortDecimal.text(Double(signal.horizon_ns) / 1e9), String(signal.tag),
    ]
    let features = (0..<featureCount).map { index in
      index < emission.features.count ? ShortDecimal.text(emission.features[index]) : ""
    }
    return (cells + features).joined(separator: ",")
  }
}

/// A text as one cell of CSV.
private enum CSVCell {
  static func text(_ text: String) -> String {
    guard text.contains(where: { $0 == "," || $0 == "\"" || $0.isNewline }) else { return text }
    return "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"")
      + "\""
  }
}

/// A new file of lines, written in large pieces.
private final class LineFile {
  private let path: String
  private let descriptor: Int32
  private var bytes: [UInt8] = []
  private var problem: Int32 = 0

  init(_ path: String) throws {
    self.path = path
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw PluginTrace.Failure(description: "\(path): \(errorText(errno))") }
  }

  deinit { close(descriptor) }

  func write(_ line: String) {
    bytes += line.utf8
    bytes.append(0x0A)
    if bytes.count > 1 << 20 { flush() }
  }

  /// - Throws: when something could not be written.
  func end() throws {
    flush()
    guard problem == 0 else { throw PluginTrace.Failure(description: "\(path): \(errorText(problem))") }
  }

  private func flush() {
    bytes.withUnsafeBytes { all in
      var written = 0
      while written < all.count, problem == 0 {
        let count = Glibc.write(descriptor, all.baseAddress! + written, all.count - written)  // not empty
        if count < 0, errno == EINTR { continue }
        if count <= 0 { problem = count < 0 ? errno : EIO } else { written += count }
      }
    }
    bytes.removeAll(keepingCapacity: true)
  }
}
