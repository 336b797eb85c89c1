import Market
import Simulator

/// Who gets which message: fans of connections per stream, and the joining of messages into batches.   [event loop]
struct StreamHub {
  /// Everyone subscribed to one stream, and the opening bytes of the combined envelope.
  struct Fan {
    var name: [UInt8] = []
    var connections: [StreamConnection] = []
  }

  private let symbols: [String: Int]
  private(set) var bookTickers: [Fan]
  private(set) var aggregateTrades: [Fan]
  private(set) var trades: [Fan]
  private(set) var marks: [Fan]
  private(set) var marksEverySecond: [Fan]
  /// By instrument × timeframe.
  private(set) var klines: [Fan]
  private(set) var allBookTickers = Fan()
  private(set) var allMarks = Fan()
  private(set) var allMarksEverySecond = Fan()
  private(set) var connections: [StreamConnection] = []
  /// Market streams subscribed to over all connections, from the start on.
  private(set) var subscriptionCount = 0
  /// Places in `klines` with subscribers.
  private(set) var activeKlines: [Int] = []

  static let timeframeCount = Timeframe.allCases.count

  init(_ table: InstrumentTable) {
    var symbols: [String: Int] = [:]
    for (index, instrument) in table.instruments.enumerated() {
      symbols[instrument.symbol.lowercased()] = index
    }
    self.symbols = symbols
    let empty = [Fan](repeating: Fan(), count: table.count)
    bookTickers = empty
    aggregateTrades = empty
    trades = empty
    marks = empty
    marksEverySecond = empty
    klines = [Fan](repeating: Fan(), count: table.count * Self.timeframeCount)
  }

  mutating func add(_ connection: StreamConnection) { connections.append(connection) }

  mutating func remove(_ connection: StreamConnection) {
    for name in connection.streams { detach(connection, name) }
    connection.streams = []
    connections.removeAll { $0 === connection }
  }

  /// Adds a stream to a connection. Names nobody knows, and those of another entry point, are kept and stay silent.
  ///
  /// - Returns: false when the connection already has all the streams it may have.
  mutating func subscribe(_ connection: StreamConnection, _ name: String) -> Bool {
    guard !connection.streams.contains(name) else { return true }
    guard connection.streams.count < StreamConnection.streamsMax else { return false }
    connection.streams.append(name)
    guard let stream = StreamName(name, symbols: symbols), stream.entry == connection.entry else {
      return true
    }
    subscriptionCount += 1
    let isFirst = change(stream) { fan in
      if fan.name.isEmpty { fan.name = Array("{\"stream\":\"\(name)\",\"data\":".utf8) }
      fan.connections.append(connection)
      return fan.connections.count == 1
    }
    if isFirst, case .kline(let timeframe) = stream.kind {
      activeKlines.append(stream.instrument * Self.timeframeCount + Int(timeframe))
    }
    return true
  }

  mutating func unsubscribe(_ connection: StreamConnection, _ name: String) {
    guard let place = connection.streams.firstIndex(of: name) else { return }
    connection.streams.remove(at: place)
    detach(connection, name)
  }

  private mutating func detach(_ connection: StreamConnection, _ name: String) {
    guard let stream = StreamName(name, symbols: symbols), stream.entry == connection.entry else { return }
    let isLast = change(stream) { fan in
      fan.connections.removeAll { $0 === connection }
      return fan.connections.isEmpty
    }
    if isLast, case .kline(let timeframe) = stream.kind {
      let place = stream.instrument * Self.timeframeCount + Int(timeframe)
      activeKlines.removeAll { $0 == place }
    }
  }

  private mutating func change(_ stream: StreamName, _ body: (inout Fan) -> Bool) -> Bool {
    switch stream.kind {
    case .bookTicker: body(&bookTickers[stream.instrument])
    case .aggregateTrade: body(&aggregateTrades[stream.instrument])
    case .trade: body(&trades[stream.instrument])
    case .markPrice: body(&marks[stream.instrument])
    case .markPriceEverySecond: body(&marksEverySecond[stream.instrument])
    case .kline(let timeframe): body(&klines[stream.instrument * Self.timeframeCount + Int(timeframe)])
    case .allBookTickers: body(&allBookTickers)
    case .allMarkPrices: body(&allMarks)
    case .allMarkPricesEverySecond: body(&allMarksEverySecond)
    }
  }

  /// Sends one payload to everyone in a fan.
  @inline(__always)
  func send(_ message: [UInt8], to fan: borrowing Fan) {
    message.withUnsafeBytes { send($0, to: fan) }
  }

  @inline(__always)
  private func send(_ payload: UnsafeRawBufferPointer, to fan: borrowing Fan) {
    for connection in fan.connections {
      if connection.isCombined {
        fan.name.withUnsafeBytes { head in
          Self.envelopeEnd.withUnsafeBytes { connection.append(.text, head, payload, $0) }
        }
      } else {
        connection.append(.text, payload)
      }
    }
  }

  private static let envelopeEnd: [UInt8] = [0x7D]

  /// Ends the turn: every connection's batch goes out.
  func flush() {
    for connection in connections { connection.flush() }
  }
}
