/*
 * Follows the sign of fast minus slow exponential average, per instrument: the C twin of Plugins/TrendFollower.
 * Same parameters, same arithmetic in the same order, so the same signals bit for bit. README.md explains it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aegis_plugin.h"

AEGIS_PLUGIN_INFO(AEGIS_LANGUAGE_C);

enum { STATE_VERSION = 1 };

enum {
  ID_SOURCE = 1,
  ID_TIMEFRAME,
  ID_FAST,
  ID_SLOW,
  ID_WARMUP,
  ID_ENTER_ON_START,
  ID_EXPECTED,
  ID_CONFIDENCE,
  ID_HORIZON,
  ID_STOP,
  ID_TARGET
};

/* What is known of one instrument; also the layout of the saved state. */
typedef struct {
  double fast, slow;
  int64_t count;     /* values absorbed */
  int64_t side;      /* +1 rising, -1 falling, 0 before the averages first differ */
  int64_t announced; /* the side the last signal named; also the side that needs no signal */
} state;

typedef struct {
  aegis_instance base;
  int uses_trades;
  uint32_t timeframe;
  int64_t slow_span;
  double fast_weight, slow_weight;
  int64_t warmup_count;
  int enters_on_start;
  double expected_fraction;
  float confidence;
  int64_t horizon_ns;
  float stop_fraction, target_fraction;
  aegis_subscription subscriptions[2];
  uint32_t n_states;
  state states[]; /* by instrument */
} follower;

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

static aegis_status create(const aegis_descriptor *descriptor, const aegis_host *host, const aegis_config *config,
                           aegis_instance **out, aegis_error *error) {
  (void)descriptor;
  (void)host;
  const aegis_value *v[ID_TARGET + 1];
  for (uint32_t id = ID_SOURCE; id <= ID_TARGET; id++) {
    v[id] = value_of(config, id);
    if (!v[id]) return fail(error, AEGIS_E_INTERNAL, "the host sent no value for a parameter");
  }
  if (v[ID_FAST]->v.i64 >= v[ID_SLOW]->v.i64) {
    char message[96];
    snprintf(message, sizeof message, "fast (%lld) must be less than slow (%lld)", (long long)v[ID_FAST]->v.i64,
             (long long)v[ID_SLOW]->v.i64);
    return fail(error, AEGIS_E_INVALID, message);
  }
  follower *f = calloc(1, sizeof *f + config->n_instruments * sizeof f->states[0]);
  if (!f) return fail(error, AEGIS_E_NO_MEMORY, "out of memory");
  f->base.data = f;
  f->uses_trades = v[ID_SOURCE]->v.i64 == 1;
  f->timeframe = (uint32_t)v[ID_TIMEFRAME]->v.i64;
  f->slow_span = v[ID_SLOW]->v.i64;
  f->fast_weight = 2.0 / (double)(v[ID_FAST]->v.i64 + 1);
  f->slow_weight = 2.0 / (double)(f->slow_span + 1);
  f->warmup_count = v[ID_WARMUP]->v.i64 == 0 ? f->slow_span : v[ID_WARMUP]->v.i64;
  f->enters_on_start = v[ID_ENTER_ON_START]->v.i64 != 0;
  f->expected_fraction = v[ID_EXPECTED]->v.f64;
  f->confidence = (float)v[ID_CONFIDENCE]->v.f64;
  f->horizon_ns = v[ID_HORIZON]->v.i64 * 60000000000;
  f->stop_fraction = (float)v[ID_STOP]->v.f64;
  f->target_fraction = (float)v[ID_TARGET]->v.f64;
  f->n_states = config->n_instruments;
  *out = &f->base;
  return AEGIS_OK;
}

static void destroy(aegis_instance *instance) { free(instance->data); }

static aegis_status announce(state *s, const follower *f, const aegis_event *event, aegis_batch *batch) {
  if (batch->out_count >= batch->out_capacity) return AEGIS_E_OVERFLOW;
  s->announced = s->side;
  batch->out[batch->out_count++] = (aegis_signal){
      .cause_seq = event->seq,
      .ts_ns = event->ts_ns,
      .horizon_ns = f->horizon_ns,
      .return_fraction = (double)s->side * f->expected_fraction,
      .confidence = f->confidence,
      .stddev_fraction = NAN,
      .stop_fraction = f->stop_fraction,
      .target_fraction = f->target_fraction,
      .instrument = event->instrument,
  };
  return AEGIS_OK;
}

/* Moves both averages to the next value and announces a side that is news. */
static aegis_status absorb(double value, int may_act, int is_warmup, state *s, const follower *f,
                           const aegis_event *event, aegis_batch *batch) {
  if (s->count == 0) {
    s->fast = value;
    s->slow = value;
  } else {
    s->fast += f->fast_weight * (value - s->fast);
    s->slow += f->slow_weight * (value - s->slow);
  }
  if (s->fast > s->slow)
    s->side = 1;
  else if (s->fast < s->slow)
    s->side = -1;
  int is_ready = s->count >= f->warmup_count;
  s->count++;
  if (may_act && is_ready) {
    if (s->side != s->announced) return announce(s, f, event, batch);
  } else if (!f->enters_on_start && (is_warmup || !is_ready)) {
    s->announced = s->side; /* a side found in warm-up is no news later */
  }
  return AEGIS_OK;
}

static aegis_status process(aegis_instance *instance, aegis_batch *batch) {
  follower *f = instance->data;
  int is_warmup = (batch->flags & AEGIS_BATCH_WARMUP) != 0;
  aegis_status status = AEGIS_OK;
  for (uint32_t i = 0; i < batch->count && status == AEGIS_OK; i++) {
    const aegis_event *event = &batch->events[i];
    if (event->instrument >= f->n_states) continue;
    state *s = &f->states[event->instrument];
    if (event->kind == AEGIS_EV_BAR && !f->uses_trades) {
      if ((event->flags & AEGIS_EVENT_TIMEFRAME_MASK) != f->timeframe) continue;
      int may_act = !is_warmup && (event->flags & AEGIS_EVENT_COMPLETE) != 0;
      status = absorb(event->u.bar.close, may_act, is_warmup, s, f, event, batch);
    } else if (event->kind == AEGIS_EV_TRADE && f->uses_trades) {
      status = absorb(event->u.trade.price, !is_warmup, is_warmup, s, f, event, batch);
    } else if (event->kind == AEGIS_EV_QUOTE && f->enters_on_start && !f->uses_trades) {
      if (s->announced == 0 && s->side != 0 && s->count >= f->warmup_count && !is_warmup)
        status = announce(s, f, event, batch);
    }
  }
  return status;
}

/* ---- What an instance wants ---------------------------------------------------------------------------------- */

static const aegis_subscription *list(aegis_instance *instance, uint32_t *count) {
  follower *f = instance->data;
  if (f->uses_trades) {
    f->subscriptions[0] = (aegis_subscription){.size = sizeof(aegis_subscription), .kind = AEGIS_EV_TRADE};
    *count = 1;
    return f->subscriptions;
  }
  int64_t bars = f->warmup_count > 3 * f->slow_span ? f->warmup_count : 3 * f->slow_span;
  f->subscriptions[0] = (aegis_subscription){.size = sizeof(aegis_subscription),
                                             .kind = AEGIS_EV_BAR,
                                             .timeframe = f->timeframe,
                                             .warmup_bars = (uint32_t)(bars < 1500 ? bars : 1500)};
  /* Quotes only say that an instrument is live, so one a second is plenty. */
  f->subscriptions[1] =
      (aegis_subscription){.size = sizeof(aegis_subscription), .kind = AEGIS_EV_QUOTE, .interval_ms = 1000};
  *count = f->enters_on_start ? 2 : 1;
  return f->subscriptions;
}

static const aegis_ext_subscriptions ext_subscriptions = {sizeof ext_subscriptions, 0, list};

/* ---- State --------------------------------------------------------------------------------------------------- */

static aegis_status save(aegis_instance *instance, aegis_sink *sink) {
  follower *f = instance->data;
  uint64_t n = f->n_states;
  aegis_status status = sink->write(sink, &n, sizeof n);
  return status ? status : sink->write(sink, f->states, n * sizeof f->states[0]);
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

static const char *read_states(aegis_source *source, state *states, uint32_t n_states) {
  uint64_t n;
  char extra;
  if (!read_all(source, &n, sizeof n)) return "the saved state ends early";
  if (n != n_states) return "the state is for another number of instruments";
  if (!read_all(source, states, n * sizeof *states)) return "the saved state ends early";
  if (source->read(source, &extra, 1) != 0) return "the saved state has extra bytes";
  for (uint64_t i = 0; i < n; i++) {
    const state *s = &states[i];
    if (!isfinite(s->fast) || !isfinite(s->slow) || s->count < 0 || s->side < -1 || s->side > 1 ||
        s->announced < -1 || s->announced > 1)
      return "an instrument of the state is impossible";
  }
  return NULL;
}

static aegis_status load(aegis_instance *instance, aegis_source *source, uint32_t version, aegis_error *error) {
  follower *f = instance->data;
  if (version != STATE_VERSION) return fail(error, AEGIS_E_STATE_VERSION, "cannot read this state version");
  const char *reason = read_states(source, f->states, f->n_states);
  if (!reason) return AEGIS_OK;
  memset(f->states, 0, f->n_states * sizeof f->states[0]); /* all or nothing */
  return fail(error, AEGIS_E_STATE_CORRUPT, reason);
}

static const aegis_ext_state ext_state = {sizeof ext_state, 0, save, load};

static const void *get_extension(const aegis_descriptor *descriptor, const char *id) {
  (void)descriptor;
  if (!strcmp(id, AEGIS_EXT_SUBSCRIPTIONS)) return &ext_subscriptions;
  if (!strcmp(id, AEGIS_EXT_STATE)) return &ext_state;
  return NULL;
}

/* ---- Tables -------------------------------------------------------------------------------------------------- */

static const char *const sources[] = {"bars", "trades", NULL};
static const char *const timeframes[] = {"1m", "5m", "15m", "1h", "1d", NULL};

#define PARAM(ID, TYPE, NAME, UNIT, FLAGS, FIELD, DEFAULT, MIN, MAX, CHOICES, HELP)                            \
  {                                                                                                            \
    .size = sizeof(aegis_param), .id = ID, .type = TYPE, .flags = FLAGS, .name = NAME, .unit = UNIT,           \
    .help = HELP, .def = {.type = TYPE, .v = {.FIELD = DEFAULT}}, .min = MIN, .max = MAX, .choices = CHOICES   \
  }

static const aegis_param params[] = {
    PARAM(ID_SOURCE, AEGIS_T_ENUM, "source", "", 0, i64, 0, 0, 0, sources, "what the averages are taken over"),
    PARAM(ID_TIMEFRAME, AEGIS_T_ENUM, "timeframe", "", 0, i64, 0, 0, 0, timeframes,
          "length of a bar; unused for trades"),
    PARAM(ID_FAST, AEGIS_T_I64, "fast", "bars", 0, i64, 10, 1, 1000000, NULL, "span of the fast average"),
    PARAM(ID_SLOW, AEGIS_T_I64, "slow", "bars", 0, i64, 30, 2, 1000000, NULL, "span of the slow average"),
    PARAM(ID_WARMUP, AEGIS_T_I64, "warmup", "bars", 0, i64, 0, 0, 10000000, NULL,
          "values per instrument before the first signal; 0 = as many as slow"),
    PARAM(ID_ENTER_ON_START, AEGIS_T_BOOL, "enter_on_start", "", 0, i64, 1, 0, 0, NULL,
          "announce the side found in warm-up at the first live event, not only later changes"),
    PARAM(ID_EXPECTED, AEGIS_T_F64, "expected", "fraction", 0, f64, 0.02, 0.0001, 1, NULL,
          "return to announce, without its sign"),
    PARAM(ID_CONFIDENCE, AEGIS_T_F64, "confidence", "", 0, f64, 0.65, 0, 1, NULL,
          "confidence to announce; a guess, not fitted"),
    PARAM(ID_HORIZON, AEGIS_T_I64, "horizon_minutes", "minutes", 0, i64, 120, 1, 10080, NULL,
          "how long a signal holds"),
    PARAM(ID_STOP, AEGIS_T_F64, "stop", "fraction", AEGIS_PARAM_OPTIONAL, f64, NAN, 0.00001, 1, NULL,
          "stop distance; none = the engine's default"),
    PARAM(ID_TARGET, AEGIS_T_F64, "target", "fraction", AEGIS_PARAM_OPTIONAL, f64, NAN, 0.00001, 1, NULL,
          "target distance; none = the engine's default"),
};

static const aegis_subscription subscriptions[] = {
    {.size = sizeof(aegis_subscription), .kind = AEGIS_EV_BAR, .timeframe = AEGIS_TIMEFRAME_1M, .warmup_bars = 90},
    {.size = sizeof(aegis_subscription), .kind = AEGIS_EV_QUOTE, .interval_ms = 1000},
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
    .capabilities =
        AEGIS_CAP_DETERMINISTIC | AEGIS_CAP_STATEFUL | AEGIS_CAP_NEEDS_BARS | AEGIS_CAP_RT_SAFE,
    .id = "trend-follower-c",
    .name = "Trend follower in C",
    .vendor = "aegis",
    .version = "1.0.0",
    .description = "Sides with the faster of two moving averages",
    .license = "Apache-2.0",
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
