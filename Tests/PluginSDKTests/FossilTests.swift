import Foundation
import Market
import PluginABI
import Testing

@testable import PluginHost

@Suite("Plugins of other times")
struct FossilTests {
  private func signals(_ path: String, _ bench: Workbench) throws -> (
    signals: [Signal], descriptor: PluginDescriptor
  ) {
    let market = BarMarket(barCount: 40, instrumentCount: 2, seed: 3)
    var set = try market.set(path, bench.cache)
    let signals = market.signals(of: &set, warmupCount: 0)
    #expect(set.counters(0).refusedCount == 0)
    return (signals, set.descriptors[0])
  }

  @Test("built from the frozen header of 1.0 do what they did then")
  func fossil() throws {
    let bench = try Workbench()
    let path = try bench.build("fossil", "\(Workbench.sdk)/abi/v1.0/fossil.c", include: "abi/v1.0")
    let (signals, descriptor) = try signals(path, bench)
    #expect(signals.count > 15 && signals.allSatisfy { $0.tag % 4 == 0 && $0.returnFraction == 0.25 })
    #expect(
      descriptor.id == "fossil-1.0"
        && descriptor.parameters.map(\.name) == ["timeframe", "expected", "greeting"])
    #expect(descriptor.features.map(\.name) == ["candles"] && descriptor.stateVersion == 1)
    let checks = try Workbench.run("\(Workbench.products)/aegis-plugin-host", ["validate", path])
    #expect(checks.contains("\"state\""), "and today's checker finds nothing wrong with them")
  }

  @Test("newer in minor, with longer tables and unknown flags, are read as far as they are known")
  func newer() throws {
    let bench = try Workbench()
    let (signals, descriptor) = try signals(try bench.compile("newer", Self.newerSource(flags: "0")), bench)
    #expect(signals.count == 80 && signals.allSatisfy { $0.flags.isEmpty && $0.tag == 7 })
    #expect(descriptor.abiMinor == 9 && descriptor.parameters.map(\.name) == ["first", "second"])
    #expect(
      descriptor.parameters.map(\.defaultValue) == [.integer(3), .integer(4)],
      "elements lie `size` bytes apart")
    #expect(descriptor.features.map(\.name) == ["x", "y"])
  }

  @Test("that insist on their minor are refused with both versions")
  func requiredMinor() throws {
    let bench = try Workbench()
    let path = try bench.compile("strict", Self.newerSource(flags: "AEGIS_ENTRY_REQUIRE_MINOR"))
    #expect(throws: PluginError.wrongVersion(file: path, found: "1.9", hosted: "1.0")) {
      _ = try self.signals(path, bench)
    }
  }

  /// A plugin of an imagined 1.9: every table ends with fields that 1.0 does not know.
  private static func newerSource(flags: String) -> String {
    """
    #include <math.h>
    #include <stdlib.h>
    #include <string.h>
    #include "aegis_plugin.h"
    #define POISON {0xDEADDEADDEADDEADull, 0xDEADDEADDEADDEADull, 0xDEADDEADDEADDEADull}
    typedef struct { aegis_param known; uint64_t later[3]; } newer_param;
    typedef struct { aegis_subscription known; uint64_t later[3]; } newer_subscription;
    typedef struct { aegis_feature known; uint64_t later[3]; } newer_feature;
    typedef struct { aegis_strategy known; uint64_t later[3]; } newer_strategy;
    typedef struct { aegis_descriptor known; uint64_t later[3]; } newer_descriptor;
    typedef struct { aegis_entry known; uint64_t later[3]; } newer_entry;
    typedef struct { aegis_ext_subscriptions known; uint64_t later[3]; } newer_subscriptions;

    static aegis_status create(const aegis_descriptor *d, const aegis_host *h, const aegis_config *c,
                               aegis_instance **out, aegis_error *error) {
      (void)d; (void)error;
      if (h->get_extension(h, "aegis.host.later/1") || h->get_extension(h, "aegis.host.candles/2")) return -99;
      if (c->n_params != 2 || c->params[1].value.v.i64 != 4) return -98;
      *out = calloc(1, sizeof(aegis_instance));
      return AEGIS_OK;
    }
    static void destroy(aegis_instance *i) { free(i); }
    static aegis_status process(aegis_instance *instance, aegis_batch *b) {
      (void)instance;
      for (uint32_t i = 0; i < b->count; i++) {
        const aegis_event *e = &b->events[i];
        b->out[b->out_count++] = (aegis_signal){e->seq, e->ts_ns, 1000, 0.01, 0.5f, NAN, NAN, NAN, e->instrument,
                                                0xF0F0, 0, 7};
      }
      return AEGIS_OK;
    }
    static const newer_subscription wishes[] = {
      {{sizeof wishes[0], AEGIS_EV_BAR, AEGIS_TIMEFRAME_1M, 0, 0, 0}, POISON},
      {{sizeof wishes[0], AEGIS_EV_GAP, 0, 0, 0, 0}, POISON}};
    static const aegis_subscription *list(aegis_instance *instance, uint32_t *count) {
      (void)instance;
      *count = 2;
      return &wishes[0].known;
    }
    static const newer_subscriptions ext = {{sizeof ext, 0, list}, POISON};
    static const void *get_extension(const aegis_descriptor *d, const char *id) {
      (void)d;
      return strcmp(id, AEGIS_EXT_SUBSCRIPTIONS) ? 0 : &ext;
    }
    static const newer_strategy strategy = {
      {sizeof strategy, 0, create, destroy, 0, 0, process, 0, get_extension}, POISON};
    static const newer_param params[] = {
      {{sizeof params[0], 1, AEGIS_T_I64, 0x80000000u, "first", "", "", {AEGIS_T_I64, 0, {3}}, 0, 0, 0, 0}, POISON},
      {{sizeof params[0], 2, AEGIS_T_I64, 0, "second", "", "", {AEGIS_T_I64, 0, {4}}, 0, 0, 0, 0}, POISON}};
    static const newer_feature features[] = {
      {{sizeof features[0], AEGIS_MISSING_NEVER, "x", "", "", 0, 0}, POISON},
      {{sizeof features[0], AEGIS_MISSING_NEVER, "y", "", "", 0, 0}, POISON}};
    static const newer_descriptor descriptor = {
      {.size = sizeof descriptor, .kind = AEGIS_KIND_STRATEGY, .capabilities = 0x8000000000000000ull, .id = "newer",
       .version = "1.0.0", .max_signals_per_event = 1, .strategy = &strategy.known, .n_params = 2,
       .params = &params[0].known, .n_subscriptions = 2, .subscriptions = &wishes[0].known, .n_features = 2,
       .features = &features[0].known}, POISON};
    static const aegis_descriptor *const plugins[] = {&descriptor.known};
    static const newer_entry entry = {
      {AEGIS_ABI_MAGIC, sizeof entry, 1, 9, \(flags), "gcc", 1, 0, plugins, 0, 0}, POISON};
    const aegis_entry *aegis_plugin_v1(void) { return &entry.known; }
    """
  }
}
