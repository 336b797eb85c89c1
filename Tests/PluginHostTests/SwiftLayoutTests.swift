import Foundation
import PluginABI
import Testing

/// What Swift's importer makes of the header. C11 and C++17 are checked by `HeaderLayoutTests`, Rust by the crate's own
/// `tests/layout.rs`, all against the same frozen file.
@Suite("The ABI header, imported by Swift")
struct SwiftLayoutTests {
  @Test("has every structure and field where 1.0 froze it")
  func everyFieldIsInItsPlace() throws {
    let golden = try String(
      contentsOfFile: "\(Fixture.root)/plugin-sdk/abi/v1.0/layout.txt", encoding: .utf8
    ).split(separator: "\n").map(String.init)
    #expect(golden.count > 250, "the golden file lists every field")
    let found = try layout()
    #expect(found.count == golden.count)
    for (found, golden) in zip(found, golden) { #expect(found == golden) }
  }

  private func layout() throws -> [String] {
    var lines = LayoutLines()
    try lines.structure(
      aegis_error.self, "aegis_error",
      [
        field("code", \.code), field("reserved", \.reserved), field("message", \.message),
      ])
    try lines.structure(
      aegis_bar.self, "aegis_bar",
      [
        field("open", \.open), field("high", \.high), field("low", \.low), field("close", \.close),
        field("volume", \.volume),
      ])
    try lines.structure(
      aegis_quote.self, "aegis_quote",
      [
        field("bid", \.bid), field("ask", \.ask), field("bid_size", \.bid_size),
        field("ask_size", \.ask_size), field("reserved", \.reserved),
      ])
    try lines.structure(
      aegis_trade.self, "aegis_trade",
      [
        field("price", \.price), field("size", \.size), field("trade_id", \.trade_id),
        field("reserved", \.reserved),
      ])
    try lines.structure(
      aegis_mark.self, "aegis_mark",
      [
        field("mark", \.mark), field("index", \.index), field("funding_fraction", \.funding_fraction),
        field("next_funding_ns", \.next_funding_ns), field("reserved", \.reserved),
      ])
    try lines.structure(
      aegis_outcome.self, "aegis_outcome",
      [
        field("entry_price", \.entry_price), field("exit_price", \.exit_price),
        field("return_fraction", \.return_fraction), field("reason", \.reason), field("tag", \.tag),
      ])
    lines.union(
      aegis_value_union.self, "aegis_value_union",
      [
        ("i64", size(\aegis_value_union.i64)), ("f64", size(\aegis_value_union.f64)),
        ("str", size(\aegis_value_union.str)),
      ])
    try lines.structure(
      aegis_value.self, "aegis_value",
      [
        field("type", \.type), field("len", \.len), field("v", \.v),
      ])
    try lines.structure(
      aegis_param_change.self, "aegis_param_change",
      [
        field("id", \.id), field("reserved0", \.reserved0), field("value", \.value),
        field("reserved", \.reserved),
      ])
    try lines.structure(
      aegis_gap.self, "aegis_gap",
      [
        field("from_ns", \.from_ns), field("to_ns", \.to_ns), field("missing", \.missing),
        field("reserved", \.reserved),
      ])
    lines.union(
      aegis_payload.self, "aegis_payload",
      [
        ("bar", size(\aegis_payload.bar)), ("quote", size(\aegis_payload.quote)),
        ("trade", size(\aegis_payload.trade)), ("mark", size(\aegis_payload.mark)),
        ("outcome", size(\aegis_payload.outcome)), ("param", size(\aegis_payload.param)),
        ("gap", size(\aegis_payload.gap)), ("raw", size(\aegis_payload.raw)),
      ])
    try lines.structure(
      aegis_event.self, "aegis_event",
      [
        field("ts_ns", \.ts_ns), field("u", \.u), field("instrument", \.instrument), field("kind", \.kind),
        field("flags", \.flags), field("seq", \.seq),
      ])
    try lines.structure(
      aegis_signal.self, "aegis_signal",
      [
        field("cause_seq", \.cause_seq), field("ts_ns", \.ts_ns), field("horizon_ns", \.horizon_ns),
        field("return_fraction", \.return_fraction), field("confidence", \.confidence),
        field("stddev_fraction", \.stddev_fraction), field("stop_fraction", \.stop_fraction),
        field("target_fraction", \.target_fraction), field("instrument", \.instrument),
        field("flags", \.flags), field("feature_count", \.feature_count), field("tag", \.tag),
      ])
    try lines.structure(
      aegis_batch.self, "aegis_batch",
      [
        field("size", \.size), field("count", \.count), field("events", \.events),
        field("now_ns", \.now_ns), field("flags", \.flags), field("out", \.out),
        field("out_capacity", \.out_capacity), field("out_count", \.out_count),
        field("features", \.features), field("feature_stride", \.feature_stride),
        field("reserved", \.reserved),
      ])
    try lines.structure(
      aegis_param.self, "aegis_param",
      [
        field("size", \.size), field("id", \.id), field("type", \.type), field("flags", \.flags),
        field("name", \.name), field("unit", \.unit), field("help", \.help), field("def", \.def),
        field("min", \.min), field("max", \.max), field("step", \.step), field("choices", \.choices),
      ])
    try lines.structure(
      aegis_param_value.self, "aegis_param_value",
      [
        field("id", \.id), field("reserved", \.reserved), field("value", \.value),
      ])
    try lines.structure(
      aegis_config.self, "aegis_config",
      [
        field("size", \.size), field("n_params", \.n_params), field("params", \.params),
        field("n_instruments", \.n_instruments), field("flags", \.flags),
        field("instruments", \.instruments), field("data_dir", \.data_dir),
        field("instance_name", \.instance_name), field("seed", \.seed),
      ])
    try lines.structure(
      aegis_host.self, "aegis_host",
      [
        field("size", \.size), field("abi_minor", \.abi_minor), field("ctx", \.ctx), field("name", \.name),
        field("version", \.version), field("get_extension", \.get_extension), field("log", \.log),
      ])
    try lines.structure(
      aegis_instance.self, "aegis_instance",
      [
        field("data", \.data)
      ])
    try lines.structure(
      aegis_strategy.self, "aegis_strategy",
      [
        field("size", \.size), field("flags", \.flags), field("create", \.create),
        field("destroy", \.destroy), field("activate", \.activate), field("deactivate", \.deactivate),
        field("process", \.process), field("reset", \.reset), field("get_extension", \.get_extension),
      ])
    try lines.structure(
      aegis_subscription.self, "aegis_subscription",
      [
        field("size", \.size), field("kind", \.kind), field("timeframe", \.timeframe),
        field("warmup_bars", \.warmup_bars), field("interval_ms", \.interval_ms),
        field("reserved", \.reserved),
      ])
    try lines.structure(
      aegis_feature.self, "aegis_feature",
      [
        field("size", \.size), field("missing", \.missing), field("name", \.name), field("unit", \.unit),
        field("help", \.help), field("minimum", \.minimum), field("maximum", \.maximum),
      ])
    try lines.structure(
      aegis_descriptor.self, "aegis_descriptor",
      [
        field("size", \.size), field("kind", \.kind), field("capabilities", \.capabilities),
        field("id", \.id), field("name", \.name), field("vendor", \.vendor), field("version", \.version),
        field("description", \.description), field("license", \.license), field("url", \.url),
        field("n_params", \.n_params), field("state_version", \.state_version),
        field("state_oldest", \.state_oldest), field("max_signals_per_event", \.max_signals_per_event),
        field("params", \.params), field("strategy", \.strategy), field("user", \.user),
        field("n_subscriptions", \.n_subscriptions), field("n_features", \.n_features),
        field("subscriptions", \.subscriptions), field("features", \.features),
      ])
    try lines.structure(
      aegis_entry.self, "aegis_entry",
      [
        field("magic", \.magic), field("size", \.size), field("abi_major", \.abi_major),
        field("abi_minor", \.abi_minor), field("flags", \.flags), field("toolchain", \.toolchain),
        field("n_plugins", \.n_plugins), field("reserved", \.reserved), field("plugins", \.plugins),
        field("init", \.`init`), field("deinit", \.`deinit`),
      ])
    try lines.structure(
      aegis_info.self, "aegis_info",
      [
        field("magic", \.magic), field("abi_major", \.abi_major), field("abi_minor", \.abi_minor),
        field("language", \.language), field("toolchain", \.toolchain),
      ])
    try lines.structure(
      aegis_sink.self, "aegis_sink",
      [
        field("ctx", \.ctx), field("write", \.write),
      ])
    try lines.structure(
      aegis_source.self, "aegis_source",
      [
        field("ctx", \.ctx), field("read", \.read),
      ])
    try lines.structure(
      aegis_ext_subscriptions.self, "aegis_ext_subscriptions",
      [
        field("size", \.size), field("reserved", \.reserved), field("list", \.list),
      ])
    try lines.structure(
      aegis_ext_state.self, "aegis_ext_state",
      [
        field("size", \.size), field("reserved", \.reserved), field("save", \.save), field("load", \.load),
      ])
    try lines.structure(
      aegis_model_info.self, "aegis_model_info",
      [
        field("size", \.size), field("n_features", \.n_features), field("features", \.features),
        field("n_outputs", \.n_outputs), field("preferred_batch", \.preferred_batch),
        field("outputs", \.outputs), field("sha256", \.sha256),
        field("trained_until_ns", \.trained_until_ns), field("model_version", \.model_version),
      ])
    try lines.structure(
      aegis_ext_model.self, "aegis_ext_model",
      [
        field("size", \.size), field("reserved", \.reserved), field("load", \.load), field("info", \.info),
        field("predict", \.predict),
      ])
    try lines.structure(
      aegis_training_set.self, "aegis_training_set",
      [
        field("size", \.size), field("n_features", \.n_features), field("n_rows", \.n_rows),
        field("rows", \.rows), field("labels", \.labels), field("weights", \.weights),
        field("ts_ns", \.ts_ns), field("row_stride", \.row_stride), field("reserved0", \.reserved0),
        field("reserved1", \.reserved1),
      ])
    try lines.structure(
      aegis_progress.self, "aegis_progress",
      [
        field("ctx", \.ctx), field("report", \.report),
      ])
    try lines.structure(
      aegis_ext_trainer.self, "aegis_ext_trainer",
      [
        field("size", \.size), field("n_options", \.n_options), field("options", \.options),
        field("fit", \.fit),
      ])
    try lines.structure(
      aegis_function.self, "aegis_function",
      [
        field("size", \.size), field("flags", \.flags), field("name", \.name),
        field("signature", \.signature), field("help", \.help), field("fn", \.fn),
      ])
    try lines.structure(
      aegis_ext_functions.self, "aegis_ext_functions",
      [
        field("size", \.size), field("count", \.count), field("functions", \.functions),
      ])
    try lines.structure(
      aegis_candles.self, "aegis_candles",
      [
        field("size", \.size), field("count", \.count), field("open", \.open), field("high", \.high),
        field("low", \.low), field("close", \.close), field("volume", \.volume),
        field("open_time_ns", \.open_time_ns), field("flags", \.flags),
      ])
    try lines.structure(
      aegis_host_candles.self, "aegis_host_candles",
      [
        field("size", \.size), field("reserved", \.reserved), field("window", \.window),
      ])
    try lines.structure(
      aegis_annotation.self, "aegis_annotation",
      [
        field("size", \.size), field("instrument", \.instrument), field("timeframe", \.timeframe),
        field("direction", \.direction), field("cause_seq", \.cause_seq), field("bar", \.bar),
        field("origin", \.origin), field("name", \.name), field("level", \.level), field("top", \.top),
        field("bottom", \.bottom), field("value", \.value),
      ])
    try lines.structure(
      aegis_host_annotate.self, "aegis_host_annotate",
      [
        field("size", \.size), field("reserved", \.reserved), field("annotate", \.annotate),
      ])
    try lines.structure(
      aegis_host_thread_check.self, "aegis_host_thread_check",
      [
        field("size", \.size), field("reserved", \.reserved), field("is_control", \.is_control),
        field("is_strategy", \.is_strategy),
      ])
    return lines.text
  }
}

private struct Field<Root> {
  var name: String
  var offset: Int?
  var byteCount: Int
}

private func field<Root, Value>(_ name: String, _ path: KeyPath<Root, Value>) -> Field<Root> {
  Field(name: name, offset: MemoryLayout<Root>.offset(of: path), byteCount: MemoryLayout<Value>.size)
}

private func size<Root, Value>(_ path: KeyPath<Root, Value>) -> Int { MemoryLayout<Value>.size }

private struct LayoutLines {
  var text: [String] = []

  mutating func structure<Root>(_ type: Root.Type, _ name: String, _ fields: [Field<Root>]) throws {
    begin(type, name)
    for field in fields {
      text.append("\(name).\(field.name) \(try #require(field.offset)) \(field.byteCount)")
    }
  }

  /// Swift imports a union's fields as computed properties; by definition all lie at 0.
  mutating func union<Root>(_ type: Root.Type, _ name: String, _ fields: [(name: String, byteCount: Int)]) {
    begin(type, name)
    for field in fields { text.append("\(name).\(field.name) 0 \(field.byteCount)") }
  }

  private mutating func begin<Root>(_ type: Root.Type, _ name: String) {
    #expect(
      MemoryLayout<Root>.size == MemoryLayout<Root>.stride, "\(name) has no tail padding of Swift's own")
    text.append("\(name) \(MemoryLayout<Root>.size) \(MemoryLayout<Root>.alignment)")
  }
}
