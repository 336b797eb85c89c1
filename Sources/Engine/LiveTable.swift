import Glibc
import Market
import Storage

/// Columns and rows of the window.
public struct TerminalSize: Sendable, Equatable {
  public var width: Int
  public var height: Int

  public init(width: Int, height: Int) {
    self.width = width
    self.height = height
  }

  /// The window standard output goes to; nil when it goes to a file or a pipe.
  public static func ofStandardOutput() -> TerminalSize? {
    guard isatty(STDOUT_FILENO) == 1 else { return nil }
    var window = winsize()
    guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &window) == 0, window.ws_col > 0, window.ws_row > 0 else {
      return TerminalSize(width: 80, height: 24)  // a terminal that does not tell, such as a serial line
    }
    return TerminalSize(width: Int(window.ws_col), height: Int(window.ws_row))
  }
}

/// The table a person watches. Text in, text out; who prints it decides when.
public enum LiveTable {
  private struct Column: Sendable {
    var title: String
    var width: Int
    /// 0 is shown always; higher numbers give way first in a narrow window.
    var rank: Int
    var isLeft = false
    var text: @Sendable (SymbolView) -> String
  }

  private static let columns: [Column] = [
    Column(title: "SYMBOL", width: 14, rank: 0, isLeft: true) { plain($0.symbol) },
    Column(title: "AGE", width: 6, rank: 0) { age($0.dataAgeMilliseconds) },
    Column(title: "PRICE", width: 12, rank: 3) { $0.lastPrice ?? "-" },
    Column(title: "SIGNAL", width: 8, rank: 0) { percent($0.signalFraction, sign: true) },
    Column(title: "CONF", width: 5, rank: 0) { percent($0.confidence, sign: false, decimals: 0) },
    Column(title: "POSITION", width: 12, rank: 0) { $0.position ?? "-" },
    Column(title: "ENTRY", width: 12, rank: 2) { $0.entryPrice.map(trimmed) ?? "-" },
    Column(title: "STOP", width: 12, rank: 0) { $0.stopPrice ?? "-" },
    Column(title: "TARGET", width: 12, rank: 1) { $0.targetPrice ?? "-" },
    Column(title: "TRIPS", width: 5, rank: 4) { "\($0.roundTrips)" },
    Column(title: "PNL", width: 10, rank: 0) { $0.net.e8 == 0 && $0.roundTrips == 0 ? "-" : money($0.net) },
    Column(title: "OUTCOME", width: 18, rank: 5, isLeft: true) { plain($0.outcome ?? "") },
  ]

  /// Lines that fit the window exactly or less: header, instruments with what matters first, footer.
  public static func render(_ view: EngineView, size: TerminalSize) -> String {
    let width = max(size.width, 20)
    let shown = columns(for: width)
    let header = headerLines(view)
    let footer = footerLines(view)
    // column titles, and the cursor's own line
    let room = max(size.height - header.count - footer.count - 2, 1)
    let symbols = ordered(view.symbols)
    var lines = header
    lines.append(shown.map { cell($0.title, $0) }.joined(separator: " "))
    let rest = symbols.count - room
    for symbol in symbols.prefix(rest > 0 ? room - 1 : room) {
      lines.append(shown.map { cell($0.text(symbol), $0) }.joined(separator: " "))
    }
    if rest > 0 { lines.append("… and \(rest + 1) more") }
    lines += footer
    return lines.map { String($0.prefix(width)) }.prefix(max(size.height - 1, 1)).joined(separator: "\n")
  }

  /// What to print before the first picture: hide the cursor, empty the window.
  public static let opening = "\u{1B}[?25l\u{1B}[2J"
  /// What to print after the last one.
  public static let closing = "\u{1B}[?25h\n"

  /// Bytes that put a picture over the previous one without flicker.
  public static func painted(_ text: String) -> String {
    "\u{1B}[H"
      + text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\u{1B}[K\r\n")
      + "\u{1B}[K\u{1B}[J"
  }

  private static func columns(for width: Int) -> [Column] {
    var shown = columns
    func total() -> Int { shown.reduce(-1) { $0 + $1.width + 1 } }
    while total() > width, let last = shown.max(by: { $0.rank < $1.rank }), last.rank > 0 {
      shown.removeAll { $0.rank == last.rank }
    }
    return shown
  }

  /// Open positions first, then the newest signals, then the table's order.
  private static func ordered(_ symbols: [SymbolView]) -> [SymbolView] {
    symbols.enumerated().sorted { left, right in
      let (a, b) = (left.element, right.element)
      if (a.position != nil) != (b.position != nil) { return a.position != nil }
      let (x, y) = (a.signalNanoseconds ?? 0, b.signalNanoseconds ?? 0)
      return x == y ? left.offset < right.offset : x > y
    }.map(\.element)
  }

  private static func headerLines(_ view: EngineView) -> [String] {
    let totals = view.totals
    var lines = [
      "aegis \(plain(view.version)) · \(view.mode.rawValue.uppercased()) · \(plain(view.venue)) · "
        + "\(plain(view.state)) · up \(Summary.duration(view.uptimeSeconds))",
      "equity \(money(totals.equity)) · PnL after fees \(money(totals.net)) · fees \(money(totals.fees)) · "
        + "virtual \(money(totals.ledger.balance))",
    ]
    if view.store.isDegraded {
      lines.append(
        "STORE DEGRADED: \(plain(view.store.detail ?? "")) (\(view.store.pendingEntries) facts wait)")
    }
    let troubled = view.processes.filter { $0.state != "running" }
    if !troubled.isEmpty {
      lines.append(troubled.map { "\(plain($0.name)) \(plain($0.state))" }.joined(separator: " · "))
    }
    lines.append("")
    return lines
  }

  private static func footerLines(_ view: EngineView) -> [String] {
    let totals = view.totals
    let refused = totals.refusals.reduce(0) { $0 + $1.count }
    let top = totals.refusals.prefix(3).map { "\($0.name) \($0.count)" }.joined(separator: ", ")
    return [
      "",
      "signals \(totals.signals) · orders \(totals.orders) · round trips \(totals.roundTrips) (\(totals.wins) won) · "
        + "open \(totals.openPositions) · lots \(totals.ledger.lotsOpen) open, \(totals.ledger.lotsClosed) closed · "
        + "refused \(refused)" + (top.isEmpty ? "" : ": \(top)"),
    ]
  }

  private static func cell(_ text: String, _ column: Column) -> String {
    let clipped = String(text.prefix(column.width))
    let pad = String(repeating: " ", count: column.width - clipped.count)
    return column.isLeft ? clipped + pad : pad + clipped
  }

  static func age(_ milliseconds: Int64?) -> String {
    guard let milliseconds else { return "-" }
    switch milliseconds {
    case ..<1000: return "\(max(milliseconds, 0))ms"
    case ..<100_000: return "\(milliseconds / 1000).\(milliseconds % 1000 / 100)s"
    default: return "\(milliseconds / 60_000)m"
    }
  }

  static func percent(_ fraction: Double?, sign: Bool, decimals: Int = 2) -> String {
    guard let fraction, fraction.isFinite, abs(fraction) < 1e6 else { return "-" }
    let scale = decimals == 0 ? 1.0 : 100.0
    let scaled = (fraction * 100 * scale).rounded()
    let whole = Int(abs(scaled))
    let prefix = scaled < 0 ? "-" : sign ? "+" : ""
    guard decimals > 0 else { return "\(prefix)\(whole)%" }
    let cents = whole % 100
    return "\(prefix)\(whole / 100).\(cents < 10 ? "0" : "")\(cents)%"
  }

  /// Two decimals, rounded half away from zero: for eyes, never for sums.
  static func money(_ amount: ExactAmount) -> String {
    let cents = FixedPoint.divided(Int128(amount.e8), by: 1_000_000)
    return FixedPoint.text(cents * 1_000_000, decimals: 2)
  }

  private static func trimmed(_ decimal: String) -> String {
    guard decimal.contains(".") else { return decimal }
    var text = decimal
    while text.hasSuffix("0") { text.removeLast() }
    if text.hasSuffix(".") { text.removeLast() }
    return text
  }

  /// Text from outside, without what could move the cursor or colour the window.
  static func plain(_ text: String) -> String {
    String(
      String.UnicodeScalarView(
        text.unicodeScalars.filter { scalar in
          !(scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
            || (0x200B...0x200F).contains(scalar.value)
            || (0x2028...0x202E).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value))
        }))
  }
}
