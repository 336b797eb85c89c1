import Trading

extension Settings {
  /// How the desk sizes, protects and limits trades. Fractions, never percent; seconds and milliseconds, as the keys say.
  static func deskFields() -> [SettingsField] {
    sizing()
      + [
        .number(
          "desk.defaultStopFraction", \.desk.defaultStopFraction, 0.000_1...0.5, unit: "fraction of the price"
        ),
        .number(
          "desk.defaultTargetFraction", \.desk.defaultTargetFraction, 0.000_1...0.9,
          unit: "fraction of the price"),
        SettingsField(
          "desk.bracketRounding", unit: "how stop and target meet the tick", kind: .word(["safe", "nearest"])
        ) {
          .text($0.desk.bracketRounding.rawValue)
        } set: { settings, value in
          if case .text(let text) = value, let rule = DeskSettings.BracketRounding(rawValue: text) {
            settings.desk.bracketRounding = rule
          }
        },
        SettingsField("desk.takerFeeFraction", unit: "fraction of the value", kind: .number(0...0.01)) {
          .number(Double($0.desk.takerFeeE8) / 1e8)
        } set: { settings, value in
          if case .number(let rate) = value { settings.desk.takerFeeE8 = Int64((rate * 1e8).rounded()) }
        },
        .number("desk.slippageFraction", \.desk.slippageFraction, 0...0.05, unit: "fraction of the price"),
        .number("desk.minimumConfidence", \.desk.minimumConfidence, 0...1, unit: "probability"),
        .flag("desk.requiresNetReturn", \.desk.requiresNetReturn, unit: "true or false"),
        .integer("desk.openPositionsMax", \.desk.openPositionsMax, 1...4096, unit: "positions"),
        .integer("desk.leverage", \.desk.leverage, 1...125, unit: "times"),
        .number(
          "desk.marginFractionPerTradeMax", \.desk.marginFractionPerTradeMax, 0.000_1...1,
          unit: "fraction of equity"),
        .number(
          "desk.marginFractionTotalMax", \.desk.marginFractionTotalMax, 0.000_1...1,
          unit: "fraction of equity"),
        .span(
          "desk.holdingSecondsMax", \.desk.holdingNanosecondsMax, 1...30 * 86_400, .seconds),
        .span("desk.cooldownSeconds", \.desk.cooldownNanoseconds, 0...86_400, .seconds),
        .span(
          "desk.staleMillisecondsMax", \.desk.staleNanosecondsMax, 10...86_400_000, .milliseconds),
        .flag("desk.oppositeSignalCloses", \.desk.oppositeSignalCloses, unit: "true or false"),
        .number(
          "desk.dailyLossFractionMax", \.desk.dailyLossFractionMax, 0.000_1...1,
          unit: "fraction of the day's first equity"),
        .span("desk.equitySampleSeconds", \.desk.equitySampleNanoseconds, 0...86_400, .seconds),
        .span(
          "desk.orderSilenceMillisecondsMax", \.desk.orderSilenceNanosecondsMax, 100...600_000, .milliseconds),
      ]
  }

  /// The keys of which at most one is given: each is another way to say how much is bought.
  static let sizingKeys = ["desk.riskFraction", "desk.baseQuantity", "desk.notionalQuote"]

  private static func sizing() -> [SettingsField] {
    func field(
      _ key: String, _ range: ClosedRange<Double>, unit: String,
      _ make: @escaping (Double) -> DeskSettings.Sizing, _ read: @escaping (DeskSettings.Sizing) -> Double?
    ) -> SettingsField {
      SettingsField(key, unit: unit, kind: .optionalNumber(range)) {
        read($0.desk.sizing).map(SettingsValue.number) ?? .absent
      } set: { settings, value in
        if case .number(let number) = value { settings.desk.sizing = make(number) }
      }
    }
    return [
      field(sizingKeys[0], 0.000_01...0.1, unit: "fraction of equity lost at the stop") {
        .fixedRisk(riskFraction: $0)
      } _: {
        if case .fixedRisk(let fraction) = $0 { fraction } else { nil }
      },
      field(sizingKeys[1], 1e-8...1e9, unit: "base currency a trade") {
        .fixedQuantity(baseQuantity: $0)
      } _: {
        if case .fixedQuantity(let quantity) = $0 { quantity } else { nil }
      },
      field(sizingKeys[2], 0.01...1e9, unit: "quote currency a trade") {
        .fixedNotional(notionalQuote: $0)
      } _: {
        if case .fixedNotional(let notional) = $0 { notional } else { nil }
      },
    ]
  }
}

extension SettingsField {
  enum SpanUnit: String {
    case seconds, milliseconds
    var nanoseconds: Int64 { self == .seconds ? 1_000_000_000 : 1_000_000 }
  }

  /// A length of time, kept in nanoseconds and written in the unit its key names.
  static func span(
    _ key: String, _ path: WritableKeyPath<Settings, Int64>, _ range: ClosedRange<Int>, _ unit: SpanUnit
  ) -> SettingsField {
    SettingsField(key, unit: unit.rawValue, kind: .integer(range)) {
      .integer(Int($0[keyPath: path] / unit.nanoseconds))
    } set: { settings, value in
      if case .integer(let count) = value { settings[keyPath: path] = Int64(count) * unit.nanoseconds }
    }
  }
}
