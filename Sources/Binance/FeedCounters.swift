/// What the feed has done since it started. Plain numbers, copied to the counter page once a second.
public struct FeedCounters: Sendable, BitwiseCopyable, Equatable {
  /// Whole messages and the bytes they came in.
  public var frames: UInt64 = 0
  public var bytes: UInt64 = 0
  /// Published market facts (not gap marks or stream states).
  public var events: UInt64 = 0
  /// Well-formed messages that are not ours.
  public var ignored: UInt64 = 0
  public var malformed: UInt64 = 0
  /// What the firewall kept out, together and by `FirewallRejection.rawValue`.
  public var rejected: UInt64 = 0
  public var rejections = SIMD8<UInt64>(repeating: 0)
  /// Published, but marked as not to be traded on.
  public var quarantined: UInt64 = 0
  /// Messages only the scanner's general path could read; rising means that the exchange changed its payload.
  public var fallbacks: UInt64 = 0
  /// Gap marks, and trades known to be missing.
  public var gaps: UInt64 = 0
  public var missingTrades: UInt64 = 0
  public var connects: UInt64 = 0
  public var connectFailures: UInt64 = 0
  public var disconnects: UInt64 = 0
  public var resubscriptions: UInt64 = 0
  public var rotations: UInt64 = 0
  /// Connections closed by us: broken framing, too many bad frames, silence.
  public var closedForCause: UInt64 = 0
  /// Now, not since the start: connections that are up, instruments that are live and stale.
  public var connectionsOpen: UInt64 = 0
  public var instrumentsLive: UInt64 = 0
  public var instrumentsStale: UInt64 = 0

  public init() {}
}
