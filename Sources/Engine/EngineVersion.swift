/// The engine's version, as `aegis --version` prints it and every run records it.
public enum EngineVersion {
  public static let text = "0.1.0"
}
