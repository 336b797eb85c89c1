/*
 * A plugin as it was written for ABI 1.0, built against the frozen header beside it and loaded by today's host in the
 * test run. Never edited after the release of 1.0: every host of major 1 must go on running it unchanged.
 *
 * It uses what 1.0 has: typed parameters, subscriptions by parameters, features, state, typed functions, candle
 * windows, annotations and log lines. Every fourth complete minute bar of an instrument causes a signal whose tag is
 * the number of bars.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aegis_plugin.h"

AEGIS_PLUGIN_INFO(AEGIS_LANGUAGE_C);

typedef struct {
  aegis_instance base;
  const aegis_host *host;
  const aegis_host_candles *candles;
  const aegis_host_annotate *annotate;
  uint32_t timeframe, n_instruments;
  double expected_fraction;
  aegis_subscription wish;
  int64_t counts[];
} fossil;

static aegis_status create(const aegis_descriptor *descriptor, const aegis_host *host, const aegis_config *config,
                           aegis_instance **out, aegis_error *error) {
  if (config->size < sizeof *config || descriptor->user != (void *)descriptor->id || config->n_params != 3) {
    error->code = AEGIS_E_INTERNAL;
    snprintf(error->message, sizeof error->message, "the host broke the contract of 1.0");
    return AEGIS_E_INTERNAL;
  }
  fossil *f = calloc(1, sizeof *f + config->n_instruments * sizeof f->counts[0]);
  if (!f) return AEGIS_E_NO_MEMORY;
  f->base.data = f;
  f->host = host;
  f->candles = host->get_extension(host, AEGIS_HOST_CANDLES);
  f->annotate = host->get_extension(host, AEGIS_HOST_ANNOTATE);
  f->timeframe = (uint32_t)config->params[0].value.v.i64;
  f->expected_fraction = config->params[1].value.v.f64;
  f->n_instruments = config->n_instruments;
  host->log(host, AEGIS_LOG_INFO, config->params[2].value.v.str, config->params[2].value.len);
  *out = &f->base;
  return AEGIS_OK;
}

static void destroy(aegis_instance *instance) { free(instance->data); }

static aegis_status process(aegis_instance *instance, aegis_batch *batch) {
  fossil *f = instance->data;
  for (uint32_t i = 0; i < batch->count; i++) {
    const aegis_event *event = &batch->events[i];
    if (event->kind == AEGIS_EV_PARAM && event->u.param.id == 2) f->expected_fraction = event->u.param.value.v.f64;
    if (event->kind != AEGIS_EV_BAR || event->instrument >= f->n_instruments) continue;
    if ((event->flags & AEGIS_EVENT_TIMEFRAME_MASK) != f->timeframe) continue;
    int64_t count = ++f->counts[event->instrument];
    if (count % 4 != 0 || !(event->flags & AEGIS_EVENT_COMPLETE) || !(batch->flags & AEGIS_BATCH_LIVE)) continue;
    aegis_candles window = {.size = sizeof window};
    if (f->candles) f->candles->window(f->host, event->instrument, f->timeframe, 2, &window);
    if (f->annotate) {
      aegis_annotation mark = {.size = sizeof mark, .instrument = event->instrument, .timeframe = f->timeframe,
                               .direction = 1, .cause_seq = event->seq, .bar = count - 1, .origin = -1,
                               .name = "fourth", .level = event->u.bar.close, .top = NAN, .bottom = NAN, .value = NAN};
      f->annotate->annotate(f->host, &mark);
    }
    if (batch->out_count >= batch->out_capacity) return AEGIS_E_OVERFLOW;
    batch->features[batch->out_count * batch->feature_stride] = (float)window.count;
    batch->out[batch->out_count++] = (aegis_signal){
        event->seq, event->ts_ns, 60000000000, f->expected_fraction, 0.5f, NAN, NAN, NAN, event->instrument, 0, 1,
        (uint64_t)count};
  }
  return AEGIS_OK;
}

static void reset(aegis_instance *instance) {
  fossil *f = instance->data;
  memset(f->counts, 0, f->n_instruments * sizeof f->counts[0]);
}

static const aegis_subscription *list(aegis_instance *instance, uint32_t *count) {
  fossil *f = instance->data;
  f->wish = (aegis_subscription){sizeof f->wish, AEGIS_EV_BAR, f->timeframe, 3, 0, 0};
  *count = 1;
  return &f->wish;
}
static const aegis_ext_subscriptions ext_subscriptions = {sizeof ext_subscriptions, 0, list};

static aegis_status save(aegis_instance *instance, aegis_sink *sink) {
  fossil *f = instance->data;
  return sink->write(sink, f->counts, f->n_instruments * sizeof f->counts[0]);
}

static aegis_status load(aegis_instance *instance, aegis_source *source, uint32_t version, aegis_error *error) {
  fossil *f = instance->data;
  char *bytes = (char *)f->counts, extra;
  size_t count = f->n_instruments * sizeof f->counts[0];
  if (version != 1) return AEGIS_E_STATE_VERSION;
  while (count > 0) {
    int64_t n = source->read(source, bytes, count);
    if (n <= 0) {
      if (error) snprintf(error->message, sizeof error->message, "the saved state ends early");
      return AEGIS_E_STATE_CORRUPT;
    }
    bytes += n;
    count -= (size_t)n;
  }
  return source->read(source, &extra, 1) == 0 ? AEGIS_OK : AEGIS_E_STATE_CORRUPT;
}
static const aegis_ext_state ext_state = {sizeof ext_state, 0, save, load};

static double twice(double value) { return 2 * value; }
static const aegis_function functions[] = {
    {sizeof functions[0], AEGIS_FUNCTION_PURE | AEGIS_FUNCTION_CAUSAL, "twice", "f64(f64 value)", "doubles",
     (void (*)(void))twice},
};
static const aegis_ext_functions ext_functions = {sizeof ext_functions, 1, functions};

static const void *get_extension(const aegis_descriptor *descriptor, const char *id) {
  (void)descriptor;
  if (!strcmp(id, AEGIS_EXT_SUBSCRIPTIONS)) return &ext_subscriptions;
  if (!strcmp(id, AEGIS_EXT_STATE)) return &ext_state;
  if (!strcmp(id, AEGIS_EXT_FUNCTIONS)) return &ext_functions;
  return NULL;
}

static const char *const timeframes[] = {"1m", "5m", NULL};
static const aegis_param params[] = {
    {sizeof(aegis_param), 1, AEGIS_T_ENUM, 0, "timeframe", "", "bars", {AEGIS_T_ENUM, 0, {.i64 = 0}}, 0, 0, 0, timeframes},
    {sizeof(aegis_param), 2, AEGIS_T_F64, AEGIS_PARAM_RUNTIME, "expected", "fraction", "return",
     {AEGIS_T_F64, 0, {.f64 = 0.25}}, 0.001, 1, 0.01, NULL},
    {sizeof(aegis_param), 3, AEGIS_T_STR, AEGIS_PARAM_ADVANCED, "greeting", "", "logged at the start",
     {AEGIS_T_STR, 5, {.str = "hello"}}, 0, 0, 0, NULL},
};
static const aegis_subscription subscriptions[] = {{sizeof(aegis_subscription), AEGIS_EV_BAR, 0, 3, 0, 0}};
static const aegis_feature features[] = {
    {sizeof(aegis_feature), AEGIS_MISSING_NEVER, "candles", "", "how many the window has", 0, 2}};
static const aegis_strategy strategy = {sizeof strategy, 0, create, destroy, 0, 0, process, reset, get_extension};

static const char id[] = "fossil-1.0";
static const aegis_descriptor descriptor = {
    .size = sizeof descriptor, .kind = AEGIS_KIND_STRATEGY,
    .capabilities = AEGIS_CAP_DETERMINISTIC | AEGIS_CAP_STATEFUL | AEGIS_CAP_NEEDS_BARS,
    .id = id, .name = "Fossil", .vendor = "aegis", .version = "1.0.0", .description = "As it was for ABI 1.0",
    .license = "Apache-2.0", .url = "", .n_params = 3, .state_version = 1, .state_oldest = 1,
    .max_signals_per_event = 1, .params = params, .strategy = &strategy, .user = (void *)id, .n_subscriptions = 1,
    .n_features = 1, .subscriptions = subscriptions, .features = features};
static const aegis_descriptor *const plugins[] = {&descriptor};
static int initialised;
static aegis_status init(const aegis_host *host, aegis_error *error) {
  (void)error;
  initialised += host->size >= sizeof *host;
  return initialised ? AEGIS_OK : AEGIS_E_INTERNAL;
}
static const aegis_entry entry = {AEGIS_ABI_MAGIC, sizeof entry, AEGIS_ABI_MAJOR, AEGIS_ABI_MINOR, 0, "gcc", 1, 0,
                                  plugins, init, 0};
const aegis_entry *aegis_plugin_v1(void) { return &entry; }
