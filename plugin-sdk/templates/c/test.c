/* Runs the strategy over a file of bars as the engine would, and checks what it says. Usage: test bars.csv */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aegis_plugin.h"

enum { BARS_MAX = 1000 };

static aegis_event events[BARS_MAX];
static uint32_t n_events;

#define REQUIRE(condition)                                                        \
  do {                                                                            \
    if (!(condition)) {                                                           \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition);   \
      exit(1);                                                                    \
    }                                                                             \
  } while (0)

static void read_bars(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) {
    perror(path);
    exit(2);
  }
  char line[256];
  REQUIRE(fgets(line, sizeof line, file)); /* the names of the columns */
  while (fgets(line, sizeof line, file)) {
    REQUIRE(n_events < BARS_MAX);
    long long open_ms;
    aegis_bar bar;
    REQUIRE(sscanf(line, "%lld,%lf,%lf,%lf,%lf,%lf", &open_ms, &bar.open, &bar.high, &bar.low, &bar.close,
                   &bar.volume) == 6);
    events[n_events] = (aegis_event){.ts_ns = (open_ms + 60000) * 1000000,
                                     .u = {.bar = bar},
                                     .kind = AEGIS_EV_BAR,
                                     .flags = AEGIS_TIMEFRAME_1M | AEGIS_EVENT_COMPLETE,
                                     .seq = n_events + 1};
    n_events++;
  }
  fclose(file);
}

static const aegis_descriptor *descriptor(void) { return aegis_plugin_v1()->plugins[0]; }

/* An instance with the schema's defaults, for one instrument. */
static aegis_instance *start(void) {
  const aegis_descriptor *d = descriptor();
  aegis_param_value values[16];
  REQUIRE(d->n_params <= 16);
  for (uint32_t i = 0; i < d->n_params; i++)
    values[i] = (aegis_param_value){.id = d->params[i].id, .value = d->params[i].def};
  const char *instruments[] = {"BTCUSDT"};
  aegis_config config = {.size = sizeof config, .n_params = d->n_params, .params = values, .n_instruments = 1,
                         .instruments = instruments, .instance_name = "test", .seed = 1};
  aegis_host host = {.size = sizeof host};
  aegis_instance *instance = NULL;
  aegis_error error = {0};
  REQUIRE(d->strategy->create(d, &host, &config, &instance, &error) == AEGIS_OK);
  return instance;
}

/* Signals for events [from, to), in batches of `batch_size`. Returns how many were written to `out`. */
static uint32_t run(aegis_instance *instance, uint32_t from, uint32_t to, uint32_t batch_size, uint64_t flags,
                    aegis_signal *out) {
  uint32_t count = 0;
  for (uint32_t first = from; first < to; first += batch_size) {
    uint32_t n = to - first < batch_size ? to - first : batch_size;
    aegis_batch batch = {.size = sizeof batch, .count = n, .events = events + first,
                         .now_ns = events[first + n - 1].ts_ns, .flags = flags, .out = out + count, .out_capacity = n};
    REQUIRE(descriptor()->strategy->process(instance, &batch) == AEGIS_OK);
    REQUIRE(batch.out_count <= n);
    count += batch.out_count;
  }
  return count;
}

typedef struct {
  char bytes[1 << 16];
  size_t count, position;
} memory;

static aegis_status write_memory(aegis_sink *sink, const void *bytes, size_t count) {
  memory *m = sink->ctx;
  REQUIRE(m->count + count <= sizeof m->bytes);
  memcpy(m->bytes + m->count, bytes, count);
  m->count += count;
  return AEGIS_OK;
}

/* Three bytes at a time: pieces may be of any size. */
static int64_t read_memory(aegis_source *source, void *bytes, size_t capacity) {
  memory *m = source->ctx;
  size_t count = m->count - m->position;
  if (count > 3) count = 3;
  if (count > capacity) count = capacity;
  memcpy(bytes, m->bytes + m->position, count);
  m->position += count;
  return (int64_t)count;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: %s bars.csv\n", argv[0]);
    return 2;
  }
  read_bars(argv[1]);
  const aegis_strategy *strategy = descriptor()->strategy;

  /* Bar and side of every breakout in the file. */
  static const struct { uint64_t bar; int side; } expected[] = {
      {20, 1}, {31, 1}, {34, 1}, {41, 1}, {44, 1}, {63, -1}, {68, -1}, {72, -1}, {76, -1}, {80, -1}, {97, 1}, {107, -1},
      {117, -1}};
  enum { EXPECTED_COUNT = sizeof expected / sizeof expected[0] };
  static aegis_signal signals[BARS_MAX], again[BARS_MAX];
  aegis_instance *instance = start();
  uint32_t count = run(instance, 0, n_events, 1, AEGIS_BATCH_LIVE, signals);
  strategy->destroy(instance);
  REQUIRE(count == EXPECTED_COUNT);
  for (uint32_t i = 0; i < count; i++) {
    REQUIRE(signals[i].cause_seq == expected[i].bar + 1);
    REQUIRE(signals[i].return_fraction == expected[i].side * 0.01);
    REQUIRE(signals[i].ts_ns == events[expected[i].bar].ts_ns && isnan(signals[i].stop_fraction));
  }

  /* However the events are cut into batches. */
  instance = start();
  REQUIRE(run(instance, 0, n_events, 7, AEGIS_BATCH_LIVE, again) == count);
  strategy->destroy(instance);
  REQUIRE(memcmp(signals, again, count * sizeof signals[0]) == 0);

  /* Nothing during warm-up, but the history counts: the first live bar breaks out at once. */
  instance = start();
  REQUIRE(run(instance, 0, 20, 5, AEGIS_BATCH_WARMUP, again) == 0);
  REQUIRE(run(instance, 20, 21, 1, AEGIS_BATCH_LIVE, again) == 1);
  strategy->destroy(instance);

  /* Saved in the middle and loaded elsewhere, it goes on as if nothing had happened. */
  const aegis_ext_state *state = strategy->get_extension(descriptor(), AEGIS_EXT_STATE);
  static memory saved;
  aegis_sink sink = {&saved, write_memory};
  aegis_source source = {&saved, read_memory};
  instance = start();
  uint32_t half = run(instance, 0, n_events / 2, 1, AEGIS_BATCH_LIVE, again);
  REQUIRE(state->save(instance, &sink) == AEGIS_OK);
  strategy->destroy(instance);
  instance = start();
  REQUIRE(state->load(instance, &source, descriptor()->state_version, NULL) == AEGIS_OK);
  REQUIRE(half + run(instance, n_events / 2, n_events, 1, AEGIS_BATCH_LIVE, again + half) == count);
  strategy->destroy(instance);
  REQUIRE(memcmp(signals, again, count * sizeof signals[0]) == 0);

  printf("test: %u bars, %u signals, as expected\n", n_events, count);
  return 0;
}
