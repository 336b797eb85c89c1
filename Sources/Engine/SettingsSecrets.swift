public import BinanceWire

extension Secret {
  /// Compares every byte whatever the first difference is, so that the time taken tells nothing but the length.
  public func matches(_ text: String) -> Bool {
    let mine = exposed.utf8
    let other = text.utf8
    guard other.count == mine.count else { return false }
    var difference: UInt8 = 0
    for (left, right) in zip(mine, other) { difference |= left ^ right }
    return difference == 0
  }
}

/// What signs orders. It comes from the environment only, never from a file or a flag, and is not part of `Settings`,
/// so that no child process finds it in one.
public struct Credentials: Sendable {
  public var apiKey: Secret
  public var apiSecret: Secret

  public static let keyName = "BINANCE_API_KEY"
  public static let secretName = "BINANCE_API_SECRET"

  public init(apiKey: Secret, apiSecret: Secret) {
    self.apiKey = apiKey
    self.apiSecret = apiSecret
  }

  /// - Returns: nil when neither is set.
  /// - Throws: when only one of them is set, or a value holds what no key can.
  public init?(environment: [String: String]) throws(SettingsError) {
    func value(_ name: String) -> String? {
      guard let text = environment[name], !text.isEmpty else { return nil }
      return text
    }
    let key = value(Self.keyName)
    let secret = value(Self.secretName)
    var problems: [SettingsProblem] = []
    for (name, text) in [(Self.keyName, key), (Self.secretName, secret)] {
      if let text, !text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) {
        problems.append(
          SettingsProblem(
            source: "environment", key: name, what: "holds a space or a character no key has",
            fix: "copy it again, without quotes or line breaks"))
      }
    }
    if (key == nil) != (secret == nil) {
      problems.append(
        SettingsProblem(
          source: "environment", key: key == nil ? Self.keyName : Self.secretName, what: "is not set",
          fix: "set \(Self.keyName) and \(Self.secretName) together, or neither"))
    }
    guard problems.isEmpty else { throw SettingsError(problems) }
    guard let key, let secret else { return nil }
    self.init(apiKey: Secret(key), apiSecret: Secret(secret))
  }
}
