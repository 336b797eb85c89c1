/// A small deterministic generator (xoshiro256**, seeded by SplitMix64; Blackman and Vigna, 2018).
///
/// The same seed gives the same numbers on every machine and in every version: tapes and tests depend on it.
@frozen public struct SeededRandom: RandomNumberGenerator, Sendable, BitwiseCopyable {
  @usableFromInline var state: (UInt64, UInt64, UInt64, UInt64)

  @inlinable public init(seed: UInt64) {
    var mixer = seed
    func next() -> UInt64 {
      mixer &+= 0x9E37_79B9_7F4A_7C15
      var z = mixer
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
    state = (next(), next(), next(), next())
  }

  @inlinable public mutating func next() -> UInt64 {
    let result = ((state.1 &* 5) << 7 | (state.1 &* 5) >> 57) &* 9
    let shifted = state.1 << 17
    state.2 ^= state.0
    state.3 ^= state.1
    state.1 ^= state.2
    state.0 ^= state.3
    state.2 ^= shifted
    state.3 = state.3 << 45 | state.3 >> 19
    return result
  }

  /// Uniform in [0, 1) with 53 bits.
  @inlinable public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// Uniform in 0..<bound without modulo bias worth noticing (multiply-shift).
  @inlinable public mutating func below(_ bound: UInt64) -> UInt64 {
    next().multipliedFullWidth(by: bound).high
  }

  /// Approximately standard normal: the sum of twelve uniforms less six (Irwin–Hall). Only additions, so that every
  /// machine gives the same bits; tails end at ±6.
  @inlinable public mutating func normal() -> Double {
    var sum = -6.0
    for _ in 0..<12 { sum += uniform() }
    return sum
  }
}
