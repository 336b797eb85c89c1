/*
 * TemplateStrategy: a breakout. When a minute closes above the highest high of the `lookback` minutes before it, the
 * price is expected to rise; below the lowest low, to fall. Only the first close outside the channel is announced.
 *
 * This version keeps what it knows itself, bar by bar, and can save it: the fastest way, and the way for anything that
 * needs more history than the engine's candle windows hold.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aegis_plugin.h"

AEGIS_PLUGIN_INFO(AEGIS_LANGUAGE_C);

/* Raise it whenever `save` writes something else. */
enum { STATE_VERSION = 1 };

/* Parameter ids. They never change once people have configured the plugin. */
enum { LOOKBACK = 1, EXPECTED = 2 };

/* What is known of one instrument. */
typedef struct {
  int64_t count;    /* bars seen */
  int64_t previous; /* where the last bar closed: +1 above the channel, -1 below, 0 inside */
  double *highs;    /* of the last `lookback` bars; bar i is at i % lookback */
  double *lows;
} channel;

typedef struct {
  aegis_instance base;
  int64_t lookback;
  double expected_fraction;
  aegis_subscription wish;
  uint32_t n_channels;
  channel *channels; /* by instrument */
  double *prices;    /* the memory behind all highs and lows */
} breakout;

static aegis_status fail(aegis_error *error, aegis_status code, const char *message) {
  if (error) {
    error->code = code;
    snprintf(error->message, sizeof error->message, "%s", message);
  }
  return code;
}

static const aegis_value *value_of(const aegis_config *config, uint32_t id) {
  for (uint32_t i = 0; i < config->n_params; i++)
    if (config->params[i].id == id) return &config->params[i].value;
  return NULL;
}

/* ---- Life ---------------------------------------------------------------------------------------------------- */

static void destroy(aegis_instance *instance) {
  breakout *b = instance->data;
  free(b->prices);
  free(b->channels);
  free(b);
}

static aegis_status create(const aegis_descriptor *descriptor, const aegis_host *host, const aegis_config *config,
                           aegis_instance **out, aegis_error *error) {
  (void)descriptor;
  (void)host;
  const aegis_value *lookback = value_of(config, LOOKBACK);
  const aegis_value *expected = value_of(config, EXPECTED);
  if (!lookback || !expected) return fail(error, AEGIS_E_INTERNAL, "the host sent no value for a parameter");
  breakout *b = calloc(1, sizeof *b);
  if (!b) return fail(error, AEGIS_E_NO_MEMORY, "out of memory");
  b->base.data = b;
  b->lookback = lookback->v.i64; /* the host has checked type and range */
  b->expected_fraction = expected->v.f64;
  b->n_channels = config->n_instruments;
  b->channels = calloc(config->n_instruments, sizeof *b->channels);
  b->prices = calloc(config->n_instruments, 2 * (size_t)b->lookback * sizeof *b->prices);
  if (config->n_instruments > 0 && (!b->channels || !b->prices)) {
    destroy(&b->base);
    return fail(error, AEGIS_E_NO_MEMORY, "out of memory");
  }
  for (uint32_t i = 0; i < b->n_channels; i++) {
    b->channels[i].highs = b->prices + 2 * (size_t)b->lookback * i;
    b->channels[i].lows = b->channels[i].highs + b->lookback;
  }
  *out = &b->base;
  return AEGIS_OK;
}

/* ---- Events -------------------------------------------------------------------------------------------------- */

/* Takes in a bar; +1 or -1 when it is the first to close outside the channel, else 0. */
static int64_t absorb(const breakout *b, channel *c, const aegis_bar *bar) {
  int64_t side = 0;
  if (c->count >= b->lookback) {
    double high = c->highs[0], low = c->lows[0];
    for (int64_t i = 1; i < b->lookback; i++) {
      if (c->highs[i] > high) high = c->highs[i];
      if (c->lows[i] < low) low = c->lows[i];
    }
    side = bar->close > high ? 1 : bar->close < low ? -1 : 0;
  }
  c->highs[c->count % b->lookback] = bar->high;
  c->lows[c->count % b->lookback] = bar->low;
  c->count++;
  int64_t news = side != c->previous ? side : 0;
  c->previous = side;
  return news;
}

static aegis_status process(aegis_instance *instance, aegis_batch *batch) {
  breakout *b = instance->data;
  for (uint32_t i = 0; i < batch->count; i++) {
    const aegis_event *event = &batch->events[i];
    if (event->kind == AEGIS_EV_PARAM && event->u.param.id == EXPECTED) b->expected_fraction = event->u.param.value.v.f64;
    if (event->kind != AEGIS_EV_BAR || event->instrument >= b->n_channels) continue;
    if ((event->flags & AEGIS_EVENT_TIMEFRAME_MASK) != AEGIS_TIMEFRAME_1M) continue;
    int64_t side = absorb(b, &b->channels[event->instrument], &event->u.bar);
    /* Learn from history and from incomplete bars, but say nothing on them. */
    if (side == 0 || (batch->flags & AEGIS_BATCH_WARMUP) || !(event->flags & AEGIS_EVENT_COMPLETE)) continue;
    if (batch->out_count >= batch->out_capacity) return AEGIS_E_OVERFLOW;
    batch->out[batch->out_count++] = (aegis_signal){
        .cause_seq = event->seq,
        .ts_ns = event->ts_ns,
        .horizon_ns = b->lookback * 60000000000,
        .return_fraction = (double)side * b->expected_fraction,
        .confidence = 0.65f,
        .stddev_fraction = NAN,
        .stop_fraction = NAN, /* the engine's default */
        .target_fraction = NAN,
        .instrument = event->instrument,
    };
  }
  return AEGIS_OK;
}

/* ---- What an instance wants, which depends on its parameters ------------------------------------------------- */

static const aegis_subscription *list(aegis_instance *instance, uint32_t *count) {
  breakout *b = instance->data;
  b->wish = (aegis_subscription){.size = sizeof b->wish,
                                 .kind = AEGIS_EV_BAR,
                                 .timeframe = AEGIS_TIMEFRAME_1M,
                                 .warmup_bars = (uint32_t)b->lookback + 1};
  *count = 1;
  return &b->wish;
}

static const aegis_ext_subscriptions ext_subscriptions = {sizeof ext_subscriptions, 0, list};

/* ---- State, carried over a reload or a restart --------------------------------------------------------------- */

static aegis_status save(aegis_instance *instance, aegis_sink *sink) {
  breakout *b = instance->data;
  int64_t head[2] = {b->n_channels, b->lookback};
  aegis_status status = sink->write(sink, head, sizeof head);
  for (uint32_t i = 0; i < b->n_channels && status == AEGIS_OK; i++) {
    int64_t counts[2] = {b->channels[i].count, b->channels[i].previous};
    status = sink->write(sink, counts, sizeof counts);
    if (status == AEGIS_OK) status = sink->write(sink, b->channels[i].highs, 2 * (size_t)b->lookback * sizeof(double));
  }
  return status;
}

/* Exactly `count` bytes, however small the pieces are. */
static int read_all(aegis_source *source, void *bytes, size_t count) {
  for (size_t done = 0; done < count;) {
    int64_t n = source->read(source, (char *)bytes + done, count - done);
    if (n <= 0 || (uint64_t)n > count - done) return 0;
    done += (size_t)n;
  }
  return 1;
}

static const char *read_state(breakout *b, aegis_source *source) {
  int64_t head[2], counts[2];
  char extra;
  if (!read_all(source, head, sizeof head)) return "the saved state ends early";
  if (head[0] != b->n_channels) return "the state is for another number of instruments";
  if (head[1] != b->lookback) return "the state is for another lookback";
  for (uint32_t i = 0; i < b->n_channels; i++) {
    channel *c = &b->channels[i];
    if (!read_all(source, counts, sizeof counts) ||
        !read_all(source, c->highs, 2 * (size_t)b->lookback * sizeof(double)))
      return "the saved state ends early";
    if (counts[0] < 0 || counts[1] < -1 || counts[1] > 1) return "an instrument of the state is impossible";
    c->count = counts[0];
    c->previous = counts[1];
  }
  return source->read(source, &extra, 1) == 0 ? NULL : "the saved state has extra bytes";
}

static aegis_status load(aegis_instance *instance, aegis_source *source, uint32_t version, aegis_error *error) {
  if (version != STATE_VERSION) return fail(error, AEGIS_E_STATE_VERSION, "cannot read this state version");
  /* After a failure the host destroys the instance, so a half-read state harms nobody. */
  const char *reason = read_state(instance->data, source);
  return reason ? fail(error, AEGIS_E_STATE_CORRUPT, reason) : AEGIS_OK;
}

static const aegis_ext_state ext_state = {sizeof ext_state, 0, save, load};

static const void *get_extension(const aegis_descriptor *descriptor, const char *id) {
  (void)descriptor;
  if (!strcmp(id, AEGIS_EXT_SUBSCRIPTIONS)) return &ext_subscriptions;
  if (!strcmp(id, AEGIS_EXT_STATE)) return &ext_state;
  return NULL;
}

/* ---- Tables -------------------------------------------------------------------------------------------------- */

static const aegis_param params[] = {
    {.size = sizeof(aegis_param), .id = LOOKBACK, .type = AEGIS_T_I64, .name = "lookback", .unit = "bars",
     .help = "bars whose highs and lows make the channel", .def = {.type = AEGIS_T_I64, .v = {.i64 = 20}},
     .min = 2, .max = 500},
    {.size = sizeof(aegis_param), .id = EXPECTED, .type = AEGIS_T_F64, .flags = AEGIS_PARAM_RUNTIME,
     .name = "expected", .unit = "fraction", .help = "return to announce, without its sign",
     .def = {.type = AEGIS_T_F64, .v = {.f64 = 0.01}}, .min = 0.0001, .max = 1},
};

static const aegis_subscription subscriptions[] = {
    {.size = sizeof(aegis_subscription), .kind = AEGIS_EV_BAR, .timeframe = AEGIS_TIMEFRAME_1M, .warmup_bars = 21},
};

static const aegis_strategy strategy = {
    .size = sizeof(aegis_strategy),
    .create = create,
    .destroy = destroy,
    .process = process,
    .get_extension = get_extension,
};

static const aegis_descriptor descriptor = {
    .size = sizeof(aegis_descriptor),
    .kind = AEGIS_KIND_STRATEGY,
    .capabilities = AEGIS_CAP_DETERMINISTIC | AEGIS_CAP_STATEFUL | AEGIS_CAP_NEEDS_BARS | AEGIS_CAP_RT_SAFE,
    .id = "template-strategy",
    .name = "TemplateStrategy",
    .vendor = "",
    .version = "0.1.0",
    .description = "Follows a close outside the channel of the last bars",
    .license = "",
    .url = "",
    .n_params = sizeof params / sizeof params[0],
    .state_version = STATE_VERSION,
    .state_oldest = STATE_VERSION,
    .max_signals_per_event = 1,
    .params = params,
    .strategy = &strategy,
    .n_subscriptions = sizeof subscriptions / sizeof subscriptions[0],
    .subscriptions = subscriptions,
};

static const aegis_descriptor *const plugins[] = {&descriptor};

#if defined(__clang__)
#define COMPILER "clang-" __clang_version__
#else
#define COMPILER "gcc-" __VERSION__
#endif

static const aegis_entry entry = {
    .magic = AEGIS_ABI_MAGIC,
    .size = sizeof(aegis_entry),
    .abi_major = AEGIS_ABI_MAJOR,
    .abi_minor = AEGIS_ABI_MINOR,
    .toolchain = COMPILER,
    .n_plugins = 1,
    .plugins = plugins,
};

const aegis_entry *aegis_plugin_v1(void) { return &entry; }
