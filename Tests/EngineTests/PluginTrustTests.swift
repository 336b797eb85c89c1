import Engine
import Foundation
import PluginHost
import Testing

@Suite("The commands of trust and quarantine")
struct PluginTrustTests {
  private func settings(_ folder: URL) -> Settings {
    var settings = Settings()
    settings.dataDirectory = folder.appending(path: "data").path
    settings.plugins.directory = folder.path
    return settings
  }

  /// The C sample in a folder of its own.
  private func withPlugin(_ body: (_ folder: URL, _ file: String) throws -> Void) throws {
    let fixture = try BacktestFixture()
    let file = try fixture.trendFollower()
    try body(URL(filePath: fixture.folder), file)
  }

  private func failure(_ body: () throws -> String) -> PluginTrust.Failure? {
    do {
      let text = try body()
      Issue.record("succeeded: \(text)")
      return nil
    } catch {
      return error as? PluginTrust.Failure
    }
  }

  @Test("trust a file, show it, take it back by a few digits, each with its exit code")
  func trustAFile() throws {
    try withPlugin { folder, file in
      let settings = settings(folder)
      let sha256 = try PluginContent.sha256(of: file)
      #expect(try PluginTrust.list(settings, json: false).contains(sha256) == false)
      let said = try PluginTrust.change(settings, subject: file, isRevoked: false, json: false)
      #expect(said.contains(sha256) && said.contains("is trusted"))
      #expect(try PluginTrust.list(settings, json: true).contains(sha256))
      let basis = try PluginTrust.load(settings).basis(sha256: sha256, file: file, isPaper: false)
      #expect(basis == .command)
      let digits = String(sha256.prefix(12)).uppercased()
      let again = try PluginTrust.change(settings, subject: digits, isRevoked: false, json: false)
      #expect(again.contains("already"))
      _ = try PluginTrust.change(settings, subject: digits, isRevoked: true, json: false)
      #expect(try PluginTrust.load(settings).basis(sha256: sha256, file: file, isPaper: false) == nil)
      #expect(
        failure { try PluginTrust.change(settings, subject: digits, isRevoked: true, json: false) }?.exitCode
          == 3)
      #expect(
        failure { try PluginTrust.change(settings, subject: "nowhere.so", isRevoked: false, json: false) }?
          .exitCode == 3)
      // Whoever could write the file could have chosen what is trusted.
      try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: file)
      let refused = failure { try PluginTrust.change(settings, subject: file, isRevoked: false, json: false) }
      #expect(refused?.exitCode == 1 && refused?.description.contains("chmod go-w") == true)
    }
  }

  @Test("trust a folder in paper only")
  func trustAFolder() throws {
    try withPlugin { folder, file in
      let settings = settings(folder)
      _ = try PluginTrust.change(settings, folder: folder.path, isRevoked: false, json: true)
      let store = try PluginTrust.load(settings)
      let sha256 = try PluginContent.sha256(of: file)
      #expect(store.basis(sha256: sha256, file: file, isPaper: true) != nil)
      #expect(store.basis(sha256: sha256, file: file, isPaper: false) == nil)
      _ = try PluginTrust.change(settings, folder: folder.path, isRevoked: true, json: false)
      #expect(
        failure { try PluginTrust.change(settings, folder: folder.path, isRevoked: true, json: false) }?
          .exitCode == 3)
    }
  }

  @Test("release what is quarantined, and nothing else")
  func unquarantine() throws {
    try withPlugin { folder, _ in
      let settings = settings(folder)
      try FileManager.default.createDirectory(
        atPath: settings.dataDirectory, withIntermediateDirectories: true)
      let hashes = ["a", "b"].map { String(repeating: $0, count: 64) }
      try QuarantineStore.update(path: PluginTrust.quarantinePath(settings)) { store in
        for hash in hashes {
          store.add(sha256: hash, id: "x", file: "/x.so", reason: "aborted", phase: .process, seconds: 1)
        }
      }
      let said = try PluginTrust.unquarantine(
        settings, subject: String(hashes[0].prefix(20)), json: false)
      #expect(said.contains(hashes[0]) && said.contains("aborted"))
      let left = try QuarantineStore.load(path: PluginTrust.quarantinePath(settings)).records
      #expect(left.map(\.sha256) == [hashes[1]])
      #expect(
        failure { try PluginTrust.unquarantine(settings, subject: hashes[0], json: false) }?.exitCode == 3)
      #expect(failure { try PluginTrust.unquarantine(settings, subject: "abc", json: false) }?.exitCode == 2)
      _ = try PluginTrust.unquarantine(settings, subject: "all", json: true)
      #expect(try QuarantineStore.load(path: PluginTrust.quarantinePath(settings)).records.isEmpty)
    }
  }

  @Test("placement and sandbox are settings, for all plugins and for one")
  func placement() throws {
    try withPlugin { folder, _ in
      let file = folder.appending(path: "aegis.yaml")
      try """
      plugins:
        placement: isolated
        sandbox: best-effort
        load:
          - path: trend_follower
            placement: inproc
          - path: other
      """.write(to: file, atomically: true, encoding: .utf8)
      let settings = try Settings.load(Settings.Sources(file: file.path, defaultFile: nil))
      #expect(settings.plugins.placement == .isolated && settings.plugins.sandbox == .bestEffort)
      #expect(settings.plugins.load.map(\.placement) == [.inproc, nil])
      // What one process renders another reads.
      let copy = folder.appending(path: "copy.json")
      try SettingsRendering.json(settings).write(to: copy, atomically: true, encoding: .utf8)
      let read = try Settings.load(Settings.Sources(file: copy.path, defaultFile: nil))
      #expect(read.plugins == settings.plugins)
      try "plugins: {load: [{path: x, placement: elsewhere}]}".write(
        to: file, atomically: true, encoding: .utf8)
      do {
        _ = try Settings.load(Settings.Sources(file: file.path, defaultFile: nil))
        Issue.record("an unknown placement was taken")
      } catch {
        #expect("\(error)".contains("write auto, inproc or isolated"))
      }
    }
  }
}
