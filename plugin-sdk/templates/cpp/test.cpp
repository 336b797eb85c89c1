// Runs the strategy over a file of bars as the engine would, and checks what it says. Usage: test bars.csv
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "aegis_plugin.h"

namespace {

#define REQUIRE(condition)                                                                    \
  do {                                                                                        \
    if (!(condition)) {                                                                       \
      std::cerr << __FILE__ << ":" << __LINE__ << ": not true: " #condition << std::endl;     \
      std::exit(1);                                                                           \
    }                                                                                         \
  } while (0)

std::vector<aegis_event> read_bars(const char *path) {
  std::ifstream file(path);
  REQUIRE(file);
  std::string line;
  std::getline(file, line);  // the names of the columns
  std::vector<aegis_event> events;
  while (std::getline(file, line)) {
    long long open_ms = 0;
    aegis_event event{};
    aegis_bar &bar = event.u.bar;
    REQUIRE(std::sscanf(line.c_str(), "%lld,%lf,%lf,%lf,%lf,%lf", &open_ms, &bar.open, &bar.high, &bar.low, &bar.close,
                        &bar.volume) == 6);
    event.ts_ns = (open_ms + 60'000) * 1'000'000;
    event.kind = AEGIS_EV_BAR;
    event.flags = AEGIS_TIMEFRAME_1M | AEGIS_EVENT_COMPLETE;
    event.seq = events.size() + 1;
    events.push_back(event);
  }
  return events;
}

const aegis_descriptor &descriptor() { return *aegis_plugin_v1()->plugins[0]; }

// An instance with the schema's defaults, for one instrument.
class Running {
 public:
  Running() {
    std::vector<aegis_param_value> values;
    for (std::uint32_t i = 0; i < descriptor().n_params; ++i)
      values.push_back({descriptor().params[i].id, 0, descriptor().params[i].def});
    const char *instruments[] = {"BTCUSDT"};
    aegis_config config{};
    config.size = sizeof config;
    config.n_params = descriptor().n_params;
    config.params = values.data();
    config.n_instruments = 1;
    config.instruments = instruments;
    config.seed = 1;
    aegis_error error{};
    REQUIRE(descriptor().strategy->create(&descriptor(), nullptr, &config, &instance_, &error) == AEGIS_OK);
  }
  ~Running() { descriptor().strategy->destroy(instance_); }
  Running(const Running &) = delete;
  Running &operator=(const Running &) = delete;

  // Appends the signals for events [from, to), fed in batches.
  void feed(const std::vector<aegis_event> &events, std::size_t from, std::size_t to, std::size_t batch_size,
            std::uint64_t flags, std::vector<aegis_signal> &signals) {
    for (std::size_t first = from; first < to; first += batch_size) {
      const std::size_t count = std::min(batch_size, to - first);
      std::vector<aegis_signal> room(count);
      aegis_batch batch{};
      batch.size = sizeof batch;
      batch.count = static_cast<std::uint32_t>(count);
      batch.events = events.data() + first;
      batch.now_ns = events[first + count - 1].ts_ns;
      batch.flags = flags;
      batch.out = room.data();
      batch.out_capacity = static_cast<std::uint32_t>(count);
      REQUIRE(descriptor().strategy->process(instance_, &batch) == AEGIS_OK);
      signals.insert(signals.end(), room.begin(), room.begin() + batch.out_count);
    }
  }

  aegis_instance *raw() { return instance_; }

 private:
  aegis_instance *instance_ = nullptr;
};

struct Memory {
  std::string bytes;
  std::size_t position = 0;
};

aegis_status write_memory(aegis_sink *sink, const void *bytes, std::size_t count) {
  static_cast<Memory *>(sink->ctx)->bytes.append(static_cast<const char *>(bytes), count);
  return AEGIS_OK;
}

// Three bytes at a time: pieces may be of any size.
std::int64_t read_memory(aegis_source *source, void *bytes, std::size_t capacity) {
  auto &memory = *static_cast<Memory *>(source->ctx);
  const std::size_t count = std::min({capacity, std::size_t{3}, memory.bytes.size() - memory.position});
  std::memcpy(bytes, memory.bytes.data() + memory.position, count);
  memory.position += count;
  return static_cast<std::int64_t>(count);
}

bool same(const std::vector<aegis_signal> &a, const std::vector<aegis_signal> &b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(aegis_signal)) == 0;
}

}  // namespace

int main(int argc, char **argv) {
  if (argc != 2) {
    std::cerr << "usage: " << argv[0] << " bars.csv" << std::endl;
    return 2;
  }
  const auto events = read_bars(argv[1]);

  // Bar and side of every breakout in the file.
  const std::vector<std::pair<std::size_t, int>> expected = {
      {20, 1},  {31, 1},  {34, 1},  {41, 1}, {44, 1},   {63, -1}, {68, -1},
      {72, -1}, {76, -1}, {80, -1}, {97, 1}, {107, -1}, {117, -1}};
  std::vector<aegis_signal> signals;
  Running().feed(events, 0, events.size(), 1, AEGIS_BATCH_LIVE, signals);
  REQUIRE(signals.size() == expected.size());
  for (std::size_t i = 0; i < signals.size(); ++i) {
    REQUIRE(signals[i].cause_seq == expected[i].first + 1);
    REQUIRE(signals[i].return_fraction == expected[i].second * 0.01);
    REQUIRE(signals[i].ts_ns == events[expected[i].first].ts_ns && std::isnan(signals[i].stop_fraction));
  }

  // However the events are cut into batches.
  std::vector<aegis_signal> again;
  Running().feed(events, 0, events.size(), 7, AEGIS_BATCH_LIVE, again);
  REQUIRE(same(signals, again));

  // Nothing during warm-up, but the history counts: the first live bar breaks out at once.
  std::vector<aegis_signal> warm;
  Running warmed;
  warmed.feed(events, 0, 20, 5, AEGIS_BATCH_WARMUP, warm);
  REQUIRE(warm.empty());
  warmed.feed(events, 20, 21, 1, AEGIS_BATCH_LIVE, warm);
  REQUIRE(warm.size() == 1);

  // Saved in the middle and loaded elsewhere, it goes on as if nothing had happened.
  const auto *state =
      static_cast<const aegis_ext_state *>(descriptor().strategy->get_extension(&descriptor(), AEGIS_EXT_STATE));
  REQUIRE(state);
  Memory memory;
  aegis_sink sink{&memory, write_memory};
  aegis_source source{&memory, read_memory};
  std::vector<aegis_signal> halves;
  Running first;
  first.feed(events, 0, events.size() / 2, 1, AEGIS_BATCH_LIVE, halves);
  REQUIRE(state->save(first.raw(), &sink) == AEGIS_OK);
  Running second;
  aegis_error error{};
  REQUIRE(state->load(second.raw(), &source, descriptor().state_version + 1, &error) == AEGIS_E_STATE_VERSION);
  REQUIRE(state->load(second.raw(), &source, descriptor().state_version, nullptr) == AEGIS_OK);
  second.feed(events, events.size() / 2, events.size(), 1, AEGIS_BATCH_LIVE, halves);
  REQUIRE(same(signals, halves));

  std::cout << "test: " << events.size() << " bars, " << signals.size() << " signals, as expected" << std::endl;
  return 0;
}
