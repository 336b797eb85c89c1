public import PluginABI

/// Where signals go. Ends with the call.
@frozen public struct SignalWriter {
  @usableFromInline let batch: UnsafeMutablePointer<aegis_batch>

  @inlinable init(_ batch: UnsafeMutablePointer<aegis_batch>) { self.batch = batch }

  /// Appends a signal. One more than there is room for makes the host refuse the whole call.
  @inlinable public func emit(_ signal: aegis_signal) {
    if batch.pointee.out_count < batch.pointee.out_capacity {
      batch.pointee.out[Int(batch.pointee.out_count)] = signal
    }
    batch.pointee.out_count &+= 1
  }

  /// Stores a feature row for learning. It is never traded and counts as no signal.
  ///
  /// - Parameter horizonNanoseconds: how far ahead the row is meant to look; > 0.
  @inlinable public func observe(
    _ event: aegis_event, horizonNanoseconds: Int64, features: borrowing Span<Float>, tag: UInt64 = 0
  ) {
    let record = aegis_signal(
      from: event, returnFraction: 0, confidence: 0, horizonNanoseconds: horizonNanoseconds,
      flags: AEGIS_SIGNAL_OBSERVATION, tag: tag)
    emit(record, features: features)
  }

  /// Says that the idea about the event's instrument is over: what it opened is closed, nothing is opened.
  @inlinable public func flat(_ event: aegis_event, tag: UInt64 = 0) {
    emit(
      aegis_signal(
        from: event, returnFraction: 0, confidence: 1, horizonNanoseconds: 1, flags: AEGIS_SIGNAL_FLAT,
        tag: tag))
  }

  /// Appends a signal with the feature row it was decided on; values beyond the schema are left out.
  @inlinable public func emit(_ signal: aegis_signal, features: borrowing Span<Float>) {
    var signal = signal
    let count = Swift.min(features.count, Int(batch.pointee.feature_stride))
    signal.feature_count = UInt16(count)
    if let rows = batch.pointee.features, batch.pointee.out_count < batch.pointee.out_capacity {
      let row = rows + Int(batch.pointee.out_count) * Int(batch.pointee.feature_stride)
      for index in 0..<count { row[index] = features[index] }
    }
    emit(signal)
  }
}

extension aegis_signal {
  /// A signal caused by `event` and decided at its time. See the header for units; NaN = the engine's default.
  @inlinable public init(
    from event: aegis_event, returnFraction: Double, confidence: Float, horizonNanoseconds: Int64,
    stopFraction: Float = .nan, targetFraction: Float = .nan, stddevFraction: Float = .nan, flags: UInt16 = 0,
    tag: UInt64 = 0
  ) {
    self.init(
      cause_seq: event.seq, ts_ns: event.ts_ns, horizon_ns: horizonNanoseconds,
      return_fraction: returnFraction,
      confidence: confidence, stddev_fraction: stddevFraction, stop_fraction: stopFraction,
      target_fraction: targetFraction, instrument: event.instrument, flags: flags, feature_count: 0, tag: tag)
  }
}
