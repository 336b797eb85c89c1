import Foundation
import Market
import Testing

@testable import PluginHost

@Suite("The C++ layer")
struct CppKitTests {
  /// A strategy whose behaviour a parameter chooses.
  private static let source = """
    #include <stdexcept>
    #include <string>
    #include "aegis.hpp"
    namespace {
    double mean(const double *values, std::int64_t count) {
      double sum = 0;
      for (std::int64_t i = 0; i < count; ++i) sum += values[i];
      return count ? sum / static_cast<double>(count) : aegis::none;
    }
    class Probe final : public aegis::Strategy {
     public:
      static void describe(aegis::Description &plugin) {
        plugin.id = "probe";
        plugin.version = "1.0.0";
        plugin.parameters = {
            aegis::choice(1, "mode", {"signal", "refuse", "throw", "odd", "late", "features", "observe", "text"}, 0, ""),
            aegis::text(2, "word", "hi", ""), aegis::flag(3, "on", true, ""),
            aegis::optional_number(4, "stop", 0.001, 1, "fraction", ""),
        };
        plugin.subscriptions = {aegis::bars(aegis::Timeframe::minute1)};
        plugin.features = {aegis::feature("a", "", 0, 0, ""), aegis::feature("b", "", 0, 0, "")};
        plugin.functions = {aegis::function("mean", "f64(f64*, i64)", AEGIS_FUNCTION_PURE, "the mean", mean)};
      }
      explicit Probe(const aegis::Config &config) : mode_(config.choice(1)), host_(config.host()) {
        if (mode_ == 1) throw aegis::Error("this is " + config.text(2) + std::string(300, '!'), AEGIS_E_MODEL);
        if (mode_ == 2) throw std::runtime_error("a plain exception");
        if (mode_ == 3) throw 42;
        if (mode_ == 7 && (config.text(2) != "word" || !config.flag(3) || !std::isnan(config.number(4)) ||
                           std::string(config.symbol(1)) != "S1USDT" || config.seed() != 1))
          throw aegis::Error("wrong values");
      }
      void process(const aegis::Events &events, aegis::SignalWriter &out) override {
        for (const aegis_event &event : events) {
          if (mode_ == 4) throw std::logic_error("in the middle");
          const float row[] = {1, 2, 3};
          const auto candles = host_.candles(event.instrument, aegis::Timeframe::minute1, 5);
          aegis_signal signal = aegis::signal(event, candles.close().back() == event.u.bar.close ? 0.5 : -0.5, 0.5f, 10);
          if (mode_ == 5) out.emit(signal, row, 3);
          else if (mode_ == 6) out.observe(event, 10, row, 2);
          else out.emit(signal);
        }
      }
     private:
      std::int64_t mode_;
      aegis::Host host_;
    };
    class Functions : public aegis::FunctionLibrary {
     public:
      static void describe(aegis::Description &plugin) {
        plugin.id = "functions";
        plugin.version = "1.0.0";
        plugin.functions = {aegis::function("mean", "f64(f64*, i64)", AEGIS_FUNCTION_PURE, "the mean", mean)};
      }
    };
    }  // namespace
    AEGIS_EXPORT_PLUGIN(Probe LIBRARY);
    """

  private func build(_ bench: Workbench, library: Bool = false) throws -> String {
    try bench.compile(
      "probe", Self.source.replacingOccurrences(of: "LIBRARY", with: library ? ", Functions" : ""), cpp: true)
  }

  private func refusal(_ path: String, _ bench: Workbench, _ parameters: [String: String]) -> PluginError? {
    do {
      _ = try BarMarket(barCount: 2, instrumentCount: 2, seed: 1).set(
        path, bench.cache, parameters: parameters)
      return nil
    } catch {
      return error as? PluginError
    }
  }

  @Test("turns whatever a constructor throws into a status and its text")
  func constructors() throws {
    let bench = try Workbench()
    let path = try build(bench)
    #expect(
      refusal(path, bench, ["mode": "refuse", "word": "no"])
        == .createFailed(
          plugin: "probe", code: -7, message: "this is no" + String(repeating: "!", count: 237)))
    #expect(
      refusal(path, bench, ["mode": "throw"])
        == .createFailed(plugin: "probe", code: -11, message: "a plain exception"))
    #expect(
      refusal(path, bench, ["mode": "odd"])
        == .createFailed(plugin: "probe", code: -11, message: "an exception of unknown type"))
    #expect(
      refusal(path, bench, ["mode": "text", "word": "word"]) == nil, "typed parameters arrive as they are")
  }

  @Test("keeps an exception in process inside, and the host takes the call as failed")
  func processing() throws {
    let bench = try Workbench()
    let path = try build(bench)
    let market = BarMarket(barCount: 30, instrumentCount: 2, seed: 1)
    var throwing = try market.set(path, bench.cache, parameters: ["mode": "late"])
    #expect(market.signals(of: &throwing, warmupCount: 0).isEmpty)
    #expect(throwing.counters(0).refusedCount == 60)
    var plain = try market.set(path, bench.cache)
    let signals = market.signals(of: &plain, warmupCount: 0)
    #expect(
      signals.count == 60 && signals.allSatisfy { $0.returnFraction == 0.5 }, "the window ends with the bar")
  }

  @Test("writes feature rows beside signals and as observations")
  func features() throws {
    let bench = try Workbench()
    let path = try build(bench)
    let market = BarMarket(barCount: 1, instrumentCount: 1, seed: 1)
    var set = try market.set(path, bench.cache, parameters: ["mode": "features"])
    #expect(market.signals(of: &set, warmupCount: 0).first?.flags == [])
    #expect(Array(set.featureRow(plugin: 0, row: 0)) == [1, 2], "no more than the schema has")
    var watching = try market.set(path, bench.cache, parameters: ["mode": "observe"])
    #expect(market.signals(of: &watching, warmupCount: 0).first?.flags == .observation)
  }

  @Test("puts several plugins into one image, with one exported symbol")
  func severalPlugins() throws {
    let bench = try Workbench()
    let path = try build(bench, library: true)
    #expect(try Workbench.exports(of: path) == ["aegis_plugin_v1"])
    let image = try PluginImage(path: path, cacheDirectory: bench.cache)
    #expect(PluginScan.inspect(path).map(\.id) == ["probe", "functions"])
    #expect(image.elf.info?.language == 2)
  }
}
