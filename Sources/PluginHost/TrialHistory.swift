import Glibc
import Market

/// Candles a plugin is tried on: one made-up market, or a file the caller has read and checked.
struct TrialHistory {
  struct Bar: BitwiseCopyable {
    var openNanoseconds: Int64
    var open: Double
    var high: Double
    var low: Double
    var close: Double
    var volume: Double
  }

  /// Distance of neighbouring bars, in nanoseconds; larger distances are holes.
  var intervalNanoseconds: Int64
  /// Oldest first, one list per instrument; all of the same length and times.
  var instruments: [[Bar]]
  var symbols: [String]

  static let barCount = 4000
  static let instrumentCount = 3
  /// Bars of one instrument; a day has 1,440 minutes, so this is over eleven years of them.
  static let barCountMax = 6_000_000

  struct Problem: Error, CustomStringConvertible { var description: String }

  // MARK: Made up

  /// Random walks with trends, quiet and wild stretches, and volume that follows them: enough for most strategies to
  /// find something.
  static func generated(
    seed: UInt64, intervalNanoseconds: Int64, barCount: Int = barCount, instrumentCount: Int = instrumentCount
  ) -> TrialHistory {
    var random = SeededRandom(seed: seed)
    // 2023-11-15 00:00 UTC, the start of a candle of every length.
    let first: Int64 = 1_700_006_400_000_000_000
    var instruments: [[Bar]] = []
    for instrument in 0..<instrumentCount {
      var price = 100.0 * Double(instrument + 1)
      var drift = 0.0
      var deviation = 0.001
      var bars: [Bar] = []
      bars.reserveCapacity(barCount)
      for index in 0..<barCount {
        if random.below(60) == 0 {
          drift = 0.0008 * random.normal()
          deviation = 0.0004 + 0.0026 * random.uniform()
        }
        // Pulled back towards its start, so that a long history neither dies nor explodes.
        let pull = 0.0001 * (Double(instrument + 1) * 100 / price - 1)
        let open = price
        price = rounded(max(price * (1 + drift + pull + deviation * random.normal()), 1))
        let reach = deviation * price
        let high = rounded(max(open, price) + reach * random.uniform())
        let low = max(rounded(min(open, price) - reach * random.uniform()), 0.01)
        let volume = rounded(10 + 4000 * abs(price / open - 1) * (1 + random.uniform()))
        bars.append(
          Bar(
            openNanoseconds: first + Int64(index) * intervalNanoseconds, open: open, high: high, low: low,
            close: price, volume: volume))
      }
      instruments.append(bars)
    }
    return TrialHistory(
      intervalNanoseconds: intervalNanoseconds, instruments: instruments,
      symbols: (0..<instrumentCount).map { "TEST\($0)USDT" })
  }

  /// Two decimals, like a venue's grid.
  private static func rounded(_ value: Double) -> Double { (value * 100).rounded() / 100 }

  /// The first instrument, its mirror image in price, and itself backwards in time: three markets out of one.
  func varied() -> TrialHistory {
    guard let original = instruments.first, let start = original.first else { return self }
    let scale = start.close * start.close
    let mirrored = original.map { bar in
      Bar(
        openNanoseconds: bar.openNanoseconds, open: scale / bar.open, high: scale / bar.low,
        low: scale / bar.high, close: scale / bar.close, volume: bar.volume)
    }
    let backwards = zip(original, original.reversed()).map { at, bar in
      Bar(
        openNanoseconds: at.openNanoseconds, open: bar.close, high: bar.high, low: bar.low, close: bar.open,
        volume: bar.volume)
    }
    return TrialHistory(
      intervalNanoseconds: intervalNanoseconds, instruments: [original, mirrored, backwards],
      symbols: [symbols[0], symbols[0] + "MIRROR", symbols[0] + "BACKWARDS"])
  }

  // MARK: As a file

  /// "EGH1" as a little-endian number: an aegis history.
  private static let magic: UInt32 = 0x3148_4745
  private static let headerByteCount = 32

  /// Reads what `bytes(symbol:…)` wrote: header of 32 bytes, the symbol, bars of 48 bytes.
  init(path: String) throws(Problem) {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw Problem(description: "history \(path): \(errorText(errno))") }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_size >= Self.headerByteCount else {
      throw Problem(description: "history \(path): is cut short")
    }
    var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
    var filled = 0
    while filled < bytes.count {
      let room = bytes.count - filled
      // Not empty, so it has an address.
      let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress! + filled, room) }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw Problem(description: "history \(path): is cut short") }
      filled += count
    }
    let found: TrialHistory? = bytes.withUnsafeBytes { raw in
      guard raw.loadUnaligned(as: UInt32.self) == Self.magic else { return nil }
      let nameCount = Int(raw.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
      let barCount = Int(raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      let interval = raw.loadUnaligned(fromByteOffset: 16, as: Int64.self)
      let start = Self.headerByteCount + nameCount
      guard nameCount <= 256, (1...Self.barCountMax).contains(barCount), interval > 0,
        raw.count == start + barCount * MemoryLayout<Bar>.stride
      else { return nil }
      let bars = (0..<barCount).map {
        raw.loadUnaligned(fromByteOffset: start + $0 * MemoryLayout<Bar>.stride, as: Bar.self)
      }
      let name = String(decoding: raw[Self.headerByteCount..<start], as: UTF8.self)
      return TrialHistory(intervalNanoseconds: interval, instruments: [bars], symbols: [name])
    }
    guard let found else { throw Problem(description: "history \(path): is not one of aegis") }
    self = found
  }

  init(intervalNanoseconds: Int64, instruments: [[Bar]], symbols: [String]) {
    self.intervalNanoseconds = intervalNanoseconds
    self.instruments = instruments
    self.symbols = symbols
  }

  static func bytes(symbol: String, intervalNanoseconds: Int64, bars: [Bar]) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(headerByteCount + symbol.utf8.count + bars.count * MemoryLayout<Bar>.stride)
    func append(_ value: some BitwiseCopyable) { withUnsafeBytes(of: value) { result += $0 } }
    append(magic)
    append(UInt32(symbol.utf8.count))
    append(UInt64(bars.count))
    append(intervalNanoseconds)
    append(UInt64(0))
    result += symbol.utf8
    bars.withUnsafeBytes { result += $0 }
    return result
  }
}
