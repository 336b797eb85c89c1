import Foundation
import Glibc

/// Asks the running engine to change its plugins, and reads along.
public enum PluginControl {
  public enum Failure: Error, CustomStringConvertible, Equatable {
    case notRunning(dataDirectory: String)
    case cannotAsk(path: String, reason: String)
    case noAnswer(seconds: Int)

    public var description: String {
      switch self {
      case .notRunning(let directory):
        "no engine is running on \(directory); start `aegis run`, or name its --data-dir"
      case .cannotAsk(let path, let reason): "\(path): \(reason)"
      case .noAnswer(let seconds):
        "the engine has not answered for \(seconds) s; `aegis status` says how it is"
      }
    }
  }

  /// Silence after which nobody is waited for any longer. A long shadow is one silence.
  private static let silenceSeconds = 30

  /// - Parameter step: called with every line as it comes.
  /// - Returns: whether all went well.
  public static func ask(
    _ settings: Settings, _ action: PluginRequest.Action, plugins: [String], isFresh: Bool = false,
    isForced: Bool = false, step: (PluginStep) -> Void
  ) async throws(Failure) -> Bool {
    let addressPath = settings.apiAddressPath
    // What cannot be read as an address is none of ours: nothing is running then.
    guard let data = FileManager.default.contents(atPath: addressPath),
      let address = try? JSONDecoder().decode(HealthAPIClient.Address.self, from: data),
      kill(address.pid, 0) == 0
    else { throw .notRunning(dataDirectory: settings.dataDirectory) }
    let folder = URL(filePath: addressPath).deletingLastPathComponent()
    let files = PluginRequestFiles(runtimeFolder: folder)
    let request = PluginRequest(
      id: "\(getpid())-\(Clock.monotonicNanoseconds())", action: action, plugins: plugins, isFresh: isFresh,
      isForced: isForced)
    do { try files.put(request) } catch {
      throw .cannotAsk(path: folder.path, reason: error.localizedDescription)
    }
    defer { files.removeAnswer(request.id) }
    guard kill(address.pid, SIGHUP) == 0 else { throw .notRunning(dataDirectory: settings.dataDirectory) }
    return try await follow(request.id, files, patience: silenceSeconds + settings.reload.shadowSeconds, step)
  }

  private static func follow(
    _ id: String, _ files: PluginRequestFiles, patience: Int, _ step: (PluginStep) -> Void
  ) async throws(Failure) -> Bool {
    var told = 0
    var deadline = Clock.monotonicNanoseconds() + Int64(patience) * 1_000_000_000
    while Clock.monotonicNanoseconds() < deadline {
      let steps = files.steps(of: id)
      for line in steps.dropFirst(told) {
        if line.step == "done" { return !line.isFailure }
        step(line)
      }
      if steps.count > told { deadline = Clock.monotonicNanoseconds() + Int64(patience) * 1_000_000_000 }
      told = steps.count
      do { try await Task.sleep(nanoseconds: 20_000_000) } catch { break }
    }
    throw .noAnswer(seconds: patience)
  }
}
