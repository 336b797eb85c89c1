/// Bounds of everything a tape holds.
enum TapeLimits {
  /// The stamp carries the low 32 bits of an index and the commit word counts in 31.
  static let recordsPerSegment = 1...(1 << 30)
  /// Whole words; a page is far more than any record needs.
  static let recordByteCountMax = 4096
  /// Six digits in the file name.
  static let segmentMax = 999_999
}
