import Market
import PluginABI

/// Feeds events no market sends, all of them legal.
enum FuzzChecks {
  private static let eventCount = 20_000

  static func check(
    _ plugin: TrialPlugin, _ options: ValidationOptions, note: (String) -> Void
  ) throws -> PluginCheck {
    note("create")
    let values = try plugin.descriptor.values(options.parameters)
    let symbols = ["TEST0USDT", "TEST1USDT", "TEST2USDT"]
    let wanted = try TrialWishes(plugin, values: values, seed: options.seed, note: note)
    let wishes = wanted.events
    var random = SeededRandom(seed: options.seed)
    let trial = TrialEvents(
      events(&random, wishes), wishes: wishes, intervalNanoseconds: wishes.base.nanoseconds,
      seesWindows: wanted.seesWindows)
    let instance = try TrialInstance(
      plugin, values: values, symbols: symbols, seed: options.seed, events: trial)
    try instance.activate(now: 0)
    note("process of fuzzed events (seed \(options.seed))")
    var output = TrialOutput()
    var start = 0
    while start < trial.events.count {
      let end = min(start + 1 + Int(random.below(300)), trial.events.count)
      instance.feed(
        trial, start..<end, liveFrom: 0, batchCount: 1 + Int(random.below(40)), into: &output)
      start = end
    }
    instance.deactivate()
    if let overrun = output.overrun {
      return PluginCheck("fuzz", .failed, "\(overrun) (seed \(options.seed))")
    }
    guard output.refusals.isEmpty else {
      let text = output.refusals.map {
        "\(output.refusalCounts[$0.reason.rawValue]) × \($0.reason.explanation)"
      }
      return PluginCheck(
        "fuzz", .failed,
        "\(text.joined(separator: "; ")), first at event \(output.refusals[0].eventIndex) of seed \(options.seed)"
      )
    }
    return PluginCheck(
      "fuzz", .ok,
      "\(trial.events.count) events with holes, wild prices, empty and huge volumes, unknown kinds and flags; seed \(options.seed)"
    )
  }

  private static func events(_ random: inout SeededRandom, _ wishes: TrialEvents.EventWishes) -> [aegis_event]
  {
    var kinds: [UInt16] = [99, 0xFFFF]
    if !wishes.timeframes.isEmpty { kinds += [AEGIS_EV_BAR, AEGIS_EV_BAR, AEGIS_EV_BAR, AEGIS_EV_BAR] }
    if wishes.hasQuotes { kinds += [AEGIS_EV_QUOTE, AEGIS_EV_QUOTE] }
    if wishes.hasTrades { kinds += [AEGIS_EV_TRADE, AEGIS_EV_TRADE] }
    if wishes.hasMarks { kinds.append(AEGIS_EV_MARK) }
    kinds.append(AEGIS_EV_GAP)
    let timeframes = wishes.timeframes.sorted()
    var price = [100.0, 0.00001, 1e6]
    var time: Int64 = 1_700_006_400_000_000_000
    var result: [aegis_event] = []
    for index in 0..<eventCount {
      // Mostly on time, sometimes at the same moment, sometimes after days.
      switch random.below(20) {
      case 0: time += Int64(random.below(20)) * 86_400_000_000_000
      case 1...4: break
      default: time += 60_000_000_000
      }
      var event = aegis_event()
      event.ts_ns = time
      event.seq = UInt64(index + 1) * 3
      let instrument = Int(random.below(3))
      event.instrument = UInt32(instrument)
      event.kind = kinds[Int(random.below(UInt64(kinds.count)))]
      switch random.below(40) {
      case 0: price[instrument] = 1e-8
      case 1: price[instrument] = 9e10
      case 2: price[instrument] *= 100
      default: price[instrument] = min(max(price[instrument] * (1 + 0.01 * random.normal()), 1e-8), 9e10)
      }
      let volume = [0, 1e-8, 1, 9e10][Int(random.below(4))]
      let p = price[instrument]
      switch event.kind {
      case AEGIS_EV_BAR:
        event.u.bar = aegis_bar(open: p, high: p * 1.01, low: p * 0.99, close: p, volume: volume)
        event.flags =
          UInt16(timeframes[Int(random.below(UInt64(timeframes.count)))].rawValue)
          | UInt16(random.below(8)) << 8 | UInt16(random.below(2)) << 14
      case AEGIS_EV_QUOTE:
        event.u.quote = aegis_quote(bid: p, ask: p * 1.0001, bid_size: volume, ask_size: 0, reserved: 0)
      case AEGIS_EV_TRADE:
        event.u.trade = aegis_trade(price: p, size: volume, trade_id: UInt64(index), reserved: (0, 0))
        event.flags = UInt16(random.below(32)) << 11
      case AEGIS_EV_MARK:
        event.u.mark = aegis_mark(
          mark: p, index: p, funding_fraction: -0.03, next_funding_ns: time, reserved: 0)
      case AEGIS_EV_GAP:
        event.u.gap = aegis_gap(from_ns: time - 1_000_000_000, to_ns: time, missing: 0, reserved: (0, 0))
        if random.below(4) == 0 { event.instrument = .max }
      default:
        event.u.raw = (random.next(), random.next(), random.next(), .max, random.next())
        event.flags = UInt16(truncatingIfNeeded: random.next())
        if random.below(2) == 0 { event.instrument = .max }
      }
      result.append(event)
    }
    return result
  }
}
