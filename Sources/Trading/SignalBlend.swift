public import Market

/// The latest word of every plugin per instrument, weighed into one idea. [decision-thread]
///
/// With one unexpired signal the idea is that signal, unchanged. With more:
/// return = Σ c·r ÷ Σ c; confidence = (Σ c² of those that agree with the sign − Σ c² of the others) ÷ Σ c, not below
/// 0; stop and target are the means of the agreeing ones that named them, weighted by c; the idea ends with the
/// first that ends. Observations are never blended.
public struct SignalBlend: ~Copyable, Sendable {
  /// Plugins one instrument listens to at most.
  public static let pluginsMax = 16
  /// Stands as plugin of an idea that more than one contributed to.
  public static let blendedPlugin: UInt16 = 0x0FFF

  struct Held: BitwiseCopyable {
    var signal: Signal
    var isHeld = false
  }

  private let held: FixedBlock<Held>
  private let pluginCount: Int
  private let instrumentCount: Int

  /// - Precondition: 1…16 plugins; signals carry indices below `pluginCount`.
  public init(instrumentCount: Int, pluginCount: Int = SignalBlend.pluginsMax) {
    precondition((1...Self.pluginsMax).contains(pluginCount), "1 to \(Self.pluginsMax) plugins")
    self.instrumentCount = instrumentCount
    self.pluginCount = pluginCount
    let nothing = Signal(
      causeSequence: 0, time: .never, horizonNanoseconds: 0, returnFraction: 0, confidence: 0,
      instrument: .none)
    held = FixedBlock(repeating: Held(signal: nothing), count: instrumentCount * pluginCount)
  }

  /// Takes a plugin's signal and gives the instrument's idea as of now.
  ///
  /// `.flat` withdraws that plugin's signal: the idea of the others remains, and without others the flat signal itself
  /// is passed on, to close what it opened.
  /// - Returns: nil for observations and for signals of an unknown instrument or plugin.
  public mutating func absorb(_ signal: Signal, now: Instant) -> Signal? {
    let instrument = Int(signal.instrument.index)
    let plugin = Int(signal.plugin)
    guard instrument < instrumentCount, plugin < pluginCount, !signal.flags.contains(.observation) else {
      return nil
    }
    let row = held.base + instrument * pluginCount
    row[plugin] = Held(signal: signal, isHeld: !signal.flags.contains(.flat))
    return idea(row, now: now, cause: signal)
  }

  /// Forgets what a plugin said: it was removed or quarantined.
  public mutating func forget(plugin: UInt16) {
    guard Int(plugin) < pluginCount else { return }
    for instrument in 0..<instrumentCount { held.base[instrument * pluginCount + Int(plugin)].isHeld = false }
  }

  private func idea(_ row: UnsafeMutablePointer<Held>, now: Instant, cause: Signal) -> Signal {
    var count = 0
    var single = 0
    var weight = 0.0
    var sum = 0.0
    var end = Int64.max
    for plugin in 0..<pluginCount where row[plugin].isHeld {
      let signal = row[plugin].signal
      guard signal.expiry >= now else {
        row[plugin].isHeld = false
        continue
      }
      count += 1
      single = plugin
      let confidence = Double(max(signal.confidence, 0))
      weight += confidence
      sum += confidence * signal.returnFraction
      end = min(end, signal.expiry.nanoseconds)
    }
    if count == 0 { return cause }
    if count == 1 { return row[single].signal }
    var idea = cause
    idea.plugin = Self.blendedPlugin
    idea.flags = []
    idea.tag = 0
    idea.horizonNanoseconds = end - cause.time.nanoseconds
    idea.returnFraction = weight > 0 ? sum / weight : 0
    idea.deviationFraction = .nan
    var agreement = 0.0
    var stop = (sum: 0.0, weight: 0.0)
    var target = (sum: 0.0, weight: 0.0)
    for plugin in 0..<pluginCount where row[plugin].isHeld {
      let signal = row[plugin].signal
      let confidence = Double(max(signal.confidence, 0))
      guard signal.returnFraction != 0, signal.side == idea.side else {
        agreement -= confidence * confidence
        continue
      }
      agreement += confidence * confidence
      if !signal.stopFraction.isNaN {
        stop = (stop.sum + confidence * Double(signal.stopFraction), stop.weight + confidence)
      }
      if !signal.targetFraction.isNaN {
        target = (target.sum + confidence * Double(signal.targetFraction), target.weight + confidence)
      }
    }
    idea.confidence = weight > 0 ? Float(min(max(agreement / weight, 0), 1)) : 0
    idea.stopFraction = stop.weight > 0 ? Float(stop.sum / stop.weight) : .nan
    idea.targetFraction = target.weight > 0 ? Float(target.sum / target.weight) : .nan
    return idea
  }
}
