import Foundation
import Glibc
import Logging
import Market
import PluginHost
import Simulator
import Trading

extension Settings {
  /// What a paper account starts with.
  var openingBalance: Quote { Quote(e8: 10_000 * FixedPoint.one) }

  /// The exchange inside the Brain on paper: the desk's own fee and leverage, so that its cost gate tells the truth.
  var paperExchange: SimulatedExchangeSettings {
    SimulatedExchangeSettings(
      startingBalance: openingBalance, takerFeeE8: desk.takerFeeE8, defaultLeverage: Int64(desk.leverage))
  }

  /// Where a plugin's file is: a path as it stands; a bare name `x` is `x`, `x.so` or `libx.so` in the plugin
  /// directory, the first that exists.
  public func pluginPath(_ name: String) -> String {
    if name.contains("/") { return name }
    let folder = plugins.directory ?? Self.bundledPluginDirectory
    let candidates = [name, "\(name).so", "lib\(name).so"].map { "\(folder)/\($0)" }
    return candidates.first { access($0, F_OK) == 0 } ?? candidates[1]
  }

  /// `plugins` beside the executable.
  public static var bundledPluginDirectory: String {
    URL(filePath: CommandLine.executablePath).deletingLastPathComponent().appending(path: "plugins").path
  }

  /// The slim program in which plugins are looked at, beside the executable.
  public static var pluginHostPath: String {
    URL(filePath: CommandLine.executablePath).deletingLastPathComponent().appending(path: "aegis-plugin-host")
      .path
  }
}

extension CommandLine {
  /// This program's own file, links resolved.
  public static var executablePath: String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count - 1)
    guard count > 0 else { return arguments.first ?? "aegis" }
    return String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
  }
}

extension PluginLogLevel {
  var loggerLevel: Logger.Level {
    switch self {
    case .debug: .debug
    case .info: .info
    case .warning: .warning
    case .error: .error
    }
  }
}
