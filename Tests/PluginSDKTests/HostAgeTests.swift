import Foundation
import Glibc
import PluginABI
import Testing

@testable import Engine

/// Plugins driven by hand, through a host that is older or newer than the header they were built with.
@Suite("A plugin in a host of another time")
struct HostAgeTests {
  /// A host of an imagined time before `log` and `get_extension` were appended: its table ends earlier, and what lies
  /// behind it would crash whoever calls it.
  private static func olderHost(byteCount: Int) -> UnsafeMutableRawPointer {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: 256, alignment: 16)
    memory.initializeMemory(as: UInt8.self, repeating: 0xAB, count: 256)
    memory.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    memory.storeBytes(of: UInt32(byteCount), as: UInt32.self)
    return memory
  }

  /// A live minute bar, an event kind that nobody knows yet, and another bar: what a newer host may send.
  private static func events() -> [aegis_event] {
    (0..<200).map { index in
      var event = aegis_event()
      event.ts_ns = Int64(index) * 60_000_000_000
      event.seq = UInt64(index + 1)
      guard index % 3 != 1 else {
        event.kind = 4711
        event.flags = 0xFFFF
        event.u.raw = (.max, .max, .max, .max, .max)
        return event
      }
      event.kind = AEGIS_EV_BAR
      event.flags = AEGIS_EVENT_COMPLETE | 0x8000
      let price = 100 + Double(index)
      event.u.bar = aegis_bar(open: price, high: price, low: price, close: price, volume: 1)
      return event
    }
  }

  private func signalCount(of path: String, host: UnsafeMutableRawPointer) throws -> Int {
    let image = try #require(dlopen(path, RTLD_NOW | RTLD_LOCAL), "\(String(cString: dlerror()))")
    let symbol = try #require(dlsym(image, "aegis_plugin_v1"))
    let function = unsafeBitCast(
      symbol, to: (@convention(c) () -> UnsafePointer<aegis_entry>?).self)
    let entry = try #require(function())
    let descriptor = try #require(entry.pointee.plugins[0])
    let strategy = try #require(descriptor.pointee.strategy)
    var values = (0..<Int(descriptor.pointee.n_params)).map { index in
      let schema = descriptor.pointee.params[index]
      return aegis_param_value(id: schema.id, reserved: 0, value: schema.def)
    }
    var config = aegis_config()
    config.size = UInt32(MemoryLayout<aegis_config>.size)
    config.n_params = UInt32(values.count)
    config.n_instruments = 1
    var instance: UnsafeMutablePointer<aegis_instance>?
    var error = aegis_error()
    let created = values.withUnsafeMutableBufferPointer { values in
      config.params = UnsafePointer(values.baseAddress)
      return strategy.pointee.create(
        descriptor, host.assumingMemoryBound(to: aegis_host.self), &config, &instance, &error)
    }
    #expect(created == AEGIS_OK)
    defer { strategy.pointee.destroy(instance) }
    var count = 0
    var room = aegis_signal()
    for event in Self.events() {
      var batch = aegis_batch()
      batch.size = UInt32(MemoryLayout<aegis_batch>.size)
      batch.count = 1
      batch.now_ns = event.ts_ns
      batch.flags = AEGIS_BATCH_LIVE | 0x1000
      batch.out_capacity = 1
      let status = withUnsafePointer(to: event) { event in
        withUnsafeMutablePointer(to: &room) { room in
          batch.events = event
          batch.out = room
          return strategy.pointee.process(instance, &batch)
        }
      }
      #expect(status == AEGIS_OK)
      #expect(event.kind == AEGIS_EV_BAR || batch.out_count == 0, "an unknown event causes nothing")
      count += Int(batch.out_count)
    }
    return count
  }

  @Test(
    "lives without what it lacks, and ignores events it does not know",
    arguments: PluginScaffoldLanguage.allCases)
  func templates(language: PluginScaffoldLanguage) async throws {
    if let tool = language.missingTool(searchPath: Workbench.searchPath) {
      try Test.cancel("\(language.rawValue) is not tested: \(tool.name) is not on PATH; \(tool.hint)")
    }
    let library = try await BuiltTemplates.shared.template(language).library
    // Cut before get_extension, and before log.
    for byteCount in [32, 40] {
      let host = Self.olderHost(byteCount: byteCount)
      defer { host.deallocate() }
      let count = try signalCount(of: library, host: host)
      #expect(count == 1, "a rising market breaks out once")
    }
  }
}
