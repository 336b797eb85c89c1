/// 56 bytes whose every word follows from the first, so that any mixture of two records shows.
struct TestRecord: BitwiseCopyable, Sendable, Equatable {
  var index: UInt64
  var word1: UInt64
  var word2: UInt64
  var word3: UInt64
  var word4: UInt64
  var word5: UInt64
  var word6: UInt64

  init(_ index: UInt64) {
    self.index = index
    word1 = index &* 3
    word2 = ~index
    word3 = index &+ 0x0101_0101_0101_0101
    word4 = index ^ 0xAAAA_AAAA_AAAA_AAAA
    word5 = index &* 0x9E37_79B9_7F4A_7C15
    word6 = index
  }

  var isWhole: Bool { self == TestRecord(index) }
}

/// SplitMix64: repeatable numbers from a seed.
struct TestRandom: RandomNumberGenerator {
  var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
