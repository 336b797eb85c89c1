import Foundation
import Glibc
import Testing

@testable import PluginHost

private let hashA = String(repeating: "a1", count: 32)
private let hashB = String(repeating: "b2", count: 32)

@Suite("Trust in a plugin")
struct TrustStoreTests {
  private func placement(
    _ store: TrustStore, _ hash: String, file: String = "/nowhere/x.so", isPaper: Bool = true,
    setting: PlacementSetting = .auto
  ) throws -> PluginPlacement {
    try store.placement(sha256: hash, id: "x", file: file, isPaper: isPaper, setting: setting)
  }

  @Test("decides where it runs and whether its signals count")
  func placements() throws {
    var store = TrustStore()
    store.trust(sha256: hashA, id: "x", seconds: 1, how: "test")
    let trusted = try placement(store, hashA)
    #expect(!trusted.isIsolated && !trusted.feedsLedgerOnly)
    let isolated = try placement(store, hashA, setting: .isolated)
    #expect(isolated.isIsolated && !isolated.feedsLedgerOnly)
    for setting in [PlacementSetting.auto, .isolated] {
      let unknown = try placement(store, hashB, setting: setting)
      #expect(unknown.isIsolated && unknown.feedsLedgerOnly)
      #expect(unknown.reason.contains("aegis plugins trust \(hashB)"))
    }
    do {
      _ = try placement(store, hashB, setting: .inproc)
      Issue.record("an untrusted plugin was let in")
    } catch {
      #expect("\(error)".contains("aegis plugins trust \(hashB)"))
    }
  }

  @Test("is lost with one changed byte, and a reload says so and names the command")
  func reload() throws {
    var store = TrustStore()
    store.trust(sha256: hashA, id: "x", seconds: 1, how: "test")
    #expect(throws: TrustRefusal.changed(id: "x", file: "/x.so", sha256: hashB)) {
      try store.admitReload(id: "x", file: "/x.so", from: hashA, to: hashB, isPaper: true)
    }
    // Nothing to lose: it was not trusted before either.
    try store.admitReload(
      id: "x", file: "/x.so", from: hashB, to: String(repeating: "c3", count: 32), isPaper: true)
    store.trust(sha256: hashB, id: "x", seconds: 2, how: "test")
    try store.admitReload(id: "x", file: "/x.so", from: hashA, to: hashB, isPaper: true)
    let revoked = (store.revoke(sha256: hashB), store.revoke(sha256: hashB))
    #expect(revoked == (true, false))
    #expect(try placement(store, hashB).feedsLedgerOnly)
  }

  @Test("in a folder counts in paper only, follows links, and ends with the folder's name")
  func folders() throws {
    let fixture = try Fixture()
    let manager = FileManager.default
    for name in ["own", "own-not", "own/deep"] {
      try manager.createDirectory(
        atPath: "\(fixture.folder)/\(name)", withIntermediateDirectories: true,
        attributes: [.posixPermissions: 0o755])
    }
    for name in ["own/a.so", "own/deep/b.so", "own-not/c.so"] {
      try "x".write(toFile: "\(fixture.folder)/\(name)", atomically: true, encoding: .utf8)
    }
    try manager.createSymbolicLink(
      atPath: "\(fixture.folder)/own/out.so", withDestinationPath: "\(fixture.folder)/own-not/c.so")
    var store = TrustStore()
    _ = try store.trust(folder: "\(fixture.folder)/own/../own/", seconds: 1)
    func isTrusted(_ name: String, isPaper: Bool = true) -> Bool {
      store.basis(sha256: hashB, file: "\(fixture.folder)/\(name)", isPaper: isPaper) != nil
    }
    #expect(isTrusted("own/a.so") && isTrusted("own/deep/b.so"))
    #expect(!isTrusted("own-not/c.so") && !isTrusted("own/out.so") && !isTrusted("own/missing.so"))
    #expect(!isTrusted("own/a.so", isPaper: false))
    let isRevoked = store.revoke(folder: "\(fixture.folder)/own")
    #expect(isRevoked)
    #expect(!isTrusted("own/a.so"))
  }

  @Test("is not given to a folder that others can write to")
  func openFolder() throws {
    let fixture = try Fixture()
    chmod(fixture.folder, 0o777)
    var store = TrustStore()
    let error = #expect(throws: StoreFileError.self) {
      _ = try store.trust(folder: fixture.folder, seconds: 1)
    }
    #expect(error?.description.contains("chmod go-w") == true)
    chmod(fixture.folder, 0o700)
  }

  @Test("survives in its file, readable by its owner only, whatever words it holds")
  func file() throws {
    let fixture = try Fixture()
    let path = "\(fixture.folder)/trust.json"
    try TrustStore.update(path: path) { store throws(StoreFileError) in
      store.trust(sha256: hashA, id: "x", seconds: 5, how: "a \"quoted\"\nline, with \\ and ]")
      _ = try store.trust(folder: fixture.folder, seconds: 6)
    }
    let store = try TrustStore.load(path: path)
    #expect(store.plugins.map(\.sha256) == [hashA])
    #expect(store.plugins[0].how == "a \"quoted\"\nline, with \\ and ]")
    #expect(store.folders.count == 1 && store.damagedLines.isEmpty)
    var status = stat()
    #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
    #expect(
      (try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: path))) as? [Any])?.count == 2)

    chmod(path, 0o666)
    #expect(throws: StoreFileError.self) { _ = try TrustStore.load(path: path) }
  }

  @Test("with a torn file is what can be read of it, and says which lines are lost")
  func tornFile() throws {
    let fixture = try Fixture()
    let path = "\(fixture.folder)/trust.json"
    try TrustStore.update(path: path) { store in
      store.trust(sha256: hashA, id: "x", seconds: 5, how: "t")
      store.trust(sha256: hashB, id: "y", seconds: 5, how: "t")
    }
    let whole = try Data(contentsOf: URL(filePath: path))
    for byteCount in 0..<whole.count {
      try whole.prefix(byteCount).write(to: URL(filePath: path))
      chmod(path, 0o600)
      let store = try TrustStore.load(path: path)
      #expect(Set(store.plugins.map(\.sha256)).isSubset(of: [hashA, hashB]))
    }
    #expect(StoreFile.parse("[\n{\"a\":\"b\"},\nnonsense\n{\"c\":").damagedLines == [3, 4])
  }

  @Test("comes with what was built beside the engine")
  func bundled() throws {
    let fixture = try Fixture()
    try "\(hashA)  liba.so\nnot a hash  b.so\n\(hashB) *libb.so\n".write(
      toFile: "\(fixture.folder)/trusted.sha256", atomically: true, encoding: .utf8)
    chmod("\(fixture.folder)/trusted.sha256", 0o644)
    let store = try TrustStore.load(
      path: "\(fixture.folder)/trust.json", bundledFolders: [fixture.folder, "/nowhere"])
    #expect(store.bundled == [hashA, hashB])
    #expect(store.basis(sha256: hashA, file: "/x.so", isPaper: false) == .bundled)
    chmod("\(fixture.folder)/trusted.sha256", 0o666)
    #expect(throws: StoreFileError.self) {
      _ = try TrustStore.load(path: "\(fixture.folder)/trust.json", bundledFolders: [fixture.folder])
    }
  }

  @Test("names a content by at least twelve digits")
  func prefixes() {
    #expect(TrustStore.isHash(hashA) && !TrustStore.isHash(hashA.uppercased()) && !TrustStore.isHash("a1"))
    #expect(TrustStore.isPrefix("a1a1a1a1a1a1") && !TrustStore.isPrefix("a1a1a1a1a1a"))
    #expect(!TrustStore.isPrefix("a1a1a1a1a1ag"))
  }
}
