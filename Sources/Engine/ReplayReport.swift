import Foundation
import Market
import Trading

/// What a replay found out.
public struct ReplayReport: Sendable, Codable, Equatable {
  public enum Outcome: String, Sendable, Codable {
    /// Every entry came out as it was recorded.
    case identical
    case differs
    /// The tape lacks market events the run took; nothing could be compared from there on.
    case marketMissing
  }

  /// The first entry that came out otherwise.
  public struct Difference: Sendable, Codable, Equatable {
    /// Of the recorded entry: the number of the input.
    public var position: UInt64
    /// Number of the entry within the run, from 0.
    public var entry: Int
    public var kind: String
    /// Empty for what belongs to no instrument.
    public var symbol: String
    public var time: String
    /// One line per field that differs.
    public var fields: [String]
    /// Where to look, when it is known better than by the entry itself.
    public var hint: String?
  }

  /// Sequences that are not on the tape, both included.
  public struct Missing: Sendable, Codable, Equatable {
    public var first: UInt64
    public var last: UInt64
    /// The input that was being recomputed.
    public var position: UInt64
  }

  public var outcome: Outcome
  public var venue: String
  public var mode: String
  public var run: UInt32
  /// Inputs of every kind that were taken again, and the market events among them.
  public var inputs: UInt64
  public var marketEvents: Int
  /// Entries read of the record, all of them unless it stopped early, and how many of them were compared.
  public var entriesRecorded: Int
  public var entriesCompared: Int
  public var verdictsCompared: Int
  public var seconds: Double
  public var difference: Difference?
  public var missing: Missing?
  /// What a person should know about the record, such as an end that was torn by a kill.
  public var notes: [String]

  /// 0 identical, 1 differs, 2 could not be computed to the end.
  public var exitCode: Int32 {
    switch outcome {
    case .identical: 0
    case .differs: 1
    case .marketMissing: 2
    }
  }

  /// A line, or a few, for a person.
  public var text: String {
    let head = "run \(run) of \(venue) (\(mode))"
    let rate = seconds > 0 ? Int(Double(inputs) / seconds) : 0
    let counts =
      "\(inputs) inputs (\(marketEvents) market events), \(entriesCompared) of \(entriesRecorded) entries compared, "
      + "\(verdictsCompared) verdicts, \(FixedPoint.text(Int64(seconds * 1e8), decimals: 2)) s (\(rate) inputs/s)"
    var lines = notes.map { "note: \($0)" }
    switch outcome {
    case .identical: lines.append("\(head): zero differences; \(counts)")
    case .differs:
      lines.append("\(head): DIFFERS; \(counts)")
      if let difference { lines += Self.lines(of: difference) }
    case .marketMissing:
      let missing = missing ?? Missing(first: 0, last: 0, position: 0)
      lines.append(
        "\(head): market events \(missing.first) to \(missing.last) (\(missing.last - missing.first + 1)) are not on "
          + "the tape, so the run cannot be computed past position \(missing.position); until there zero differences; "
          + counts)
    }
    return lines.joined(separator: "\n")
  }

  private static func lines(of difference: Difference) -> [String] {
    let place = difference.symbol.isEmpty ? "" : " of \(difference.symbol)"
    var lines = [
      "first difference: position \(difference.position), entry \(difference.entry): \(difference.kind)\(place) at "
        + difference.time
    ]
    lines += difference.fields.map { "  \($0)" }
    if let hint = difference.hint { lines.append("  \(hint)") }
    return lines
  }

  public var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    do {
      return String(decoding: try encoder.encode(self), as: UTF8.self)
    } catch {
      return "{\"error\":\"\(error)\"}"  // only numbers JSON cannot carry, and none of these can be one
    }
  }
}
