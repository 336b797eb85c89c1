import Foundation
import Market

/// Why a workload cannot run: one line that names file, field and fix.
public enum BenchError: Error, Equatable, CustomStringConvertible {
  case unreadable(file: String, reason: String)
  case length(file: String, byteCount: Int, recordByteCount: Int)
  case record(file: String, number: Int, field: String, value: Double)
  case empty(file: String)

  public var description: String {
    switch self {
    case .unreadable(let file, let reason):
      "\(file): cannot be read (\(reason)); make the data with the benchmark's generator and give its folder"
    case .length(let file, let byteCount, let recordByteCount):
      "\(file): \(byteCount) bytes are not whole records of \(recordByteCount); make the file again"
    case .record(let file, let number, let field, let value):
      "\(file): record \(number): \(field): \(value) is not on the 0.01 price grid or out of range; make the file again"
    case .empty(let file): "\(file): has no records; make the file again"
    }
  }
}

/// The raw files of the standard work: little-endian records of eight-byte fields, decoded to events.
enum BenchWorkloadsData {
  /// Open time in milliseconds, open, high, low, close, volume.
  static let barByteCount = 48
  /// Time in milliseconds, price, quantity, buyer is maker.
  static let tickByteCount = 32

  /// The events of a workload in time order; of each file the first `limit` records, 0 for all.
  static func events(_ workload: StandardWorkload, directory: String, limit: Int) throws(BenchError)
    -> [MarketEvent]
  {
    let files = workload.fileNames.map { "\(directory)/\($0)" }
    if workload == .w3 { return try ticks(files[0], limit: limit) }
    var columns: [[MarketEvent]] = []
    for (index, file) in files.enumerated() {
      columns.append(try bars(file, InstrumentID(index), limit: limit))
    }
    if columns.count == 1 { return columns[0] }
    var events: [MarketEvent] = []
    let countMax = columns.map(\.count).max() ?? 0
    events.reserveCapacity(columns.reduce(0) { $0 + $1.count })
    for row in 0..<countMax {
      for column in columns where row < column.count { events.append(column[row]) }
    }
    return events
  }

  private static func bars(
    _ file: String, _ instrument: InstrumentID, limit: Int
  ) throws(BenchError) -> [MarketEvent] {
    try records(file, byteCount: barByteCount, limit: limit) { (bytes, number) throws(BenchError) in
      func price(_ offset: Int, _ field: String) throws(BenchError) -> Price {
        try self.price(bytes, offset, file: file, number: number, field: field)
      }
      let candle = Candle(
        openTime: Instant(milliseconds: bytes.loadUnaligned(fromByteOffset: 0, as: Int64.self)),
        open: try price(8, "open"), high: try price(16, "high"), low: try price(24, "low"),
        close: try price(32, "close"), volume: try quantity(bytes, 40, file: file, number: number))
      return .bar(instrument, .minute1, candle)
    }
  }

  private static func ticks(_ file: String, limit: Int) throws(BenchError) -> [MarketEvent] {
    try records(file, byteCount: tickByteCount, limit: limit) { (bytes, number) throws(BenchError) in
      .trade(
        InstrumentID(0), time: Instant(milliseconds: bytes.loadUnaligned(fromByteOffset: 0, as: Int64.self)),
        price: try price(bytes, 8, file: file, number: number, field: "price"),
        quantity: try quantity(bytes, 16, file: file, number: number), aggregateID: Int64(number),
        tradeCount: 1,
        buyerIsMaker: bytes.loadUnaligned(fromByteOffset: 24, as: Int64.self) != 0)
    }
  }

  private static func price(
    _ bytes: UnsafeRawBufferPointer, _ offset: Int, file: String, number: Int, field: String
  ) throws(BenchError) -> Price {
    let value = bytes.loadUnaligned(fromByteOffset: offset, as: Double.self)
    let ticks = (value * 100).rounded()
    guard value > 0, value < 1e9, abs(value * 100 - ticks) < 1e-4 else {
      throw .record(file: file, number: number, field: field, value: value)
    }
    return Price(ticks: Int64(ticks))
  }

  private static func quantity(
    _ bytes: UnsafeRawBufferPointer, _ offset: Int, file: String, number: Int
  ) throws(BenchError) -> Quantity {
    let value = bytes.loadUnaligned(fromByteOffset: offset, as: Double.self)
    guard value >= 0, value < 1e12 else {
      throw .record(file: file, number: number, field: "quantity", value: value)
    }
    return Quantity(steps: Int64((value * 1000).rounded()))
  }

  private static func records(
    _ file: String, byteCount: Int, limit: Int,
    _ decode: (UnsafeRawBufferPointer, Int) throws(BenchError) -> MarketEvent
  ) throws(BenchError) -> [MarketEvent] {
    let data: Data
    do { data = try Data(contentsOf: URL(filePath: file), options: .mappedIfSafe) } catch {
      throw .unreadable(file: file, reason: error.localizedDescription)
    }
    guard data.count % byteCount == 0 else {
      throw .length(file: file, byteCount: data.count, recordByteCount: byteCount)
    }
    let total = data.count / byteCount
    guard total > 0 else { throw .empty(file: file) }
    let count = limit > 0 ? min(limit, total) : total
    let bytes = [UInt8](data.prefix(count * byteCount))
    return try bytes.withUnsafeBufferPointer { (all) throws(BenchError) in
      let all = UnsafeRawBufferPointer(all)
      var events: [MarketEvent] = []
      events.reserveCapacity(count)
      for index in 0..<count {
        let record = UnsafeRawBufferPointer(rebasing: all[index * byteCount..<(index + 1) * byteCount])
        events.append(try decode(record, index + 1))
      }
      return events
    }
  }
}
