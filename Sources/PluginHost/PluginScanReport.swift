/// What a file in a plugin folder turned out to be.
public struct PluginScanReport: Sendable, Hashable {
  public enum State: String, Sendable {
    case ok
    /// Not a plugin: no `aegis_plugin_v1`, or not a shared object at all.
    case ignored
    /// A library it needs is missing.
    case unresolved
    /// Made for another ABI.
    case incompatible
    /// The file or its folder can be changed by others.
    case refused
    /// It breaks the header's rules, crashed the scanner or took too long.
    case failed
    /// Nobody looked further than at the bytes of the file.
    case notScanned = "not scanned"
  }

  public var file: String
  public var state: State
  /// Empty when not known.
  public var id = ""
  public var version = ""
  public var kind = ""
  public var abi = ""
  public var language = ""
  public var toolchain = ""
  public var sha256 = ""
  /// Why, when the state is not ok.
  public var reason = ""

  init(file: String, state: State, reason: String = "") {
    self.file = file
    self.state = state
    self.reason = reason
  }

  init(file: String, _ error: PluginError) {
    let state: State =
      switch error {
      case .missingSymbol, .notLoadable, .tooLarge: .ignored
      case .missingLibrary: .unresolved
      case .wrongVersion: .incompatible
      case .writableByOthers, .wrongOwner, .unreadable: .refused
      case .linkerRefused, .malformed, .unknownPlugin, .alreadyLoaded, .unknownParameter, .badParameter,
        .createFailed, .cacheUnusable, .limit, .stateRefused, .unfit, .scannerFailed, .isolated:
        .failed
      }
    self.init(file: file, state: state, reason: error.description)
  }

  /// One line of JSON, all values strings.
  public var json: String {
    FlatJSON.text([
      ("file", file), ("state", state.rawValue), ("id", id), ("version", version), ("kind", kind),
      ("abi", abi),
      ("language", language), ("toolchain", toolchain), ("sha256", sha256), ("reason", reason),
    ])
  }

  /// - Returns: nil for anything but what `json` gives.
  public init?(json line: some StringProtocol) {
    guard let fields = FlatJSON.parse(line) else { return nil }
    self.init(fields)
  }

  init?(_ fields: [String: String]) {
    guard let file = fields["file"], let state = fields["state"].flatMap(State.init(rawValue:)) else {
      return nil
    }
    self.init(file: file, state: state, reason: fields["reason"] ?? "")
    id = fields["id"] ?? ""
    version = fields["version"] ?? ""
    kind = fields["kind"] ?? ""
    abi = fields["abi"] ?? ""
    language = fields["language"] ?? ""
    toolchain = fields["toolchain"] ?? ""
    sha256 = fields["sha256"] ?? ""
  }
}
