/// The content of plugin files, without running any of it.
public enum PluginContent {
  /// The SHA-256 of a file that passes the checks of every plugin file: owner, mode, folder, format.
  ///
  /// - Throws: `PluginError` naming the file and the fix.   [control]
  public static func sha256(of path: String) throws(PluginError) -> String {
    let file = try PluginFile(path: path)
    _ = try file.elf()
    return file.sha256()
  }
}
