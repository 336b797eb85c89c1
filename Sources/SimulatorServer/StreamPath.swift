import BinanceWire
import Market

/// The three entry points of the stream host.
enum StreamEntry: String, Sendable {
  case `public`
  case market
  case `private`
}

/// What the path of a WebSocket request asks for.
struct StreamPath: Sendable, Equatable {
  var entry: StreamEntry
  /// Payloads come wrapped with their stream's name.
  var isCombined: Bool
  /// Stream names, or listen keys on the private entry, in the order given.
  var streams: [String]
  /// For private streams: events let through, per stream at the same place; nil lets all through.
  var events: [Set<String>?]

  /// Reads `/P/ws/<s>/<s>`, `/P/stream?streams=<s>/<s>`, `/private/ws?listenKey=<k>&events=A/B`, and their empty forms.
  ///
  /// - Returns: nil for any other path. Names of unknown streams are not a failure: they are silent later.
  init?(_ uri: String) {
    let parts = uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let path = parts[0].split(separator: "/", omittingEmptySubsequences: true)
    guard path.count >= 2, let entry = StreamEntry(rawValue: String(path[0])) else { return nil }
    self.entry = entry
    switch path[1] {
    case "ws":
      isCombined = false
      streams = path.dropFirst(2).map(String.init)
    case "stream":
      guard path.count == 2 else { return nil }
      isCombined = true
      streams = []
    default: return nil
    }
    events = streams.map { _ in nil }
    guard parts.count > 1 else { return }
    for pair in parts[1].split(separator: "&") {
      let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard halves.count == 2, let value = RequestParameters.decoded(halves[1]), !value.isEmpty else {
        continue
      }
      switch halves[0] {
      case "streams":
        for name in value.split(separator: "/") {
          streams.append(String(name))
          events.append(nil)
        }
      case "listenKey":
        streams.append(value)
        events.append(nil)
      case "events" where !events.isEmpty:
        events[events.count - 1] = Set(value.split(separator: "/").map(String.init))
      default: break
      }
    }
  }
}

/// One market stream, as its name says.
struct StreamName: Hashable, Sendable {
  enum Kind: Hashable, Sendable {
    case bookTicker, aggregateTrade, trade, markPrice, markPriceEverySecond
    case kline(UInt8)
    case allBookTickers, allMarkPrices, allMarkPricesEverySecond
  }

  var kind: Kind
  /// Index of the instrument; -1 for streams of all.
  var instrument: Int

  /// - Returns: nil for names that no stream has, which are acknowledged and silent.
  init?(_ text: String, symbols: [String: Int]) {
    switch text {
    case "!bookTicker": (kind, instrument) = (.allBookTickers, -1)
    case "!markPrice@arr": (kind, instrument) = (.allMarkPrices, -1)
    case "!markPrice@arr@1s": (kind, instrument) = (.allMarkPricesEverySecond, -1)
    default:
      guard let at = text.firstIndex(of: "@"), let index = symbols[String(text[..<at])] else { return nil }
      instrument = index
      let name = text[text.index(after: at)...]
      switch name {
      case "bookTicker": kind = .bookTicker
      case "aggTrade": kind = .aggregateTrade
      case "trade": kind = .trade
      case "markPrice": kind = .markPrice
      case "markPrice@1s": kind = .markPriceEverySecond
      default:
        guard name.hasPrefix("kline_"), let timeframe = Timeframe(name: name.dropFirst(6)) else {
          return nil
        }
        kind = .kline(timeframe.rawValue)
      }
    }
  }

  /// The entry point that carries it; on another it stays silent.
  var entry: StreamEntry {
    switch kind {
    case .bookTicker, .trade, .allBookTickers: .public
    case .aggregateTrade, .markPrice, .markPriceEverySecond, .kline, .allMarkPrices,
      .allMarkPricesEverySecond:
      .market
    }
  }
}
