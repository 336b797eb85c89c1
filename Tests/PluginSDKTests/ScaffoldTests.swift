import Foundation
import Glibc
import Testing

@testable import Engine

@Suite("Making a new plugin")
struct ScaffoldTests {
  private func refusal(
    _ name: String, _ language: String = "c", parent: String, sdk: String = Workbench.sdk,
    searchPath: String = Workbench.searchPath, builds: Bool = true
  ) -> PluginScaffoldError? {
    do throws(PluginScaffoldError) {
      _ = try PluginScaffold(
        name: name, language: language, parent: parent, sdk: sdk, executable: "/nowhere/aegis",
        builds: builds,
        searchPath: searchPath)
      return nil
    } catch {
      return error
    }
  }

  @Test(
    "refuses names that cannot be an id",
    arguments: ["", "My-plugin", "a b", "ü", "-x", "_x", "a/b", "a.b", "../x"])
  func names(name: String) throws {
    let bench = try Workbench()
    let error = try #require(refusal(name, parent: bench.folder))
    #expect(error == .name(name) && error.exitCode == 2)
    #expect(refusal(String(repeating: "a", count: 65), parent: bench.folder)?.exitCode == 2)
    #expect(refusal(String(repeating: "a", count: 64), parent: bench.folder) == nil)
  }

  @Test("derives identifiers that no language trips over")
  func identifiers() throws {
    let plain = try PluginScaffoldNames("mean-revert_2")
    #expect((plain.id, plain.snake, plain.type) == ("mean-revert_2", "mean_revert_2", "MeanRevert2"))
    for name in ["fn", "strategy", "plugin-kit", "1st", "std", "signal--writer"] {
      let names = try PluginScaffoldNames(name)
      #expect(names.id == name && names.snake.hasPrefix("my_") && names.type.hasPrefix("My"))
    }
  }

  @Test("names the languages, the missing compiler and where to get it")
  func compilers() throws {
    let bench = try Workbench()
    #expect(
      refusal("x", "perl", parent: bench.folder)?.description
        == "--lang: \"perl\" is none of swift, c, cpp, rust")
    for (language, tool, hint) in [
      ("swift", "swift", "swift.org"), ("c", "cc", "gcc"), ("cpp", "c++", "g++"),
      ("rust", "cargo", "rustup.rs"),
    ] {
      let error = try #require(refusal("x", language, parent: bench.folder, searchPath: bench.folder))
      #expect(error.exitCode == 3 && error.description.contains("needs \(tool), which is not on PATH"))
      #expect(error.description.contains(hint))
      #expect(refusal("x", language, parent: bench.folder, searchPath: bench.folder, builds: false) == nil)
    }
  }

  @Test("refuses a folder that is there and an SDK that is not, before it writes anything")
  func folders() throws {
    let bench = try Workbench()
    mkdir("\(bench.folder)/taken", 0o755)
    let taken = try #require(refusal("taken", parent: bench.folder))
    #expect(taken == .exists(path: "\(bench.folder)/taken") && taken.exitCode == 1)
    let missing = try #require(refusal("x", parent: bench.folder, sdk: "\(bench.folder)/sdk"))
    #expect(missing == .sdkMissing(looked: ["\(bench.folder)/sdk"]) && missing.exitCode == 3)
    #expect(missing.description.contains("make build"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: bench.folder) == ["taken"])
  }

  @Test("finds the SDK beside the program, in a build folder and in an installation")
  func sdkPlaces() throws {
    let bench = try Workbench()
    for (place, executable) in [
      ("build/plugin-sdk", "build/aegis"), ("opt/share/aegis/plugin-sdk", "opt/bin/aegis"),
      ("tree/plugin-sdk", "tree/.build/triple/debug/aegis"),
    ] {
      let folder = "\(bench.folder)/\(place)"
      try FileManager.default.createDirectory(atPath: "\(folder)/include", withIntermediateDirectories: true)
      for file in ["VERSION", "include/aegis_plugin.h"] {
        try FileManager.default.copyItem(atPath: "\(Workbench.sdk)/\(file)", toPath: "\(folder)/\(file)")
      }
      let found = try PluginScaffoldSDK(path: nil, executable: "\(bench.folder)/\(executable)")
      #expect(found.folder.path == folder && found.abi == "1.0" && found.version.hasPrefix("1.0."))
    }
  }

  @Test(
    "writes a copy of the SDK that says its version, for its owner alone to write",
    arguments: PluginScaffoldLanguage.allCases)
  func files(language: PluginScaffoldLanguage) throws {
    let bench = try Workbench()
    let before = umask(0)
    defer { umask(before) }
    let scaffold = try PluginScaffold(
      name: "quiet", language: language.rawValue, parent: bench.folder, sdk: Workbench.sdk,
      executable: "/nowhere/aegis", builds: false, searchPath: "")
    let report = try scaffold.write()
    #expect(!report.isBuilt && report.isValid == nil)
    #expect(report.files.contains(language.source(scaffold.names)) && report.files.contains("bars.csv"))
    let directory = report.directory
    let version = try String(contentsOfFile: "\(directory)/sdk/VERSION", encoding: .utf8)
    #expect(version.trimmingCharacters(in: .whitespacesAndNewlines) == report.sdkVersion)
    let readme = try String(contentsOfFile: "\(directory)/README.md", encoding: .utf8)
    #expect(readme.contains("plugin SDK \(report.sdkVersion) (plugin ABI \(report.abiVersion))"))
    #expect(
      FileManager.default.contentsEqual(
        atPath: "\(directory)/sdk/include/aegis_plugin.h", andPath: "\(Workbench.sdk)/include/aegis_plugin.h")
    )
    let found = FileManager.default.enumerator(atPath: directory)?.compactMap { $0 as? String } ?? []
    #expect(
      !found.contains { $0.contains("/target/") || $0.contains("/.build/") || $0.contains("templates") })
    for file in found + ["."] {
      var facts = stat()
      #expect(stat("\(directory)/\(file)", &facts) == 0 && facts.st_mode & 0o022 == 0, "\(file)")
    }
  }

  @Test("carries one version: VERSION, header and crate agree")
  func versions() throws {
    let sdk = try PluginScaffoldSDK(path: Workbench.sdk, executable: "")
    let crate = try String(contentsOfFile: "\(Workbench.sdk)/rust/aegis-plugin/Cargo.toml", encoding: .utf8)
    #expect(crate.contains("version = \"\(sdk.version)\""))
  }
}
