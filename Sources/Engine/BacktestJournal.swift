import Glibc
import Market
import Trading

/// Counts what a backtest concluded, and writes its journal when one was asked for: the entries one behind the other,
/// 120 bytes each in this machine's byte order. [one thread]
///
/// The file appears under its name only when it is complete; on any error nothing is left behind.
struct BacktestJournal: JournalSink, ~Copyable {
  private(set) var tally = Tally()
  /// Why entries could not be kept, once they could not.
  private(set) var failure: BacktestError?
  private var file: JournalFile?

  /// What the entries say.
  struct Tally {
    var signals = 0
    var orders = 0
    var trades = 0
    var wins = 0
    var lotsClosed = 0
    var refusals: [Refusal: Int] = [:]
    /// Highest equity so far, and the deepest fall below the highest before it.
    var peak: Quote
    var drawdown = Quote.zero
    var drawdownFraction = 0.0

    init() { peak = .zero }

    mutating func absorb(_ equity: Quote) {
      if equity > peak { peak = equity }
      let fall = peak - equity
      if fall > drawdown { drawdown = fall }
      if peak > .zero { drawdownFraction = max(drawdownFraction, fall.amount / peak.amount) }
    }
  }

  /// - Parameter path: nil keeps no entry.
  init(path: String?, opening: Quote) throws(BacktestError) {
    if let path { file = try JournalFile(path: path) }
    tally.peak = opening
  }

  var isFull: Bool { failure != nil }

  mutating func append(_ entry: JournalEntry) {
    switch entry.kind {
    case .signal: tally.signals += 1
    case .command: tally.orders += 1
    case .verdict:
      if let verdict = entry.deskVerdict, verdict.refusal != .none {
        tally.refusals[verdict.refusal, default: 0] += 1
      }
    case .tradeClosed:
      tally.trades += 1
      if let trade = entry.tradeRecord, trade.net > .zero { tally.wins += 1 }
    case .lotClosed: tally.lotsClosed += 1
    case .equity: if let record = entry.equityRecord { tally.absorb(record.equity) }
    default: break
    }
    guard failure == nil, file != nil else { return }
    do throws(BacktestError) { try file?.append(entry) } catch { failure = error }
  }

  mutating func noteEquity(_ equity: Quote) { tally.absorb(equity) }

  /// Gives the file its name.
  consuming func finish() throws(BacktestError) {
    if let failure { throw failure }
    if let file { try file.finish() }
  }
}

/// A file that is written under another name and renamed at its end.
private final class JournalFile {
  private let path: String
  private let partialPath: String
  private var descriptor: Int32
  private var buffer: [UInt8] = []

  private static let bufferByteCount = 1 << 20

  init(path: String) throws(BacktestError) {
    self.path = path
    partialPath = "\(path).partial"
    descriptor = open(partialPath, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw .journal(file: path, reason: String(cString: strerror(errno))) }
    buffer.reserveCapacity(Self.bufferByteCount)
  }

  deinit {
    guard descriptor >= 0 else { return }
    close(descriptor)
    unlink(partialPath)
  }

  func append(_ entry: JournalEntry) throws(BacktestError) {
    withUnsafeBytes(of: entry) { buffer.append(contentsOf: $0) }
    if buffer.count > Self.bufferByteCount - MemoryLayout<JournalEntry>.size { try flush() }
  }

  func finish() throws(BacktestError) {
    try flush()
    guard close(descriptor) == 0, rename(partialPath, path) == 0 else {
      let reason = String(cString: strerror(errno))
      descriptor = -1
      unlink(partialPath)
      throw .journal(file: path, reason: reason)
    }
    descriptor = -1
  }

  private func flush() throws(BacktestError) {
    var done = 0
    while done < buffer.count {
      let written = buffer[done...].withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
      if written < 0 {
        if errno == EINTR { continue }
        throw .journal(file: path, reason: String(cString: strerror(errno)))
      }
      done += written
    }
    buffer.removeAll(keepingCapacity: true)
  }
}
