import Foundation
import PluginHost

/// The columns a call gave, as rows with a time where candles gave one.
struct PluginCallTable {
  /// `time` or `index`, then the outputs.
  let names: [String]
  let rowCount: Int
  private let times: [String]
  private let outputs: [FunctionOutcome.Column]

  init(_ outcome: FunctionOutcome, candles: FunctionValue.CandleColumns?) {
    outputs = outcome.columns
    rowCount = outputs.first?.values.count ?? 0
    if let candles, candles.count == rowCount {
      times = candles.openTimes.map(Self.timeText)
      names = ["time"] + outputs.map(\.name)
    } else {
      // A list from elsewhere has no times.
      times = (0..<rowCount).map(String.init)
      names = ["index"] + outputs.map(\.name)
    }
  }

  /// A header and one line per row; NaN is an empty cell.
  var csv: String {
    var text = names.map(Self.cell).joined(separator: ",") + "\n"
    for row in 0..<rowCount {
      text += times[row]
      for output in outputs {
        text += ","
        let value = output.values[row]
        if !value.isNaN { text += Self.text(value) }
      }
      text += "\n"
    }
    return text
  }

  var columns: PluginCallAnswer.Columns {
    PluginCallAnswer.Columns(
      index: names[0], rows: times,
      values: outputs.map { output in
        PluginCallAnswer.Column(name: output.name, values: output.values.map { $0.isFinite ? $0 : nil })
      })
  }

  private static func cell(_ name: String) -> String {
    name.contains { ",\"".contains($0) } ? "\"\(name.replacing("\"", with: "\"\""))\"" : name
  }

  /// The shortest text that reads back as the same number, without a needless `.0`.
  static func text(_ value: Double) -> String {
    let text = "\(value)"
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }

  /// Twelve digits, for people: a sum of decimal fractions reads as one.
  static func shortText(_ value: Double) -> String {
    value.isFinite ? String(format: "%.12g", value) : text(value)
  }

  /// `YYYY-MM-DD HH:MM:SS` UTC.
  static func timeText(_ nanoseconds: Int64) -> String {
    let seconds = nanoseconds / 1_000_000_000
    let day = seconds / 86_400
    // Days since 1970 to the Gregorian calendar, in years that begin in March.
    let shifted = day + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let month = (5 * dayOfYear + 2) / 153
    let civilMonth = month < 10 ? month + 3 : month - 9
    let year = yearOfEra + era * 400 + (civilMonth <= 2 ? 1 : 0)
    func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let clock = seconds % 86_400
    return
      "\(year)-\(two(civilMonth))-\(two(dayOfYear - (153 * month + 2) / 5 + 1)) "
      + "\(two(clock / 3600)):\(two(clock / 60 % 60)):\(two(clock % 60))"
  }
}

/// What `aegis plugins call --json` prints.
struct PluginCallAnswer: Encodable {
  enum Scalar: Encodable {
    case number(Double)
    case integer(Int64)
    case flag(Bool)

    /// nil for functions without a result, and for a result that is no finite number.
    init?(_ result: FunctionOutcome.Result) {
      switch result {
      case .none: return nil
      case .number(let number):
        guard number.isFinite else { return nil }
        self = .number(number)
      case .integer(let number): self = .integer(number)
      case .flag(let flag): self = .flag(flag)
      }
    }

    func encode(to encoder: any Encoder) throws {
      var container = encoder.singleValueContainer()
      switch self {
      case .number(let number): try container.encode(number)
      case .integer(let number): try container.encode(number)
      case .flag(let flag): try container.encode(flag)
      }
    }
  }

  struct Column: Encodable {
    var name: String
    var values: [Double?]
  }

  struct Columns: Encodable {
    /// What `rows` holds: `time` or `index`.
    var index: String
    var rows: [String]
    var values: [Column]
  }

  var library: String
  var function: String
  var signature: String
  var result: Scalar?
  var output: String?
  var columns: Columns?

  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }
}
