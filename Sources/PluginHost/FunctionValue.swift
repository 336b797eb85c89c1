/// A value given to a typed function.
public enum FunctionValue: Sendable, Hashable {
  case number(Double)
  case integer(Int64)
  case flag(Bool)
  case text(String)
  case list([Double])
  case candles(CandleColumns)

  /// Candles as columns of one length, oldest first: quote and base currency, nanoseconds since the epoch.
  public struct CandleColumns: Sendable, Hashable {
    public var openTimes: [Int64] = []
    public var open: [Double] = []
    public var high: [Double] = []
    public var low: [Double] = []
    public var close: [Double] = []
    public var volume: [Double] = []

    public init() {}
    public var count: Int { openTimes.count }

    public static let columnNames = ["open", "high", "low", "close", "volume"]

    /// One of `columnNames`; nil for another word.
    public func column(_ name: String) -> [Double]? {
      switch name {
      case "open": open
      case "high": high
      case "low": low
      case "close": close
      case "volume": volume
      default: nil
      }
    }

    public mutating func append(
      openTime: Int64, open: Double, high: Double, low: Double, close: Double, volume: Double
    ) {
      openTimes.append(openTime)
      self.open.append(open)
      self.high.append(high)
      self.low.append(low)
      self.close.append(close)
      self.volume.append(volume)
    }

    /// The first candles only.
    public func prefix(_ count: Int) -> CandleColumns {
      var result = CandleColumns()
      result.openTimes = Array(openTimes.prefix(count))
      result.open = Array(open.prefix(count))
      result.high = Array(high.prefix(count))
      result.low = Array(low.prefix(count))
      result.close = Array(close.prefix(count))
      result.volume = Array(volume.prefix(count))
      return result
    }
  }

  /// Reads one value as a person writes it; nil when it is not of the kind.
  public init?(_ kind: FunctionSignature.Kind, parsing text: String) {
    switch kind {
    case .f64:
      guard let number = Self.number(text) else { return nil }
      self = .number(number)
    case .i64:
      guard let number = Int64(text) else { return nil }
      self = .integer(number)
    case .i32:
      guard let number = Int32(text) else { return nil }
      self = .integer(Int64(number))
    case .bool:
      switch text {
      case "true", "1": self = .flag(true)
      case "false", "0": self = .flag(false)
      default: return nil
      }
    case .str:
      guard !text.utf8.contains(0) else { return nil }
      self = .text(text)
    case .list:
      var numbers: [Double] = []
      if !text.isEmpty {
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
          guard let number = Self.number(String(part)) else { return nil }
          numbers.append(number)
        }
      }
      self = .list(numbers)
    case .column, .candles: return nil
    }
  }

  /// Decimal numbers and `nan`; no hexadecimal, which people do not mean.
  static func number(_ text: String) -> Double? {
    let lower = text.lowercased()
    guard !lower.contains("x"), !lower.contains("(") else { return nil }
    return Double(text)
  }

  /// What must be written for a kind: "an integer (i32)".
  public static func expectation(of kind: FunctionSignature.Kind) -> String {
    switch kind {
    case .f64: "a number (f64)"
    case .i32: "an integer (i32)"
    case .i64: "an integer (i64)"
    case .bool: "true or false (bool)"
    case .str: "a text (str)"
    case .list: "a list of numbers such as 1,2.5,3 (f64*)"
    case .candles: "a candle file (candles)"
    case .column: "left out (f64*out)"
    }
  }
}
