import Foundation
import PluginABI
import Testing

@Suite("The ABI header")
struct HeaderLayoutTests {
  private static let strict = [
    "-Wall", "-Wextra", "-pedantic", "-Werror", "-I", "\(Fixture.root)/plugin-sdk/include",
  ]

  private static func golden() throws -> [String] {
    try String(contentsOfFile: "\(Fixture.root)/plugin-sdk/abi/v1.0/layout.txt", encoding: .utf8)
      .split(separator: "\n").map(String.init)
  }

  @Test(
    "lays out every structure as frozen for 1.0",
    arguments: [["cc", "-std=c11"], ["c++", "-x", "c++", "-std=c++17"]])
  func layoutIsFrozen(compiler: [String]) throws {
    let fixture = try Fixture()
    let program = "\(fixture.folder)/layout"
    try Fixture.run(
      compiler[0],
      compiler.dropFirst() + Self.strict + ["-o", program, "\(Fixture.root)/plugin-sdk/abi/layout.c"])
    let lines = try Fixture.run(program, []).split(separator: "\n").map(String.init)
    let golden = try Self.golden()
    #expect(golden.count > 150, "the golden file lists every field")
    // Later minors may add lines; the frozen ones must all be there, unchanged and in their order.
    var position = 0
    for line in golden {
      let found = lines[position...].firstIndex(of: line)
      #expect(found != nil, "\(line) changed or moved")
      position = found.map { $0 + 1 } ?? position
    }
  }

  @Test("has the sizes that are promised for the whole major")
  func recordsAreOneCacheLine() throws {
    let golden = try Self.golden()
    for line in [
      "aegis_event 64 8", "aegis_signal 64 8", "aegis_batch 64 8", "aegis_value 16 8", "aegis_param 88 8",
      "aegis_param_value 24 8", "aegis_config 56 8", "aegis_host 48 8", "aegis_instance 8 8",
      "aegis_strategy 64 8",
      "aegis_entry 56 8", "aegis_error 256 4", "aegis_ext_state 24 8", "aegis_ext_model 32 8",
      "aegis_model_info 80 8",
      "aegis_feature 48 8", "aegis_ext_functions 16 8", "aegis_function 40 8", "aegis_info 16 4",
      "aegis_event.instrument 48 4", "aegis_event.kind 52 2", "aegis_event.flags 54 2",
      "aegis_event.seq 56 8",
      "aegis_signal.return_fraction 24 8", "aegis_signal.confidence 32 4", "aegis_signal.instrument 48 4",
      "aegis_signal.tag 56 8", "aegis_batch.out 32 8", "aegis_batch.features 48 8",
      "aegis_descriptor.user 104 8",
    ] {
      #expect(golden.contains(line), "\(line)")
    }
  }

  @Test(
    "still says what the frozen copy of 1.0 says",
    arguments: [["cc", "-std=c11"], ["c++", "-x", "c++", "-std=c++17"]])
  func frozenCopyAgrees(compiler: [String]) throws {
    let fixture = try Fixture()
    let program = "\(fixture.folder)/frozen"
    // The frozen header comes first on the path, so this is the layout as it was released.
    try Fixture.run(
      compiler[0],
      compiler.dropFirst() + ["-I", "\(Fixture.root)/plugin-sdk/abi/v1.0", "-o", program]
        + ["\(Fixture.root)/plugin-sdk/abi/layout.c"])
    let lines = try Fixture.run(program, []).split(separator: "\n").map(String.init)
    #expect(lines == (try Self.golden()))
  }

  @Test("gives Swift typed constants")
  func constantsAreTyped() {
    let status: aegis_status = AEGIS_E_OVERFLOW
    let kind: UInt16 = AEGIS_EV_TRADE
    let capability: UInt64 = AEGIS_CAP_RT_SAFE
    let type: UInt32 = AEGIS_T_ENUM
    #expect(status == -6 && kind == 3 && capability == 0x40 && type == 5)
  }
}
