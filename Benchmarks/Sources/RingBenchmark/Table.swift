/// What was measured, per row and round.
struct Table {
  /// What a ratio must be for the benchmark to hold.
  enum Goal {
    case atLeast(Double)
    case atMost(Double)

    func isMet(by value: Double) -> Bool {
      switch self {
      case .atLeast(let limit): value >= limit
      case .atMost(let limit): value <= limit
      }
    }

    var text: String {
      switch self {
      case .atLeast(let limit): ">= \(limit)"
      case .atMost(let limit): "<= \(limit)"
      }
    }
  }

  private var order: [String] = []
  private var values: [String: [Double]] = [:]
  private var units: [String: String] = [:]

  mutating func add(_ row: String, _ unit: String, _ value: Double) {
    if values[row] == nil { order.append(row) }
    values[row, default: []].append(value)
    units[row] = unit
  }

  func printRows() {
    for row in order {
      guard let values = values[row], let unit = units[row], let (low, high) = Self.range(values) else {
        continue
      }
      print(
        #"{"row":"\#(row)","median":\#(Int(Self.median(values))),"min":\#(Int(low)),"max":\#(Int(high)),"unit":"\#(unit)"}"#
      )
    }
  }

  /// The ratio of two rows, round by round.
  func printRatio(_ row: String, to other: String, goal: Goal?) {
    guard let own = values[row], let theirs = values[other] else { return }
    let ratios = zip(own, theirs).map { $0 / $1 }
    guard let (low, high) = Self.range(ratios) else { return }
    let median = Self.median(ratios)
    let verdict = goal.map { #","goal":"\#($0.text)","met":\#($0.isMet(by: median))"# } ?? ""
    print(
      #"{"ratio":"\#(row) / \#(other)","median":\#(Self.rounded(median)),"min":\#(Self.rounded(low)),"max":\#(Self.rounded(high))\#(verdict)}"#
    )
  }

  private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

  private static func range(_ values: [Double]) -> (Double, Double)? {
    guard let low = values.min(), let high = values.max() else { return nil }
    return (low, high)
  }

  private static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }
}
