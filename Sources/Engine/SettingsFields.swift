import Market
import Storage

extension Settings {
  /// Every single-valued setting. `plugins.load` alone is a list of tables and read by `SettingsPlugins`.
  static func fields() -> [SettingsField] {
    general() + placementFields() + market() + engine() + simulatorFields() + deskFields()
  }

  private static func general() -> [SettingsField] {
    [
      SettingsField(
        "venue", unit: "binance, simulator or a URL",
        kind: .text(
          isOptional: false,
          { text in
            if text == "binance" || text == "simulator" { return nil }
            guard text.contains("://") else {
              return "\(SettingsCheck.shown(text)) is neither binance, simulator nor a URL"
            }
            return SettingsCheck.url(text, schemes: ["https", "http"])
          })
      ) {
        .text($0.venue.description)
      } set: { settings, value in
        guard case .text(let text) = value else { return }
        settings.venue = text == "binance" ? .binance : text == "simulator" ? .simulator : .url(text)
      },
      .optionalText("venueStreams", \.venueStreams, unit: "WebSocket base of a venue given by URL") {
        SettingsCheck.url($0, schemes: ["wss", "ws"])
      },
      SettingsField(
        "mode", unit: "paper or live", kind: .word(["paper", "live", "virtual"]), environment: "TRADING_MODE"
      ) {
        .text($0.mode.rawValue)
      } set: { settings, value in
        guard case .text(let text) = value else { return }
        settings.mode = text == "live" ? .live : .paper  // virtual is another word for paper
      },
      SettingsField(
        "dataDirectory", unit: "folder", kind: .text(isOptional: false, SettingsCheck.path)
      ) {
        .text($0.dataDirectory)
      } set: { settings, value in
        if case .text(let text) = value { settings.dataDirectory = text }
      },
      SettingsField(
        "logLevel", unit: "least important level shown", kind: .word(LogLevel.allCases.map(\.rawValue))
      ) {
        .text($0.logLevel.rawValue)
      } set: { settings, value in
        if case .text(let text) = value, let level = LogLevel(rawValue: text) { settings.logLevel = level }
      },
      .integer("api.port", \.api.port, 0...65535, unit: "TCP port, 0 picks a free one"),
      .optionalText("api.tokenFile", \.api.tokenFile, unit: "file with a bearer token"),
      .optionalText("plugins.directory", \.plugins.directory, unit: "folder"),
      .integer(
        "reload.shadowEvents", \.reload.shadowEvents, 0...1_000_000, unit: "live events"),
      .integer("reload.shadowSeconds", \.reload.shadowSeconds, 1...3600, unit: "seconds"),
      .integer("reload.probationSeconds", \.reload.probationSeconds, 0...86_400, unit: "seconds"),
      .integer("reload.badSignalsMax", \.reload.badSignalsMax, 1...10_000, unit: "a minute"),
      .integer(
        "reload.budgetMicroseconds", \.reload.budgetMicroseconds, 1...1_000_000,
        unit: "microseconds a call"),
      .integer(
        "reload.retiredImagesMax", \.reload.retiredImagesMax, 1...10_000, unit: "images"),
      .optionalText(
        "plugins.entryFilter", \.plugins.entryFilter,
        unit: "condition such as rsi(close, 14) < 70 && adx(14) > 20", check: EntryExpression.problem),
      SettingsField(
        "plugins.entryFilterTimeframe", unit: "candles the entry filter is about",
        kind: .word(Timeframe.allCases.map(\.name))
      ) {
        .text($0.plugins.entryFilterTimeframe.name)
      } set: { settings, value in
        if case .text(let text) = value, let timeframe = Timeframe(name: text) {
          settings.plugins.entryFilterTimeframe = timeframe
        }
      },
    ]
  }

  private static func market() -> [SettingsField] {
    [
      SettingsField(
        "universe.symbols", unit: "symbols, none means all",
        kind: .list(countMax: 4096, SettingsCheck.symbol)
      ) {
        .list($0.universe.symbols)
      } set: { settings, value in
        if case .list(let list) = value { settings.universe.symbols = list }
      },
      .integer("universe.symbolsMax", \.universe.symbolsMax, 1...4096, unit: "instruments"),
      .integer(
        "feed.streamsPerConnection", \.feed.streamsPerConnection, 1...1024, unit: "streams a connection"),
      SettingsField("ring.capacity", unit: "events, a power of two", kind: .integer(1024...(1 << 24))) {
        .integer($0.ring.capacity)
      } set: { settings, value in
        if case .integer(let count) = value { settings.ring.capacity = count }
      },
    ]
  }

  private static func engine() -> [SettingsField] {
    [
      .integer("brain.spinMicroseconds", \.brain.spinMicroseconds, 0...1_000_000, unit: "microseconds"),
      .integer("warmup.candles", \.warmup.candles, 0...1500, unit: "candles a timeframe"),
      .flag(
        "warmup.disableRESTFallback", \.warmup.isRESTFallbackDisabled, unit: "true or false",
        environment: "DISABLE_REST_FALLBACK"),
      .integer("retention.marketTapeHours", \.retention.marketTapeHours, 1...8760, unit: "hours"),
      .integer("retention.journalDays", \.retention.journalDays, 1...3650, unit: "days"),
      .integer("retention.storeDays", \.retention.storeDays, 1...3650, unit: "days"),
    ]
  }

  private static func simulatorFields() -> [SettingsField] {
    [
      .optionalText("simulator.tape", \.simulator.tape, unit: "folder of recorded streams"),
      .integer("simulator.symbols", \.simulator.symbols, 1...4096, unit: "instruments"),
      .integer("simulator.seed", \.simulator.seed, 0...Int.max, unit: "any whole number"),
      .integer("simulator.rate", \.simulator.rate, 1...1_000_000, unit: "messages a second"),
      .number("simulator.speed", \.simulator.speed, 0.01...100_000, unit: "times real time"),
    ]
  }
}
