import PluginABI

func mfi(_ candles: Candles?, _ period: Int64, _ out: Column?) {
  guard let candles = candles?.pointee, let high = candles.high, let low = candles.low,
    let close = candles.close, let volume = candles.volume, let out,
    let period = usable(period, Int(candles.count) - 1)
  else { return }
  func typical(_ index: Int) -> Double { (high[index] + low[index] + close[index]) / 3 }
  for index in period..<Int(candles.count) {
    var up = 0.0
    var down = 0.0
    for bar in (index - period + 1)...index {
      let price = typical(bar)
      let before = typical(bar - 1)
      if abs(price - before) <= 1e-14 * abs(before) { continue }  // equal but for the rounding of the sums
      if price > before { up += price * volume[bar] } else { down += price * volume[bar] }
    }
    out[index] = up + down < 1 ? 0 : 100 * up / (up + down)  // flows below one unit are none
  }
}

func obv(_ candles: Candles?, _ out: Column?) {
  guard let candles = candles?.pointee, let close = candles.close, let volume = candles.volume, let out,
    candles.count > 0
  else { return }
  var sum = volume[0]
  out[0] = sum
  for index in 1..<max(Int(candles.count), 1) {
    if close[index] > close[index - 1] { sum += volume[index] }
    if close[index] < close[index - 1] { sum -= volume[index] }
    out[index] = sum
  }
}

/// Empty while nothing was traded on the day.
func vwap(_ candles: Candles?, _ out: Column?) {
  guard let candles = candles?.pointee, let high = candles.high, let low = candles.low,
    let close = candles.close, let volume = candles.volume, let times = candles.open_time_ns, let out
  else { return }
  let dayNanoseconds: Int64 = 86_400_000_000_000
  var day = Int64.min
  var traded = 0.0
  var value = 0.0
  for index in 0..<Int(candles.count) {
    let today = times[index] / dayNanoseconds
    if today != day {
      day = today
      traded = 0
      value = 0
    }
    value += (high[index] + low[index] + close[index]) / 3 * volume[index]
    traded += volume[index]
    if traded > 0 { out[index] = value / traded }
  }
}

/// Bins of equal height between the window's low and high; a bar's volume is spread evenly over its range.
func volumeProfile(
  _ candles: Candles?, _ bars: Int64, _ bins: Int64, _ control: Column?, _ areaHigh: Column?,
  _ areaLow: Column?
) {
  guard let candles = candles?.pointee, let control, let areaHigh, let areaLow,
    let period = usable(bars, Int(candles.count)), let binCount = usable(bins, 10_000),
    let high = candles.high,
    let low = candles.low, candles.volume != nil
  else { return }
  let bins = UnsafeMutableBufferPointer<Double>.allocate(capacity: binCount)
  defer { bins.deallocate() }
  for index in (period - 1)..<Int(candles.count) {
    let range = extremes(high, low, index, period)
    guard range.high > range.low else {
      control[index] = range.low
      areaHigh[index] = range.low
      areaLow[index] = range.low
      continue
    }
    let height = (range.high - range.low) / Double(binCount)
    bins.update(repeating: 0)
    for bar in (index - period + 1)...index { spread(candles, bar, range.low, height, bins) }
    let area = valueArea(bins)
    control[index] = range.low + (Double(area.control) + 0.5) * height
    areaHigh[index] = range.low + Double(area.top + 1) * height
    areaLow[index] = range.low + Double(area.bottom) * height
  }
}

private func spread(
  _ candles: aegis_candles, _ bar: Int, _ bottom: Double, _ height: Double,
  _ bins: UnsafeMutableBufferPointer<Double>
) {
  let low = candles.low[bar]
  let high = candles.high[bar]
  func bin(_ price: Double) -> Int {
    let position = (price - bottom) / height
    guard position > 0 else { return 0 }  // NaN as well, which no conversion survives
    return position < Double(bins.count) ? Int(position) : bins.count - 1
  }
  let first = bin(low)
  guard high > low else {
    bins[first] += candles.volume[bar]
    return
  }
  let density = candles.volume[bar] / (high - low)
  for index in first...max(first, bin(high)) {
    let from = max(low, bottom + Double(index) * height)
    let to = min(high, bottom + Double(index + 1) * height)
    if to > from { bins[index] += density * (to - from) }
  }
}

/// The largest bin, the lowest of equal ones, and around it bins with at least 70 % of the volume: of its two
/// neighbours the larger joins, the upper of equal ones.
private func valueArea(
  _ bins: UnsafeMutableBufferPointer<Double>
) -> (control: Int, top: Int, bottom: Int) {
  var control = 0
  var total = 0.0
  for index in bins.indices {
    total += bins[index]
    if bins[index] > bins[control] { control = index }
  }
  var top = control
  var bottom = control
  var inside = bins[control]
  while inside < 0.7 * total, top < bins.count - 1 || bottom > 0 {
    let above = top < bins.count - 1 ? bins[top + 1] : -1
    let below = bottom > 0 ? bins[bottom - 1] : -1
    if above >= below {
      top += 1
      inside += above
    } else {
      bottom -= 1
      inside += below
    }
  }
  return (control, top, bottom)
}
