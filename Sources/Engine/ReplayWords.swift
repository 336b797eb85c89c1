import Foundation
import Market
import Storage
import Trading

/// Names and units of a journal entry's fields, to say a difference in words.
struct ReplayWords {
  let table: InstrumentTable

  private enum Unit { case number, ticks, steps, quote, time, fraction, hexadecimal }
  private typealias Field = (name: String, unit: Unit)

  /// One line per field in which the two differ.
  func differences(recorded: JournalEntry, computed: JournalEntry) -> [String] {
    if recorded.kind != computed.kind || recorded.instrument != computed.instrument {
      return ["recorded \(headline(recorded)), computed \(headline(computed))"]
    }
    var lines: [String] = []
    func add(_ name: String, _ recorded: String, _ computed: String) {
      if recorded != computed { lines.append("\(name): recorded \(recorded), computed \(computed)") }
    }
    add("position", "\(recorded.position)", "\(computed.position)")
    add("ring sequence", "\(recorded.ringSequence)", "\(computed.ringSequence)")
    add("time", Self.text(recorded.time), Self.text(computed.time))
    add(Self.detailName(recorded.kind), detail(recorded), detail(computed))
    let fields = Self.fields(recorded.kind)
    let words = zip(Self.array(recorded.words), Self.array(computed.words))
    for (index, (left, right)) in words.enumerated() where left != right {
      let field: Field = index < fields.count ? fields[index] : ("word \(index)", .hexadecimal)
      add(
        field.name, text(left, field.unit, recorded.instrument), text(right, field.unit, recorded.instrument))
    }
    // Padding aside every byte is in a field above; should one not be, that is said and not hidden.
    return lines.isEmpty ? ["the entries differ in bytes that belong to no field"] : lines
  }

  /// `verdict of BTCUSDT: cooldown`
  private func headline(_ entry: JournalEntry) -> String {
    let symbol = symbol(entry.instrument)
    return "\(entry.kind)" + (symbol.isEmpty ? "" : " of \(symbol)") + " at position \(entry.position)"
  }

  func symbol(_ id: InstrumentID) -> String { Int(id.index) < table.count ? table[id].symbol : "" }

  /// UTC with milliseconds.
  static func text(_ time: Instant) -> String {
    guard time > .never else { return "no time yet" }
    let date = Date(timeIntervalSince1970: Double(time.milliseconds) / 1000)
    return date.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
  }

  private func text(_ word: Int64, _ unit: Unit, _ id: InstrumentID) -> String {
    let rules = Int(id.index) < table.count ? table[id].rules : nil
    switch unit {
    case .number: return "\(word)"
    case .ticks: return rules.map { GridText.text(word, unitE8: $0.tickE8) } ?? "\(word) ticks"
    case .steps: return rules.map { GridText.text(word, unitE8: $0.stepE8) } ?? "\(word) steps"
    case .quote: return "\(Quote(e8: word))"
    case .time: return Self.text(Instant(nanoseconds: word))
    case .fraction: return "\(Double(bitPattern: UInt64(bitPattern: word)))"
    case .hexadecimal: return "0x" + String(UInt64(bitPattern: word), radix: 16)
    }
  }

  private func detail(_ entry: JournalEntry) -> String {
    switch entry.kind {
    case .verdict: Refusal(rawValue: entry.detail)?.name ?? "\(entry.detail)"
    case .history, .candleClosed:
      Timeframe(rawValue: UInt8(truncatingIfNeeded: entry.detail))?.name ?? "\(entry.detail)"
    case .positionChanged, .openingPosition, .tradeClosed:
      OrderPurpose(rawValue: UInt8(truncatingIfNeeded: entry.detail))?.name ?? "\(entry.detail)"
    case .runStarted, .openingOrder, .openingLot, .clock, .control, .report, .ringGap, .runReady,
      .instrumentReady, .plugin, .isolatedSignal, .annotation,
      .signal, .command, .lotOpened, .lotClosed, .equity, .runEnded, .checkpoint:
      "\(entry.detail)"
    }
  }

  private static func detailName(_ kind: JournalEntry.Kind) -> String {
    switch kind {
    case .verdict: "answer"
    case .history, .candleClosed: "timeframe"
    case .positionChanged, .openingPosition, .tradeClosed: "purpose"
    case .signal, .isolatedSignal: "plugin"
    case .plugin: "change"
    default: "detail"  // packed small numbers
    }
  }

  private static func array(_ w: JournalEntry.Words) -> [Int64] {
    [w.0, w.1, w.2, w.3, w.4, w.5, w.6, w.7, w.8, w.9, w.10]
  }

  private static func fields(_ kind: JournalEntry.Kind) -> [Field] {
    switch kind {
    case .checkpoint: [("fingerprint of the market events", .hexadecimal), ("market events", .number)]
    case .history, .candleClosed:
      [
        ("open time", .time), ("open", .ticks), ("high", .ticks), ("low", .ticks), ("close", .ticks),
        ("volume", .steps), ("trades", .number), ("flags", .number),
      ]
    case .report:
      [
        ("code and run", .hexadecimal), ("client order number", .number), ("order id", .number),
        ("trade id", .number), ("price", .ticks), ("quantity", .steps), ("filled in all", .steps),
        ("fee", .quote),
        ("amount", .quote), ("report time", .time),
      ]
    case .signal, .isolatedSignal:
      [
        ("cause", .number), ("signal time", .time), ("horizon nanoseconds", .number),
        ("return fraction", .fraction),
        ("confidence and deviation", .hexadecimal), ("stop and target fractions", .hexadecimal),
        ("flags", .number),
        ("tag", .hexadecimal),
      ]
    case .verdict:
      [
        ("action, side and plugin", .hexadecimal), ("equity", .quote), ("risk", .quote),
        ("reference price", .ticks),
        ("stop", .ticks), ("target", .ticks), ("quantity", .steps), ("notional", .quote), ("margin", .quote),
        ("measured", .fraction), ("limit", .fraction),
      ]
    case .command, .openingOrder:
      [
        ("run", .number), ("client order number", .number), ("quantity", .steps), ("price", .ticks),
        ("purpose", .number), ("time in force", .number), ("command time", .time),
        ("stop fraction", .fraction),
        ("target fraction", .fraction), ("filled", .steps), ("state and plugin", .hexadecimal),
      ]
    case .positionChanged, .openingPosition:
      [
        ("position", .steps), ("cost", .quote), ("stop", .ticks), ("target", .ticks), ("opened", .time),
        ("fees", .quote), ("wallet", .quote), ("entry cost", .quote), ("entry quantity", .steps),
        ("exit value", .quote), ("side and plugin", .hexadecimal),
      ]
    case .tradeClosed:
      [
        ("quantity", .steps), ("entry cost", .quote), ("exit value", .quote), ("fees", .quote),
        ("net", .quote),
        ("opened", .time), ("closed", .time), ("stop", .ticks), ("target", .ticks),
        ("side and plugin", .hexadecimal),
      ]
    case .lotOpened, .openingLot:
      [
        ("lot", .number), ("quantity", .steps), ("entry", .ticks), ("stop", .ticks), ("target", .ticks),
        ("opened", .time), ("entry fee", .quote), ("extremes", .hexadecimal), ("tag", .hexadecimal),
        ("funding", .quote), ("plugin and confidence", .hexadecimal),
      ]
    case .lotClosed:
      [
        ("lot", .number), ("quantity", .steps), ("entry", .ticks), ("exit", .ticks), ("stop", .ticks),
        ("target", .ticks), ("opened", .time), ("extremes", .hexadecimal), ("net", .quote), ("fees", .quote),
        ("funding", .quote),
      ]
    case .equity:
      [
        ("equity", .quote), ("wallet", .quote), ("unrealised", .quote), ("used margin", .quote),
        ("open positions", .number), ("day's opening equity", .quote), ("day", .time),
        ("round trips", .number),
        ("realised net", .quote), ("fees", .quote),
      ]
    case .runStarted:
      [
        ("run", .number), ("wallet", .quote), ("day's opening equity", .quote), ("day", .time),
        ("next lot", .number),
        ("last trade id", .number), ("last order id", .number), ("mode", .number),
        ("virtual balance", .quote),
        ("virtual funding", .quote),
      ]
    case .control: [("mode", .number), ("flags", .number)]
    case .ringGap: [("missing", .number), ("first missing", .number), ("epoch", .number)]
    case .annotation:
      (0..<6).map { ("name \($0)", Unit.hexadecimal) }
        + [
          ("bars", .hexadecimal), ("level", .fraction), ("top", .fraction), ("bottom", .fraction),
          ("value", .fraction),
        ]
    case .plugin:
      [
        ("seat", .number), ("argument", .number), ("word 2", .hexadecimal), ("word 3", .hexadecimal),
        ("word 4", .hexadecimal), ("word 5", .hexadecimal),
      ]
    case .clock, .runReady, .instrumentReady, .runEnded: []
    }
  }
}
