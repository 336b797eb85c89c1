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
  /// Events since a saved state, repeated after a restart: signals are thrown away.
  @inlinable public var isReplay: Bool { batch.pointee.flags & AEGIS_BATCH_REPLAY != 0 }
}

/// An event read as what it is. The payload of a kind is there for events of that kind only.
extension aegis_event {
  /// The length of a bar's candle; nil for other events and for a length this kit does not know.
  @inlinable public var timeframe: Timeframe? {
    guard kind == AEGIS_EV_BAR else { return nil }
    return Timeframe(rawValue: UInt32(flags & AEGIS_EVENT_TIMEFRAME_MASK))
  }
  /// Every trade of the bar's interval is in it. A bar without this mark opens no position.
  @inlinable public var isComplete: Bool { flags & AEGIS_EVENT_COMPLETE != 0 }
  /// No trade happened: the prices repeat the last close.
  @inlinable public var isSynthetic: Bool { flags & AEGIS_EVENT_SYNTHETIC != 0 }
  @inlinable public var isBackfilled: Bool { flags & AEGIS_EVENT_BACKFILLED != 0 }

  @inlinable public var bar: aegis_bar? { kind == AEGIS_EV_BAR ? u.bar : nil }
  @inlinable public var quote: aegis_quote? { kind == AEGIS_EV_QUOTE ? u.quote : nil }
  @inlinable public var trade: aegis_trade? { kind == AEGIS_EV_TRADE ? u.trade : nil }
  @inlinable public var mark: aegis_mark? { kind == AEGIS_EV_MARK ? u.mark : nil }
  @inlinable public var gap: aegis_gap? { kind == AEGIS_EV_GAP ? u.gap : nil }
  @inlinable public var outcome: aegis_outcome? { kind == AEGIS_EV_OUTCOME ? u.outcome : nil }
  /// The new value of a runtime parameter, already checked by the host.
  @inlinable public var parameterChange: ParameterChange? {
    kind == AEGIS_EV_PARAM ? ParameterChange(u.param) : nil
  }
}

/// A runtime parameter's new value. A text is valid during `process` only.
@frozen public struct ParameterChange {
  @usableFromInline let raw: aegis_param_change

  @inlinable init(_ raw: aegis_param_change) { self.raw = raw }

  @inlinable public var id: UInt32 { raw.id }
  /// nil when the value has another type; the same below.
  @inlinable public var flag: Bool? { raw.value.type == AEGIS_T_BOOL ? raw.value.v.i64 != 0 : nil }
  @inlinable public var integer: Int64? { raw.value.type == AEGIS_T_I64 ? raw.value.v.i64 : nil }
  @inlinable public var number: Double? { raw.value.type == AEGIS_T_F64 ? raw.value.v.f64 : nil }
  @inlinable public var choice: Int? { raw.value.type == AEGIS_T_ENUM ? Int(raw.value.v.i64) : nil }
  public var text: String? {
    guard raw.value.type == AEGIS_T_STR, let text = raw.value.v.str else { return nil }
    return String(cString: text)
  }
}
