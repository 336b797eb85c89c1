/// Mean of `values[from..<from + count]`, summed anew so that no error is carried along.
func mean(_ values: Numbers, _ from: Int, _ count: Int) -> Double {
  var sum = 0.0
  for index in from..<(from + count) { sum += values[index] }
  return sum / Double(count)
}

func sma(_ values: Numbers?, _ count: Int64, _ period: Int64, _ out: Column?) {
  guard let values, let out, let period = usable(period, Int(count)) else { return }
  for index in (period - 1)..<Int(count) { out[index] = mean(values, index - period + 1, period) }
}

func ema(_ values: Numbers?, _ count: Int64, _ period: Int64, _ out: Column?) {
  guard let values, let out, let period = usable(period, Int(count)) else { return }
  exponential(values, seed: 0, period: period, end: Int(count), into: out)
}

/// EMA whose first value, at `seed + period - 1`, is the mean of the `period` values from `seed` on.
func exponential(_ values: Numbers, seed: Int, period: Int, end: Int, into out: Column) {
  var average = mean(values, seed, period)
  let weight = 2 / Double(period + 1)
  out[seed + period - 1] = average
  for index in (seed + period)..<max(end, seed + period) {
    average += weight * (values[index] - average)
    out[index] = average
  }
}

func wma(_ values: Numbers?, _ count: Int64, _ period: Int64, _ out: Column?) {
  guard let values, let out, let period = usable(period, Int(count)) else { return }
  let weights = Double(period) * Double(period + 1) / 2
  for index in (period - 1)..<Int(count) {
    var sum = 0.0
    for step in 1...period { sum += Double(step) * values[index - period + step] }
    out[index] = sum / weights
  }
}

/// Both averages are seeded at the bar where the slow one becomes valid; all three columns begin with the signal.
func macd(
  _ values: Numbers?, _ count: Int64, _ fast: Int64, _ slow: Int64, _ signal: Int64, _ line: Column?,
  _ signalLine: Column?, _ histogram: Column?
) {
  let count = Int(count)
  guard let values, let line, let signalLine, let histogram, let fast = usable(min(fast, slow), count),
    let slow = usable(max(Int64(fast), slow), count), let signal = usable(signal, count),
    slow + signal - 1 <= count
  else { return }
  let first = slow - 1
  let scratch = UnsafeMutableBufferPointer<Double>.allocate(capacity: 2 * count)
  defer { scratch.deallocate() }
  scratch.initialize(repeating: 0)
  guard let quick = scratch.baseAddress else { return }
  let difference = quick + count
  exponential(values, seed: 0, period: slow, end: count, into: difference)
  exponential(values, seed: slow - fast, period: fast, end: count, into: quick)
  for index in first..<count { difference[index] = quick[index] - difference[index] }
  exponential(difference, seed: first, period: signal, end: count, into: signalLine)
  for index in (first + signal - 1)..<count {
    line[index] = difference[index]
    histogram[index] = difference[index] - signalLine[index]
  }
}

func stddev(_ values: Numbers?, _ count: Int64, _ period: Int64, _ out: Column?) {
  guard let values, let out, let period = usable(period, Int(count)) else { return }
  for index in (period - 1)..<Int(count) {
    out[index] = deviation(values, index - period + 1, period).deviation
  }
}

func bollinger(
  _ values: Numbers?, _ count: Int64, _ period: Int64, _ deviations: Double, _ upper: Column?,
  _ middle: Column?, _ lower: Column?
) {
  guard let values, let upper, let middle, let lower, let period = usable(period, Int(count)) else { return }
  for index in (period - 1)..<Int(count) {
    let window = deviation(values, index - period + 1, period)
    upper[index] = window.mean + deviations * window.deviation
    middle[index] = window.mean
    lower[index] = window.mean - deviations * window.deviation
  }
}

/// Mean and population standard deviation in two passes over the window: a running sum of squares would lose the
/// digits that matter at prices of 100,000.
func deviation(_ values: Numbers, _ from: Int, _ count: Int) -> (mean: Double, deviation: Double) {
  let centre = mean(values, from, count)
  var squares = 0.0
  for index in from..<(from + count) { squares += (values[index] - centre) * (values[index] - centre) }
  return (centre, (squares / Double(count)).squareRoot())
}
