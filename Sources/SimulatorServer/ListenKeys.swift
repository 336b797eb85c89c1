import Market

/// The keys of the user stream: one active at a time, living an hour from its last renewal.
struct ListenKeys {
  static let lifeNanoseconds: Int64 = 3_600_000_000_000

  private(set) var active: String?
  private var expiry = Instant.never
  private var random: SeededRandom

  init(seed: UInt64) { random = SeededRandom(seed: seed ^ 0x11_57E4) }

  /// The active key with renewed life, or a new one.
  mutating func obtain(now: Instant) -> String {
    let key = active ?? newKey()
    active = key
    expiry = now.advanced(byNanoseconds: Self.lifeNanoseconds)
    return key
  }

  /// Renews the active key.
  /// - Returns: nil when there is none any more (-1125).
  mutating func renew(now: Instant) -> String? {
    guard active != nil else { return nil }
    return obtain(now: now)
  }

  /// Ends the active key.
  mutating func end() -> String? {
    defer { active = nil }
    return active
  }

  /// The key that has just run out, once.
  mutating func expired(now: Instant) -> String? {
    guard active != nil, now >= expiry else { return nil }
    return end()
  }

  private mutating func newKey() -> String {
    let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)
    let bytes = (0..<64).map { _ in letters[Int(random.below(UInt64(letters.count)))] }
    return String(decoding: bytes, as: UTF8.self)
  }
}
