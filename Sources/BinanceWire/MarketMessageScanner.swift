public import Market

/// Reads one market message in place into a `MarketEvent`: no string, no allocation, no reference counting.
///
/// The exchange's own key order is read by a specialised fast path; anything else by a general single pass.
/// Both give the same answer; `fallbackCount` rising means that the exchange changed its payload. Prices and
/// quantities become counts of the instrument's ticks and steps; what is off the grid is refused. The slow
/// twin is `MarketMessages`. [one thread]
public struct MarketMessageScanner: ~Copyable {
  /// What a message was. Trivial: it can be copied and dropped for free.
  @frozen public enum Scan: Sendable, BitwiseCopyable {
    /// `sequence` orders the stream: `u` of a quote, `a` or `t` of a trade, `E` of a mark.
    case event(MarketEvent, sequence: Int64)
    /// Well-formed and not ours: another symbol, another event, another market, a trade id spent without a
    /// fill.
    case ignored
    /// An answer to a subscription, or an error about one.
    case control
    /// An array of updates (`!markPrice@arr`): use `forEach`.
    case batch
    case malformed(Malformed)
  }

  /// Why a message was refused.
  @frozen public enum Malformed: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    /// Not JSON, cut off, or something follows it.
    case syntax
    /// JSON, but neither an event nor an answer.
    case shape
    /// Longer than `messageBytesMax`.
    case size
    /// Nested deeper than `depthMax`.
    case depth
    /// A field is missing, doubled or of the wrong type.
    case field
    /// Not a plain decimal, or out of range.
    case number
    /// A price or quantity is not a multiple of the instrument's tick or step.
    case offGrid
  }

  /// The longest message that is read. An array of all mark prices is about 60 kB.
  public static let messageBytesMax = 1 << 20
  public static let depthMax = 16
  /// Readable bytes the caller guarantees behind every message; their content does not matter.
  public static let paddingBytes = 64
  /// `detail` of a trade event that came from the single-trade stream, whose ids are not aggregate ids.
  public static let singleTradeDetail: UInt8 = 1

  let symbols: SymbolTable
  /// Events only the general path could read.
  public private(set) var fallbackCount: UInt64 = 0

  public init(table: InstrumentTable) { symbols = SymbolTable(table) }

  /// Where `read` puts an event: one per caller, used again for every message.
  @frozen public struct Reading: Sendable, BitwiseCopyable {
    public var event = MarketEvent(kind: .stream, instrument: .none, time: .never)
    /// Orders the stream: see `Scan.event`.
    public var sequence: Int64 = 0

    @inlinable public init() {}
  }

  /// What `read` found; `Scan` without its event.
  @frozen public enum Outcome: Sendable, BitwiseCopyable, Equatable {
    /// `reading` holds it.
    case event
    case ignored, control, batch
    case malformed(Malformed)
  }

  /// Reads one complete message and writes its event where the caller wants it: the form for hot loops,
  /// because an event that travels inside `Scan` is copied while its words are still on their way to memory.
  /// - Precondition: `paddingBytes` readable bytes follow the buffer.
  public mutating func read(
    _ bytes: UnsafeRawBufferPointer, receivedNanoseconds: Int64, into reading: inout Reading
  ) -> Outcome {
    guard let address = bytes.baseAddress, bytes.count > 1 else { return .malformed(.syntax) }
    let base = address.assumingMemoryBound(to: UInt8.self)
    let limit = base + bytes.count
    switch fastRead(base, limit, receivedNanoseconds, &reading) {
    case .event: return .event
    case .ignored: return .ignored
    case .unread: break
    }
    guard bytes.count <= Self.messageBytesMax else { return .malformed(.size) }
    switch generalScan(base, limit, receivedNanoseconds) {
    case .event(let event, let sequence):
      fallbackCount &+= 1
      reading.event = event
      reading.sequence = sequence
      return .event
    case .ignored: return .ignored
    case .control: return .control
    case .batch: return .batch
    case .malformed(let reason): return .malformed(reason)
    }
  }

  /// Reads one complete message.
  /// - Precondition: `paddingBytes` readable bytes follow the buffer.
  public mutating func scan(_ bytes: UnsafeRawBufferPointer, receivedNanoseconds: Int64) -> Scan {
    var reading = Reading()
    switch read(bytes, receivedNanoseconds: receivedNanoseconds, into: &reading) {
    case .event: return .event(reading.event, sequence: reading.sequence)
    case .ignored: return .ignored
    case .control: return .control
    case .batch: return .batch
    case .malformed(let reason): return .malformed(reason)
    }
  }

  /// Reads a message that may be an array, and hands every element's result to `body`.
  /// - Precondition: `paddingBytes` readable bytes follow the buffer.
  public mutating func forEach(
    in bytes: UnsafeRawBufferPointer, receivedNanoseconds: Int64, _ body: (Scan) -> Void
  ) {
    let first = scan(bytes, receivedNanoseconds: receivedNanoseconds)
    guard case .batch = first, let address = bytes.baseAddress else { return body(first) }
    let base = address.assumingMemoryBound(to: UInt8.self)
    generalBatch(base, base + bytes.count, receivedNanoseconds, body)
  }
}
