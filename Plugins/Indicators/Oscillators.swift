import PluginABI

func rsi(_ values: Numbers?, _ count: Int64, _ period: Int64, _ out: Column?) {
  guard let out else { return }
  strength(values, count, period) { index, value in out[index] = value }
}

func lastRSI(_ values: Numbers?, _ count: Int64, _ period: Int64) -> Double {
  var last = Double.nan
  strength(values, count, period) { _, value in last = value }
  return last
}

/// Wilder's averages of gains and losses, the first over the changes 1…period.
private func strength(_ values: Numbers?, _ count: Int64, _ period: Int64, _ take: (Int, Double) -> Void) {
  guard let values, let period = usable(period, Int(count) - 1) else { return }
  var gain = 0.0
  var loss = 0.0
  for index in 1..<Int(count) {
    let change = values[index] - values[index - 1]
    if index <= period {
      gain += max(change, 0) / Double(period)
      loss += max(-change, 0) / Double(period)
      if index < period { continue }
    } else {
      gain = (gain * Double(period - 1) + max(change, 0)) / Double(period)
      loss = (loss * Double(period - 1) + max(-change, 0)) / Double(period)
    }
    take(index, gain + loss < zeroMax ? 0 : 100 * gain / (gain + loss))
  }
}

func roc(_ values: Numbers?, _ count: Int64, _ period: Int64, _ out: Column?) {
  guard let values, let out, let period = usable(period, Int(count) - 1) else { return }
  for index in period..<Int(count) {
    let before = values[index - period]
    out[index] = before == 0 ? 0 : 100 * (values[index] / before - 1)
  }
}

func mom(_ values: Numbers?, _ count: Int64, _ period: Int64, _ out: Column?) {
  guard let values, let out, let period = usable(period, Int(count) - 1) else { return }
  for index in period..<Int(count) { out[index] = values[index] - values[index - period] }
}

/// Highest high and lowest low of the `period` bars that end with one.
func extremes(_ high: Numbers, _ low: Numbers, _ end: Int, _ period: Int) -> (high: Double, low: Double) {
  var top = high[end]
  var bottom = low[end]
  for index in (end - period + 1)..<end {
    top = max(top, high[index])
    bottom = min(bottom, low[index])
  }
  return (top, bottom)
}

/// K is the mean of `slowing` raw values, D that of `smoothing` K; both begin with D.
func stochastic(
  _ candles: Candles?, _ period: Int64, _ slowing: Int64, _ smoothing: Int64, _ kColumn: Column?,
  _ dColumn: Column?
) {
  guard let candles = candles?.pointee, let high = candles.high, let low = candles.low,
    let close = candles.close, let kColumn, let dColumn
  else { return }
  let count = Int(candles.count)
  guard let period = usable(period, count), let slowing = usable(slowing, count),
    let smoothing = usable(smoothing, count), period + slowing + smoothing - 2 <= count
  else { return }
  let scratch = UnsafeMutableBufferPointer<Double>.allocate(capacity: 2 * count)
  defer { scratch.deallocate() }
  scratch.initialize(repeating: 0)
  guard let raw = scratch.baseAddress else { return }
  let slow = raw + count
  for index in (period - 1)..<count {
    let range = extremes(high, low, index, period)
    raw[index] = range.high == range.low ? 0 : 100 * (close[index] - range.low) / (range.high - range.low)
  }
  for index in (period + slowing - 2)..<count { slow[index] = mean(raw, index - slowing + 1, slowing) }
  for index in (period + slowing + smoothing - 3)..<count {
    kColumn[index] = slow[index]
    dColumn[index] = mean(slow, index - smoothing + 1, smoothing)
  }
}

func cci(_ candles: Candles?, _ period: Int64, _ out: Column?) {
  guard let candles = candles?.pointee, let high = candles.high, let low = candles.low,
    let close = candles.close, let out, let period = usable(period, Int(candles.count))
  else { return }
  func typical(_ index: Int) -> Double { (high[index] + low[index] + close[index]) / 3 }
  for index in (period - 1)..<Int(candles.count) {
    let window = (index - period + 1)...index
    var sum = 0.0
    for bar in window { sum += typical(bar) }
    let centre = sum / Double(period)
    var distance = 0.0
    for bar in window { distance += abs(typical(bar) - centre) }
    let difference = typical(index) - centre
    out[index] =
      abs(difference) < zeroMax || distance < zeroMax ? 0 : difference / (0.015 * distance / Double(period))
  }
}

func willr(_ candles: Candles?, _ period: Int64, _ out: Column?) {
  guard let candles = candles?.pointee, let high = candles.high, let low = candles.low,
    let close = candles.close, let out, let period = usable(period, Int(candles.count))
  else { return }
  for index in (period - 1)..<Int(candles.count) {
    let range = extremes(high, low, index, period)
    out[index] = range.high == range.low ? 0 : -100 * (range.high - close[index]) / (range.high - range.low)
  }
}

/// Looks at `period` bars and the one before them; of equal extremes the latest counts.
func aroon(_ candles: Candles?, _ period: Int64, _ down: Column?, _ up: Column?) {
  guard let candles = candles?.pointee, let high = candles.high, let low = candles.low, let down, let up,
    let period = usable(period, Int(candles.count) - 1)
  else { return }
  for index in period..<Int(candles.count) {
    var lowest = index
    var highest = index
    for bar in stride(from: index - 1, through: index - period, by: -1) {
      if low[bar] < low[lowest] { lowest = bar }
      if high[bar] > high[highest] { highest = bar }
    }
    down[index] = 100 * Double(period - (index - lowest)) / Double(period)
    up[index] = 100 * Double(period - (index - highest)) / Double(period)
  }
}
