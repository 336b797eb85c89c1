import Foundation
import Glibc
import Testing

@testable import PluginHost

@Suite("A plugin file")
struct PluginImageTests {
  private func refusal(_ path: String, _ fixture: Fixture) -> PluginError? {
    do throws(PluginError) {
      _ = try PluginImage(path: path, cacheDirectory: fixture.cache)
      return nil
    } catch {
      return error
    }
  }

  @Test("that does not exist is named with the reason")
  func missingFile() throws {
    let fixture = try Fixture()
    let path = "\(fixture.folder)/nowhere.so"
    let error = try #require(refusal(path, fixture))
    #expect(error == .unreadable(file: path, reason: "No such file or directory"))
    #expect(error.description.contains(path) && error.description.contains("check the path"))
  }

  @Test("that is not ELF, or not complete, is not mapped")
  func notAnImage() throws {
    let fixture = try Fixture()
    let text = "\(fixture.folder)/text.so"
    try String(repeating: "not a plugin ", count: 20).write(toFile: text, atomically: true, encoding: .utf8)
    #expect(refusal(text, fixture) == .notLoadable(file: text, reason: "is not an ELF file"))
    let whole = try Data(contentsOf: URL(filePath: try fixture.trendFollowerC()))
    for byteCount in [0, 10, 63, 64, 1000, whole.count / 2, whole.count - 1] {
      let cut = "\(fixture.folder)/cut.so"
      try whole.prefix(byteCount).write(to: URL(filePath: cut))
      guard case .notLoadable = try #require(refusal(cut, fixture)) else {
        Issue.record("\(byteCount) of \(whole.count) bytes were taken for an image")
        continue
      }
    }
  }

  @Test("with damaged headers is refused and never traps", arguments: UInt64(0)..<4)
  func damagedHeaders(seed: UInt64) throws {
    let fixture = try Fixture()
    var bytes = [UInt8](try Data(contentsOf: URL(filePath: try fixture.trendFollowerC())))
    let tableOffset = Int(bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: 40, as: UInt64.self) })
    var random = SeededFixtureRandom(seed: seed)
    for _ in 0..<300 {
      var damaged = bytes
      for _ in 0..<4 {
        let inTable = random.below(2) == 0
        let position = inTable ? tableOffset + random.below(bytes.count - tableOffset) : 16 + random.below(48)
        damaged[position] = UInt8(random.below(256))
      }
      damaged.withUnsafeBytes { _ = try? ElfFile($0) }  // a refusal is as good as an answer here
    }
    bytes[0] = 0
    #expect(throws: ElfFile.Refusal.self) { try bytes.withUnsafeBytes { _ = try ElfFile($0) } }
  }

  @Test("without the symbol is told apart")
  func missingSymbol() throws {
    let fixture = try Fixture()
    let path = try fixture.compile(
      "nosymbol", "__attribute__((visibility(\"default\"))) int something(void) { return 1; }")
    #expect(refusal(path, fixture) == .missingSymbol(file: path, symbol: "aegis_plugin_v1"))
  }

  @Test("for another major names both versions, with and without the info record")
  func wrongMajor() throws {
    let fixture = try Fixture()
    let silent = try fixture.plugin("major2", abiMajor: 2)
    #expect(refusal(silent, fixture) == .wrongVersion(file: silent, found: "2.0", hosted: "1.0"))
    let record =
      "__attribute__((section(\".aegis.info\"), used, retain)) static const aegis_info info = {AEGIS_ABI_MAGIC, 3, 4, 1, 0};"
    let stated = try fixture.plugin("major3", extra: record, abiMajor: 3)
    #expect(refusal(stated, fixture) == .wrongVersion(file: stated, found: "3.4", hosted: "1.0"))
  }

  @Test("that needs a missing library says which")
  func missingLibrary() throws {
    let fixture = try Fixture()
    let library = try fixture.compile(
      "libgone", "int gone(void); __attribute__((visibility(\"default\"))) int gone(void) { return 1; }")
    let path = try fixture.compile(
      "needy",
      """
      int gone(void);
      __attribute__((visibility("default"))) const void *aegis_plugin_v1(void) { return gone() ? 0 : 0; }
      """, [library])
    try FileManager.default.removeItem(atPath: library)
    guard case .missingLibrary(let file, let reason) = try #require(refusal(path, fixture)) else {
      Issue.record("another error: \(String(describing: refusal(path, fixture)))")
      return
    }
    #expect(file == path && reason.contains("libgone.so"))
  }

  @Test("or folder that others can write to is refused with the command that helps")
  func writableByOthers() throws {
    let fixture = try Fixture()
    let path = try fixture.trendFollowerC()
    chmod(path, 0o775)
    let error = try #require(refusal(path, fixture))
    #expect(error == .writableByOthers(path: path, mode: "0775"))
    #expect(error.description.contains("chmod go-w \(path)"))
    chmod(path, 0o755)
    chmod(fixture.folder, 0o757)
    #expect(refusal(path, fixture) == .writableByOthers(path: fixture.folder, mode: "0757"))
  }

  @Test("is copied only to a private folder")
  func privateCache() throws {
    let fixture = try Fixture()
    let path = try fixture.trendFollowerC()
    mkdir(fixture.cache, 0o700)
    chmod(fixture.cache, 0o750)
    #expect(refusal(path, fixture) == .cacheUnusable(path: fixture.cache, reason: "has mode 0750"))
    chmod(fixture.cache, 0o700)
    #expect(refusal(path, fixture) == nil)
    #expect(try FileManager.default.contentsOfDirectory(atPath: fixture.cache).isEmpty, "no litter is left")
  }

  @Test("that is replaced in place gives the new code under the old path, and the old image goes on")
  func replacedInPlace() throws {
    let fixture = try Fixture()
    let path = try fixture.plugin("version_one")
    let first = try PluginImage(path: path, cacheDirectory: fixture.cache)
    let other = try fixture.plugin("version_two")
    try Fixture.run("cp", [other, path])  // truncates and rewrites the very file that was loaded
    let second = try PluginImage(path: path, cacheDirectory: fixture.cache)
    #expect(first.entry != second.entry && first.sha256 != second.sha256)
    #expect(try TrialPlugin.all(first).map(\.descriptor.id) == ["version_one"])
    #expect(try TrialPlugin.all(second).map(\.descriptor.id) == ["version_two"])
  }

  @Test("tells its language and compiler without running")
  func infoRecord() throws {
    let fixture = try Fixture()
    for (path, language) in [(try fixture.trendFollowerC(), UInt32(1)), (try fixture.trendFollower(), 3)] {
      let elf = try PluginFile(path: path).elf()
      #expect(elf.info?.language == language && elf.info?.abiMajor == 1 && elf.info?.abiMinor == 0)
      #expect((elf.info?.toolchain ?? 0) > 60000)
      #expect(elf.exports == ["aegis_plugin_v1"], "exactly one exported symbol")
    }
  }

  @Test("in C needs no Swift runtime, and both samples stay mapped")
  func sampleLinking() throws {
    let fixture = try Fixture()
    let c = try Fixture.run("readelf", ["-d", try fixture.trendFollowerC()])
    #expect(!c.contains("libswift") && c.contains("NODELETE"))
    let swift = try Fixture.run("readelf", ["-d", try fixture.trendFollower()])
    #expect(swift.contains("NODELETE"))
  }
}

/// A small generator for damage, so that a failure names its seed.
struct SeededFixtureRandom {
  private var state: UInt64
  init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 | 1 }
  mutating func below(_ bound: Int) -> Int {
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return Int(state % UInt64(bound))
  }
}
