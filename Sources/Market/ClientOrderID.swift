/// The id an order is known by on both sides, a pure function of where the decision stands in the journal.
///
/// Sending twice is therefore recognised, and an unknown outcome is settled by asking for the id.
@frozen public struct ClientOrderID: Hashable, Sendable, BitwiseCopyable {
  /// Tells engines on one account apart (0…1295) and, in its upper half, runs of one engine.
  public var run: UInt32
  /// The input that decided the order, times a fixed number of orders one input may cause, plus the order's number.
  public var sequence: UInt64

  @inlinable public init(run: UInt32, sequence: UInt64) {
    self.run = run
    self.sequence = sequence
  }

  public static let none = ClientOrderID(run: 0, sequence: 0)

  /// At most 36 characters from `[.A-Z:/a-z0-9_-]`: `aegis-<run>-<sequence>`, numbers in base 36.
  public var text: String { "aegis-\(String(run, radix: 36))-\(String(sequence, radix: 36))" }

  /// Reads back what `text` wrote; nil for ids of other programs.
  public init?(text: some StringProtocol) {
    let parts = text.split(separator: "-", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0] == "aegis", let run = UInt32(parts[1], radix: 36),
      let sequence = UInt64(parts[2], radix: 36)
    else { return nil }
    self.init(run: run, sequence: sequence)
    guard self.text == text else { return nil }
  }
}
