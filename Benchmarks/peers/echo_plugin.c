/* A plugin that answers every trade with one signal: cc -O2 -shared -fPIC -I plugin-sdk/include. */
#include <math.h>
#include <stdlib.h>

#include "aegis_plugin.h"

static aegis_status create(const aegis_descriptor *descriptor, const aegis_host *host, const aegis_config *config,
                           aegis_instance **out, aegis_error *error) {
  (void)descriptor, (void)host, (void)config, (void)error;
  *out = calloc(1, sizeof **out);
  return *out ? AEGIS_OK : AEGIS_E_NO_MEMORY;
}

static void destroy(aegis_instance *instance) { free(instance); }

static aegis_status process(aegis_instance *instance, aegis_batch *batch) {
  (void)instance;
  for (uint32_t i = 0; i < batch->count; i++) {
    const aegis_event *event = &batch->events[i];
    batch->out[batch->out_count++] = (aegis_signal){.cause_seq = event->seq,
                                                    .ts_ns = event->ts_ns,
                                                    .horizon_ns = 1000,
                                                    .return_fraction = 0.01,
                                                    .confidence = 0.5f,
                                                    .stddev_fraction = NAN,
                                                    .stop_fraction = NAN,
                                                    .target_fraction = NAN,
                                                    .instrument = event->instrument};
  }
  return AEGIS_OK;
}

static const aegis_strategy strategy = {.size = sizeof strategy, .create = create, .destroy = destroy, .process = process};
static const aegis_subscription subscriptions[] = {{.size = sizeof(aegis_subscription), .kind = AEGIS_EV_TRADE}};
static const aegis_descriptor descriptor = {.size = sizeof descriptor,
                                            .kind = AEGIS_KIND_STRATEGY,
                                            .id = "echo",
                                            .version = "1.0.0",
                                            .max_signals_per_event = 1,
                                            .strategy = &strategy,
                                            .n_subscriptions = 1,
                                            .subscriptions = subscriptions};
static const aegis_descriptor *const plugins[] = {&descriptor};
static const aegis_entry entry = {.magic = AEGIS_ABI_MAGIC,
                                  .size = sizeof entry,
                                  .abi_major = AEGIS_ABI_MAJOR,
                                  .abi_minor = AEGIS_ABI_MINOR,
                                  .toolchain = "cc",
                                  .n_plugins = 1,
                                  .plugins = plugins};

AEGIS_EXPORT const aegis_entry *aegis_plugin_v1(void) { return &entry; }
AEGIS_PLUGIN_INFO(AEGIS_LANGUAGE_C);
