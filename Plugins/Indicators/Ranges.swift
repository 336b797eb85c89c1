import PluginABI

/// The true range of a bar after the first.
private func range(_ candles: aegis_candles, _ index: Int) -> Double {
  let before = candles.close[index - 1]
  let high = candles.high[index]
  let low = candles.low[index]
  return max(high - low, abs(high - before), abs(low - before))
}

private func hasPrices(_ candles: aegis_candles) -> Bool {
  candles.high != nil && candles.low != nil && candles.close != nil
}

func trueRange(_ candles: Candles?, _ out: Column?) {
  guard let candles = candles?.pointee, hasPrices(candles), let out, candles.count > 1 else { return }
  for index in 1..<Int(candles.count) { out[index] = range(candles, index) }
}

func atr(_ candles: Candles?, _ period: Int64, _ out: Column?) {
  guard let candles = candles?.pointee, hasPrices(candles), let out,
    let period = usable(period, Int(candles.count) - 1)
  else { return }
  var average = 0.0
  for index in 1...period { average += range(candles, index) / Double(period) }
  out[period] = average
  for index in (period + 1)..<max(Int(candles.count), period + 1) {
    average = (average * Double(period - 1) + range(candles, index)) / Double(period)
    out[index] = average
  }
}

func natr(_ candles: Candles?, _ period: Int64, _ out: Column?) {
  atr(candles, period, out)
  guard let candles = candles?.pointee, hasPrices(candles), let out else { return }
  for index in 0..<Int(candles.count) where !out[index].isNaN {
    out[index] = candles.close[index] == 0 ? 0 : 100 * out[index] / candles.close[index]
  }
}

/// Wilder's sums start with the bars 1…period-1; the index itself is the average of `period` values of DX.
func adx(
  _ candles: Candles?, _ period: Int64, _ out: Column?, _ plus: Column?, _ minus: Column?,
  _ direction: Column?
) {
  guard let candles = candles?.pointee, hasPrices(candles), let out, let plus, let minus, let direction,
    let period = usable(period, Int(candles.count) - 1)
  else { return }
  let span = Double(period)
  var sums = (plus: 0.0, minus: 0.0, range: 0.0)
  var strength = 0.0
  var average = 0.0
  for index in 1..<Int(candles.count) {
    let move = directionalMove(candles, index)
    if index >= period {
      sums.plus -= sums.plus / span
      sums.minus -= sums.minus / span
      sums.range -= sums.range / span
    }
    sums.plus += move.plus
    sums.minus += move.minus
    sums.range += range(candles, index)
    if index < period { continue }
    let isFlat = sums.range < zeroMax
    plus[index] = isFlat ? 0 : 100 * sums.plus / sums.range
    minus[index] = isFlat ? 0 : 100 * sums.minus / sums.range
    let both = plus[index] + minus[index]
    if both > zeroMax { strength = 100 * abs(plus[index] - minus[index]) / both }  // else as before
    direction[index] = strength
    if index < 2 * period {
      average += strength / span
    } else {
      average = (average * (span - 1) + strength) / span
    }
    if index >= 2 * period - 1 { out[index] = average }
  }
}

/// How far a bar went beyond the one before it, on one side at most.
func directionalMove(_ candles: aegis_candles, _ index: Int) -> (plus: Double, minus: Double) {
  let up = candles.high[index] - candles.high[index - 1]
  let down = candles.low[index - 1] - candles.low[index]
  if down > 0, up < down { return (0, down) }
  if up > 0, up > down { return (up, 0) }
  return (0, 0)
}

/// The level trails the extreme of the trend faster with every new extreme, and changes sides when it is touched.
func sar(_ candles: Candles?, _ acceleration: Double, _ maximum: Double, _ out: Column?) {
  guard let candles = candles?.pointee, hasPrices(candles), let out, candles.count > 1, acceleration >= 0,
    maximum >= 0, let high = candles.high, let low = candles.low
  else { return }
  let step = min(acceleration, maximum)
  var isLong = directionalMove(candles, 1).minus == 0
  var extreme = isLong ? high[1] : low[1]
  var level = isLong ? low[0] : high[0]
  var factor = step
  for index in 1..<Int(candles.count) {
    let before = max(index - 1, 1)  // the first bar stands for its own predecessor
    let bottom = min(low[before], low[index])
    let top = max(high[before], high[index])
    let isTouched = isLong ? low[index] <= level : high[index] >= level
    if isTouched {
      isLong.toggle()
      level = isLong ? min(extreme, bottom) : max(extreme, top)
      out[index] = level
      factor = step
      extreme = isLong ? high[index] : low[index]
    } else {
      out[index] = level
      if isLong ? high[index] > extreme : low[index] < extreme {
        extreme = isLong ? high[index] : low[index]
        factor = min(factor + step, maximum)
      }
    }
    level += factor * (extreme - level)
    level = isLong ? min(level, bottom) : max(level, top)
  }
}

func donchian(_ candles: Candles?, _ period: Int64, _ top: Column?, _ bottom: Column?) {
  guard let candles = candles?.pointee, let high = candles.high, let low = candles.low, let top, let bottom,
    let period = usable(period, Int(candles.count))
  else { return }
  for index in (period - 1)..<Int(candles.count) {
    let range = extremes(high, low, index, period)
    top[index] = range.high
    bottom[index] = range.low
  }
}
