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

  @Test("is seen by Swift with the same layout")
  func swiftAgrees() throws {
    let golden = try Set(Self.golden())
    func expectSize<T>(_ type: T.Type, _ name: String) {
      let line = "\(name) \(MemoryLayout<T>.size) \(MemoryLayout<T>.alignment)"
      #expect(golden.contains(line), "\(line)")
      #expect(MemoryLayout<T>.size == MemoryLayout<T>.stride)
    }
    func expectField<Root, Value>(_ path: KeyPath<Root, Value>, _ name: String) throws {
      let offset = try #require(MemoryLayout<Root>.offset(of: path))
      let line = "\(name) \(offset) \(MemoryLayout<Value>.size)"
      #expect(golden.contains(line), "\(line)")
    }
    expectSize(aegis_event.self, "aegis_event")
    expectSize(aegis_signal.self, "aegis_signal")
    expectSize(aegis_batch.self, "aegis_batch")
    expectSize(aegis_value.self, "aegis_value")
    expectSize(aegis_param.self, "aegis_param")
    expectSize(aegis_param_value.self, "aegis_param_value")
    expectSize(aegis_config.self, "aegis_config")
    expectSize(aegis_host.self, "aegis_host")
    expectSize(aegis_strategy.self, "aegis_strategy")
    expectSize(aegis_descriptor.self, "aegis_descriptor")
    expectSize(aegis_entry.self, "aegis_entry")
    expectSize(aegis_info.self, "aegis_info")
    expectSize(aegis_candles.self, "aegis_candles")
    expectSize(aegis_model_info.self, "aegis_model_info")
    try expectField(\aegis_event.ts_ns, "aegis_event.ts_ns")
    try expectField(\aegis_event.u, "aegis_event.u")
    try expectField(\aegis_event.instrument, "aegis_event.instrument")
    try expectField(\aegis_event.kind, "aegis_event.kind")
    try expectField(\aegis_event.flags, "aegis_event.flags")
    try expectField(\aegis_event.seq, "aegis_event.seq")
    try expectField(\aegis_signal.cause_seq, "aegis_signal.cause_seq")
    try expectField(\aegis_signal.return_fraction, "aegis_signal.return_fraction")
    try expectField(\aegis_signal.stop_fraction, "aegis_signal.stop_fraction")
    try expectField(\aegis_signal.feature_count, "aegis_signal.feature_count")
    try expectField(\aegis_signal.tag, "aegis_signal.tag")
    try expectField(\aegis_batch.out_count, "aegis_batch.out_count")
    try expectField(\aegis_batch.feature_stride, "aegis_batch.feature_stride")
    try expectField(\aegis_descriptor.subscriptions, "aegis_descriptor.subscriptions")
    try expectField(\aegis_descriptor.features, "aegis_descriptor.features")
    try expectField(\aegis_entry.plugins, "aegis_entry.plugins")
    try expectField(\aegis_param.def, "aegis_param.def")
    try expectField(\aegis_param.choices, "aegis_param.choices")
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
