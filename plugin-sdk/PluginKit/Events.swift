public import PluginABI

/// The events of one call, in order. Ends with the call.
@frozen public struct Events: RandomAccessCollection {
  @usableFromInline let batch: UnsafeMutablePointer<aegis_batch>

  @inlinable init(_ batch: UnsafeMutablePointer<aegis_batch>) { self.batch = batch }

  @inlinable public var startIndex: Int { 0 }
  @inlinable public var endIndex: Int { Int(batch.pointee.count) }
  @inlinable public subscript(index: Int) -> aegis_event {
    batch.pointee.events[index]
  }

  /// The event in place, without a copy.
  @inlinable public func pointer(_ index: Int) -> UnsafePointer<aegis_event> { batch.pointee.events + index }

  /// The newest moment known: the only clock there is.
  @inlinable public var nowNanoseconds: Int64 { batch.pointee.now_ns }
  /// History before the first live event: learn from it, emit nothing.
  @inlinable public var isWarmup: Bool { batch.pointee.flags & AEGIS_BATCH_WARMUP != 0 }
}

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
