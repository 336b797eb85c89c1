import Foundation
import Testing

@testable import Engine

@Suite("The Rust crate")
struct RustKitTests {
  @Test("passes its own tests: frozen layout, the wall against panics, state, functions, older hosts")
  func ownTests() throws {
    if let tool = PluginScaffoldLanguage.rust.missingTool(searchPath: Workbench.searchPath) {
      try Test.cancel("the Rust crate is not tested: \(tool.name) is not on PATH; \(tool.hint)")
    }
    let bench = try Workbench()
    let output = try Workbench.run(
      "cargo",
      [
        "test", "--offline", "--manifest-path", "\(Workbench.sdk)/rust/aegis-plugin/Cargo.toml",
        "--target-dir",
        "\(bench.folder)/target",
      ])
    #expect(output.contains("every_structure_lies_as_frozen ... ok"))
    #expect(output.contains("an_error_and_a_panic_become_a_status_and_its_text ... ok"))
    #expect(!output.contains("warning:"), "\(output)")
  }
}
