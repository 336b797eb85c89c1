// TemplateStrategy: a breakout. When a minute closes above the highest high of the `lookback` minutes before it, the
// price is expected to rise; below the lowest low, to fall. Only the first close outside the channel is announced.
//
// This version keeps what it knows itself, bar by bar, and can save it. For the other way, reading the engine's candle
// windows, see aegis::Host::candles.
#include <algorithm>
#include <cmath>
#include <vector>

#include "aegis.hpp"

namespace {

class TemplateStrategy final : public aegis::Strategy {
 public:
  static void describe(aegis::Description &plugin) {
    plugin.id = "template-strategy";
    plugin.name = "TemplateStrategy";
    plugin.version = "0.1.0";
    plugin.summary = "Follows a close outside the channel of the last bars";
    plugin.capabilities = AEGIS_CAP_DETERMINISTIC | AEGIS_CAP_STATEFUL | AEGIS_CAP_NEEDS_BARS;
    plugin.state_version = 1;  // raise it whenever save writes something else
    plugin.parameters = {
        aegis::integer(lookback_id, "lookback", 20, 2, 500, "bars", "bars whose highs and lows make the channel"),
        aegis::number(expected_id, "expected", 0.01, 0.0001, 1, "fraction", "return to announce, without its sign")
            .runtime(),
    };
    plugin.subscriptions = {aegis::bars(aegis::Timeframe::minute1, 21)};
  }

  explicit TemplateStrategy(const aegis::Config &config)
      : lookback_(config.integer(lookback_id)),  // the host has checked type and range
        expected_fraction_(config.number(expected_id)),
        channels_(config.instrument_count()) {
    for (Channel &channel : channels_) {
      channel.highs.resize(static_cast<std::size_t>(lookback_));
      channel.lows.resize(static_cast<std::size_t>(lookback_));
    }
  }

  std::optional<std::vector<aegis::Subscription>> subscriptions() const override {
    return {{aegis::bars(aegis::Timeframe::minute1, static_cast<std::uint32_t>(lookback_) + 1)}};
  }

  void process(const aegis::Events &events, aegis::SignalWriter &out) override {
    for (const aegis_event &event : events) {
      if (const auto *change = aegis::parameter_change(event); change && change->id == expected_id)
        expected_fraction_ = change->value.v.f64;
      const aegis_bar *bar = aegis::bar(event, aegis::Timeframe::minute1);
      if (!bar || event.instrument >= channels_.size()) continue;
      const int side = absorb(channels_[event.instrument], *bar);
      // Learn from history and from incomplete bars, but say nothing on them.
      if (side == 0 || events.is_warmup() || !aegis::is_complete(event)) continue;
      out.emit(aegis::signal(event, side * expected_fraction_, 0.65f, lookback_ * 60'000'000'000));
    }
  }

  void save(aegis::StateWriter &state) const override {
    state.write(static_cast<std::int64_t>(channels_.size()));
    state.write(lookback_);
    for (const Channel &channel : channels_) {
      state.write(channel.count);
      state.write(channel.previous);
      for (double high : channel.highs) state.write(high);
      for (double low : channel.lows) state.write(low);
    }
  }

  void load(aegis::StateReader &state, std::uint32_t) override {
    if (state.read<std::int64_t>() != static_cast<std::int64_t>(channels_.size()) ||
        state.read<std::int64_t>() != lookback_)
      throw aegis::Error("the state is for other instruments or another lookback", AEGIS_E_STATE_CORRUPT);
    for (Channel &channel : channels_) {
      channel.count = state.read<std::int64_t>();
      channel.previous = state.read<std::int32_t>();
      for (double &high : channel.highs) high = state.read<double>();
      for (double &low : channel.lows) low = state.read<double>();
      if (channel.count < 0 || std::abs(channel.previous) > 1)
        throw aegis::Error("an instrument of the state is impossible", AEGIS_E_STATE_CORRUPT);
    }
  }

 private:
  // Ids never change once people have configured the plugin.
  static constexpr std::uint32_t lookback_id = 1;
  static constexpr std::uint32_t expected_id = 2;

  // What is known of one instrument.
  struct Channel {
    std::int64_t count = 0;  // bars seen
    std::int32_t previous = 0;  // where the last bar closed: +1 above the channel, -1 below, 0 inside
    std::vector<double> highs;  // of the last `lookback` bars; bar i is at i % lookback
    std::vector<double> lows;
  };

  // Takes in a bar; +1 or -1 when it is the first to close outside the channel, else 0.
  int absorb(Channel &channel, const aegis_bar &bar) const {
    int side = 0;
    if (channel.count >= lookback_) {
      if (bar.close > *std::max_element(channel.highs.begin(), channel.highs.end())) side = 1;
      if (bar.close < *std::min_element(channel.lows.begin(), channel.lows.end())) side = -1;
    }
    const auto slot = static_cast<std::size_t>(channel.count++ % lookback_);
    channel.highs[slot] = bar.high;
    channel.lows[slot] = bar.low;
    const int news = side != channel.previous ? side : 0;
    channel.previous = side;
    return news;
  }

  std::int64_t lookback_;
  double expected_fraction_;
  std::vector<Channel> channels_;  // by instrument
};

}  // namespace

AEGIS_EXPORT_PLUGIN(TemplateStrategy);
