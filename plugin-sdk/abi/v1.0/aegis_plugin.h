/*
 * aegis plugin ABI, major 1.
 *
 * A plugin is a shared object with exactly one exported symbol, `aegis_plugin_v1`. It returns an entry, the entry
 * lists descriptors, a descriptor leads to the functions of one strategy. The engine sends batches of market events
 * and receives signals: *which return is expected, as a fraction*. Capital, position size, balances and orders never
 * cross this boundary; what to risk, and whether, is the engine's decision alone.
 *
 * Pure C11 and C++17; needs <stdint.h> and <stddef.h> only.
 *
 * Units     Time is int64 nanoseconds since 1970-01-01 UTC on the venue's clock. Prices are in quote currency,
 *           sizes in base currency. Every ratio is a fraction: 0.05 is 5 %. There are no percent anywhere.
 *
 * Threads   A tag in brackets is a promise about concurrency, not a particular OS thread.
 *           [control]   One at a time per image. May allocate, lock and read files.
 *           [strategy]  One at a time per instance; the OS thread may change between calls, with a happens-before.
 *                       No blocking and no I/O. Two instances of one plugin run at the same time: no mutable globals.
 *           [any]       From every thread, also at once.
 *
 * Memory    Who allocates frees. Strings and tables reachable from the entry live as long as the image, which is
 *           for ever: images are retired, never unmapped. All strings are UTF-8 and end with NUL.
 *
 * Growth    A structure that begins with `size` grows at its end only. The writer stores its own sizeof there; the
 *           reader copies min(size, sizeof) bytes over zeros, so a missing field reads as 0 or NULL. Elements of an
 *           array of such structures lie `size` bytes apart. The 64-byte records (event, signal) never grow: their
 *           distance in an array is part of the ABI. Unknown event kinds, flags and extension ids must be ignored.
 *
 * Faults    No exception, panic or error value other than aegis_status crosses. A trap or signal ends the process
 *           that hosts the plugin.
 *
 * Order     init -> create -> [state load] -> activate -> process ... process -> deactivate -> destroy.
 *           `reset` and state saving happen between two calls of process. Functions marked "may be NULL" may be.
 */
#ifndef AEGIS_PLUGIN_H
#define AEGIS_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define AEGIS_EXPORT __attribute__((visibility("default")))
#else
#define AEGIS_EXPORT
#endif

/* ---- Version ------------------------------------------------------------------------------------------------- */

/* "EGS1" read as a little-endian number; first field of aegis_entry and of aegis_info. */
#define AEGIS_ABI_MAGIC ((uint32_t)0x31534745)
/* A host loads a plugin with the same major, older or newer in minor. */
#define AEGIS_ABI_MAJOR ((uint16_t)1)
#define AEGIS_ABI_MINOR ((uint16_t)0)

/* ---- Status and error ---------------------------------------------------------------------------------------- */

/* 0 is success, negative is failure; a negative value not listed here reads as AEGIS_E_INTERNAL. */
typedef int32_t aegis_status;

#define AEGIS_OK ((aegis_status)0)
/* A parameter or argument is unusable; the message says which. */
#define AEGIS_E_INVALID ((aegis_status)-1)
#define AEGIS_E_UNSUPPORTED ((aegis_status)-2)
#define AEGIS_E_NO_MEMORY ((aegis_status)-3)
/* The saved state has a version this plugin does not read. */
#define AEGIS_E_STATE_VERSION ((aegis_status)-4)
#define AEGIS_E_STATE_CORRUPT ((aegis_status)-5)
/* More was produced than the caller's array holds. */
#define AEGIS_E_OVERFLOW ((aegis_status)-6)
#define AEGIS_E_MODEL ((aegis_status)-7)
/* Feature schema of model and plugin differ. */
#define AEGIS_E_SCHEMA ((aegis_status)-8)
#define AEGIS_E_TIMEOUT ((aegis_status)-9)
#define AEGIS_E_BUSY ((aegis_status)-10)
#define AEGIS_E_INTERNAL ((aegis_status)-11)
/* The caller asked for it, through aegis_progress. */
#define AEGIS_E_CANCELLED ((aegis_status)-12)

/* Where a function that can fail explains itself. Allocated and zeroed by the caller; may be NULL. 256 bytes. */
typedef struct aegis_error {
  aegis_status code;
  uint32_t reserved;
  /* One line for a person, cut at 247 bytes, always NUL-terminated. */
  char message[248];
} aegis_error;

/* ---- Events -------------------------------------------------------------------------------------------------- */

/* A closed candle: payload.bar. `ts_ns` is the candle's end, the moment at which it became known. */
#define AEGIS_EV_BAR ((uint16_t)1)
/* Best bid and ask: payload.quote. */
#define AEGIS_EV_QUOTE ((uint16_t)2)
/* One aggregate trade: payload.trade. */
#define AEGIS_EV_TRADE ((uint16_t)3)
/* A period of the subscription's `interval_ms` ended; no payload. */
#define AEGIS_EV_TIMER ((uint16_t)4)
/* A virtual lot opened for one of this plugin's own signals closed: payload.outcome. */
#define AEGIS_EV_OUTCOME ((uint16_t)5)
/* A RUNTIME parameter has a new value, already checked: payload.param. Needs no subscription. */
#define AEGIS_EV_PARAM ((uint16_t)6)
/* Market data is missing: payload.gap. */
#define AEGIS_EV_GAP ((uint16_t)7)
/* Mark price, index price and funding: payload.mark. */
#define AEGIS_EV_MARK ((uint16_t)8)

/* aegis_event.flags of a bar: its timeframe in the low byte, and marks above it. */
#define AEGIS_EVENT_TIMEFRAME_MASK ((uint16_t)0x00FF)
/* Every trade of the interval is in the bar. A bar without this mark opens no position. */
#define AEGIS_EVENT_COMPLETE ((uint16_t)0x0100)
/* No trade happened: all four prices repeat the last close, volume 0. */
#define AEGIS_EVENT_SYNTHETIC ((uint16_t)0x0200)
/* The bar came from stored or fetched history, not from trades seen by this run. */
#define AEGIS_EVENT_BACKFILLED ((uint16_t)0x0400)
/* aegis_event.flags of a trade: the aggressor sold into a resting buy order. */
#define AEGIS_EVENT_BUYER_IS_MAKER ((uint16_t)0x0800)

#define AEGIS_TIMEFRAME_1M ((uint32_t)0)
#define AEGIS_TIMEFRAME_5M ((uint32_t)1)
#define AEGIS_TIMEFRAME_15M ((uint32_t)2)
#define AEGIS_TIMEFRAME_1H ((uint32_t)3)
#define AEGIS_TIMEFRAME_1D ((uint32_t)4)

typedef struct aegis_bar {
  double open, high, low, close;
  /* Base currency traded. */
  double volume;
} aegis_bar;

typedef struct aegis_quote {
  double bid, ask, bid_size, ask_size;
  double reserved;
} aegis_quote;

typedef struct aegis_trade {
  double price, size;
  /* The exchange's aggregate trade id; consecutive per instrument. */
  uint64_t trade_id;
  uint64_t reserved[2];
} aegis_trade;

typedef struct aegis_mark {
  double mark, index;
  /* The rate of the next funding: 0.0001 means longs pay 0.01 %. */
  double funding_fraction;
  int64_t next_funding_ns;
  uint64_t reserved;
} aegis_mark;

/* Why an outcome closed; also stored with trades. */
#define AEGIS_CLOSE_STOP ((uint64_t)2)
#define AEGIS_CLOSE_TARGET ((uint64_t)3)
#define AEGIS_CLOSE_TIME ((uint64_t)4)
#define AEGIS_CLOSE_REVERSAL ((uint64_t)5)
#define AEGIS_CLOSE_FLATTEN ((uint64_t)6)
#define AEGIS_CLOSE_VENUE ((uint64_t)7)

typedef struct aegis_outcome {
  double entry_price, exit_price;
  /* Net of fees, positive = the signal was right. */
  double return_fraction;
  /* AEGIS_CLOSE_*. */
  uint64_t reason;
  /* The `tag` of the signal that opened it. */
  uint64_t tag;
} aegis_outcome;

/* A typed value. 16 bytes. */
#define AEGIS_T_BOOL ((uint32_t)1) /* v.i64 is 0 or 1 */
#define AEGIS_T_I64 ((uint32_t)2)  /* v.i64 */
#define AEGIS_T_F64 ((uint32_t)3)  /* v.f64, finite or, where the parameter allows it, NaN = not given */
#define AEGIS_T_STR ((uint32_t)4)  /* v.str, `len` bytes and a NUL */
#define AEGIS_T_ENUM ((uint32_t)5) /* v.i64 is the index into the parameter's choices */

typedef union aegis_value_union {
  int64_t i64;
  double f64;
  const char *str;
} aegis_value_union;

typedef struct aegis_value {
  uint32_t type; /* AEGIS_T_* */
  uint32_t len;
  aegis_value_union v;
} aegis_value;

typedef struct aegis_param_change {
  uint32_t id;
  uint32_t reserved0;
  aegis_value value; /* a string is valid during process only */
  uint64_t reserved[2];
} aegis_param_change;

typedef struct aegis_gap {
  /* The interval without data; equal when only the moment of discovery is known. */
  int64_t from_ns, to_ns;
  /* How many events are missing; 0 = unknown. */
  uint64_t missing;
  uint64_t reserved[2];
} aegis_gap;

typedef union aegis_payload {
  aegis_bar bar;
  aegis_quote quote;
  aegis_trade trade;
  aegis_mark mark;
  aegis_outcome outcome;
  aegis_param_change param;
  aegis_gap gap;
  uint64_t raw[5];
} aegis_payload;

/* One market fact: one cache line, fixed for the whole major. */
typedef struct aegis_event {
  /* When it became known, by the venue's clock. Never decreases from event to event. */
  int64_t ts_ns;
  aegis_payload u;
  /* Index into aegis_config.instruments; UINT32_MAX when the event concerns none. */
  uint32_t instrument;
  /* AEGIS_EV_*. Ignore kinds you do not know. */
  uint16_t kind;
  /* AEGIS_EVENT_*. Ignore bits you do not know. */
  uint16_t flags;
  /* Position in the engine's input order. Strictly increasing, not consecutive. */
  uint64_t seq;
} aegis_event;

/* ---- Signals ------------------------------------------------------------------------------------------------- */

/* The confidence was fitted to outcomes. */
#define AEGIS_SIGNAL_CALIBRATED ((uint16_t)1)
/* A feature row only: stored for learning, never traded. */
#define AEGIS_SIGNAL_OBSERVATION ((uint16_t)2)
/* The idea is over: close what it opened, open nothing. The other fields still obey their rules. */
#define AEGIS_SIGNAL_FLAT ((uint16_t)4)

/*
 * What the plugin expects of one instrument. One cache line, fixed for the whole major.
 *
 * The host refuses and counts a signal that breaks a rule below; a refused signal never becomes an order, and a
 * plugin that keeps sending them is taken out of service.
 */
typedef struct aegis_signal {
  /* `seq` of the event that caused it; an event of the batch being processed. */
  uint64_t cause_seq;
  /* When it was decided: not before the cause's ts_ns, not after the batch's now_ns. */
  int64_t ts_ns;
  /* How long the expectation holds, from ts_ns. > 0. */
  int64_t horizon_ns;
  /* Expected gross return over the horizon, before costs: 0.05 = +5 %, negative expects a fall. Finite, |x| <= 1. */
  double return_fraction;
  /* Probability that a trade in that direction ends net positive. 0 ... 1. */
  float confidence;
  /* One standard deviation of the forecast, >= 0. NaN = not given. */
  float stddev_fraction;
  /* Distance from the entry price at which the idea is wrong. > 0. NaN = the engine's default. */
  float stop_fraction;
  /* Distance from the entry price at which the idea is done. > 0. NaN = the engine's default. */
  float target_fraction;
  /* Index into aegis_config.instruments; need not be the cause's. */
  uint32_t instrument;
  /* AEGIS_SIGNAL_*. */
  uint16_t flags;
  /* How many values of this signal's feature row were written; 0 = none, at most the descriptor's n_features. */
  uint16_t feature_count;
  /* The plugin's own mark, for example its model version; comes back in aegis_outcome. */
  uint64_t tag;
} aegis_signal;

/* Exactly one of the first three says what a batch is; a batch never mixes them. */
/* Now: signals count. */
#define AEGIS_BATCH_LIVE ((uint64_t)1)
/* Events since a saved state are repeated after a restart or a roll-back: signals are thrown away. */
#define AEGIS_BATCH_REPLAY ((uint64_t)2)
/* History before the first live event: update state, emit nothing. */
#define AEGIS_BATCH_WARMUP ((uint64_t)4)
/* A new version runs beside the active one: signals are compared, never traded. Set together with LIVE. */
#define AEGIS_BATCH_SHADOW ((uint64_t)8)

/*
 * Events in, signals out. 64 bytes. Owned by the host; valid only while `process` runs, as is all it points to.
 *
 * How events are cut into batches must not change the signals. A batch never spans a candle close that the plugin
 * can see.
 */
typedef struct aegis_batch {
  uint32_t size;
  uint32_t count;
  const aegis_event *events;
  /* The newest moment known; not before any event of the batch. The only clock a plugin may use. */
  int64_t now_ns;
  /* AEGIS_BATCH_*. */
  uint64_t flags;
  /* Where signals go, in the order of their causes. */
  aegis_signal *out;
  /* At least count x the descriptor's max_signals_per_event. */
  uint32_t out_capacity;
  /* 0 on entry; the plugin stores how many signals it has. Never write past out_capacity: a larger count is allowed,
     means "too many", and the host refuses the whole batch's signals. */
  uint32_t out_count;
  /* Row i (feature_stride floats) belongs to out[i]; NULL when the descriptor has no features. */
  float *features;
  uint32_t feature_stride;
  uint32_t reserved;
} aegis_batch;

/* ---- Parameters and configuration ---------------------------------------------------------------------------- */

/* May change while running, by an AEGIS_EV_PARAM event. */
#define AEGIS_PARAM_RUNTIME ((uint32_t)1)
#define AEGIS_PARAM_ADVANCED ((uint32_t)2)
/* Never print or store the value. */
#define AEGIS_PARAM_SECRET ((uint32_t)4)
/* AEGIS_T_F64 only: NaN is a legal value and means "not given". */
#define AEGIS_PARAM_OPTIONAL ((uint32_t)8)

/* One parameter of the schema. The host checks type, range and choice before `create`. 88 bytes. */
typedef struct aegis_param {
  uint32_t size;
  /* Stable for the plugin's major; unique in the schema. */
  uint32_t id;
  /* AEGIS_T_*. */
  uint32_t type;
  /* AEGIS_PARAM_*. */
  uint32_t flags;
  /* The word used in configuration: lower case, digits, `-` and `_`. */
  const char *name;
  /* "fraction", "bars", "ms"; "" when it has none. */
  const char *unit;
  /* One line. */
  const char *help;
  aegis_value def;
  /* Inclusive range of AEGIS_T_I64 and AEGIS_T_F64; both 0 = no range. */
  double min, max;
  /* Suggested increment for a user interface; 0 = none. */
  double step;
  /* AEGIS_T_ENUM: names, ended by NULL. Otherwise NULL. */
  const char *const *choices;
} aegis_param;

/* A checked value. 24 bytes. */
typedef struct aegis_param_value {
  uint32_t id;
  uint32_t reserved;
  aegis_value value;
} aegis_param_value;

/* Everything an instance may depend on besides its events. Valid while `create` runs: copy what you keep. 56 bytes. */
typedef struct aegis_config {
  uint32_t size;
  /* One value for every parameter of the schema, in schema order; values lie 24 bytes apart. */
  uint32_t n_params;
  const aegis_param_value *params;
  uint32_t n_instruments;
  uint32_t flags; /* none yet */
  /* Symbols, e.g. "BTCUSDT"; the index is the `instrument` of events and signals. */
  const char *const *instruments;
  /* A folder of this instance's own, without a final '/'; NULL = none. Only plugins with AEGIS_CAP_FILES use it. */
  const char *data_dir;
  /* For log lines. */
  const char *instance_name;
  /* The only source of randomness a DETERMINISTIC plugin may use. */
  uint64_t seed;
} aegis_config;

/* ---- Host ---------------------------------------------------------------------------------------------------- */

#define AEGIS_LOG_DEBUG ((int32_t)0)
#define AEGIS_LOG_INFO ((int32_t)1)
#define AEGIS_LOG_WARNING ((int32_t)2)
#define AEGIS_LOG_ERROR ((int32_t)3)

/* What the host offers. Valid from `create` until `destroy` returns; in `init` only until it returns. 48 bytes. */
typedef struct aegis_host {
  uint32_t size;
  uint32_t abi_minor;
  /* The host's own. */
  void *ctx;
  const char *name;
  const char *version;
  /* A host extension by id, or NULL. The table lives as long as the host pointer.   [any] */
  const void *(*get_extension)(const struct aegis_host *host, const char *id);
  /* Takes a copy of `len` bytes of text, one line; longer lines are cut. Not for process: it may allocate.   [any] */
  void (*log)(const struct aegis_host *host, int32_t level, const char *text, size_t len);
} aegis_host;

/* ---- Strategy ------------------------------------------------------------------------------------------------ */

struct aegis_descriptor;

/* One running strategy. Allocated by the plugin in `create`; may be the head of a larger structure. 8 bytes. */
typedef struct aegis_instance {
  void *data;
} aegis_instance;

/* The functions of a strategy. 64 bytes. */
typedef struct aegis_strategy {
  uint32_t size;
  uint32_t flags; /* none yet */
  /* Makes an instance and stores it in *out. On failure *out stays NULL and `error` says why.   [control] */
  aegis_status (*create)(const struct aegis_descriptor *descriptor, const aegis_host *host,
                         const aegis_config *config, aegis_instance **out, aegis_error *error);
  /* Frees the instance and joins its threads.   [control] */
  void (*destroy)(aegis_instance *instance);
  /* Events will follow. `now_ns` as in a batch. May be NULL.   [control] */
  aegis_status (*activate)(aegis_instance *instance, int64_t now_ns, aegis_error *error);
  /* No events until the next activate. May be NULL.   [control] */
  void (*deactivate)(aegis_instance *instance);
  /* Consumes all events of the batch and writes signals. A status other than AEGIS_OK discards them.   [strategy] */
  aegis_status (*process)(aegis_instance *instance, aegis_batch *batch);
  /* Forgets everything learnt from events: as after create. May be NULL.   [strategy] */
  void (*reset)(aegis_instance *instance);
  /* A plugin extension by exact id, or NULL. The table lives as long as the image. May be NULL.   [any] */
  const void *(*get_extension)(const struct aegis_descriptor *descriptor, const char *id);
} aegis_strategy;

/* ---- Descriptor ---------------------------------------------------------------------------------------------- */

#define AEGIS_KIND_STRATEGY ((uint32_t)1)
#define AEGIS_KIND_MODEL ((uint32_t)2)
#define AEGIS_KIND_FUNCTIONS ((uint32_t)3)

/* Promises of a plugin. The validator tests them where it can; they choose the sandbox where it cannot. */
/* Same events, parameters and seed give the same signals, however they are cut into batches. */
#define AEGIS_CAP_DETERMINISTIC ((uint64_t)0x1)
/* Has state worth carrying over a reload; offers aegis.state/1. */
#define AEGIS_CAP_STATEFUL ((uint64_t)0x2)
#define AEGIS_CAP_NEEDS_BARS ((uint64_t)0x4)
#define AEGIS_CAP_NEEDS_QUOTES ((uint64_t)0x8)
#define AEGIS_CAP_NEEDS_TRADES ((uint64_t)0x10)
#define AEGIS_CAP_NEEDS_OUTCOMES ((uint64_t)0x20)
/* `process` neither allocates, locks nor enters the kernel. */
#define AEGIS_CAP_RT_SAFE ((uint64_t)0x40)
/* Starts threads of its own and joins them in `destroy`. */
#define AEGIS_CAP_THREADS ((uint64_t)0x80)
#define AEGIS_CAP_NETWORK ((uint64_t)0x100)
#define AEGIS_CAP_FILES ((uint64_t)0x200)
#define AEGIS_CAP_GPU ((uint64_t)0x400)
/* Survives being unmapped. Nothing written in Swift can promise that. */
#define AEGIS_CAP_UNLOADABLE ((uint64_t)0x800)

/* One wish for events. Without a wish a kind is not sent. 24 bytes. */
typedef struct aegis_subscription {
  uint32_t size;
  /* AEGIS_EV_BAR, _QUOTE, _TRADE, _TIMER, _OUTCOME, _GAP or _MARK. */
  uint32_t kind;
  /* AEGIS_TIMEFRAME_* of a bar wish; else 0. */
  uint32_t timeframe;
  /* Bar wish: how many closed bars per instrument to send as WARMUP before the first live event; else 0. */
  uint32_t warmup_bars;
  /* Quote wish: at most one quote per instrument in this many milliseconds, 0 = every one. Timer wish: the period. */
  uint32_t interval_ms;
  uint32_t reserved;
} aegis_subscription;

/* What NaN in a feature row means. */
#define AEGIS_MISSING_NEVER ((uint32_t)0)   /* NaN is an error */
#define AEGIS_MISSING_ZERO ((uint32_t)1)    /* read as 0 */
#define AEGIS_MISSING_NATIVE ((uint32_t)2)  /* the model handles it */
#define AEGIS_MISSING_DROP ((uint32_t)3)    /* rows with it are not used for training */

/* One column of the feature schema. 48 bytes. */
typedef struct aegis_feature {
  uint32_t size;
  /* AEGIS_MISSING_*. */
  uint32_t missing;
  const char *name;
  const char *unit;
  const char *help;
  /* Inclusive range of legal values; both 0 = no range. */
  double minimum, maximum;
} aegis_feature;

/* One plugin of an image. 136 bytes. */
typedef struct aegis_descriptor {
  uint32_t size;
  /* AEGIS_KIND_*. */
  uint32_t kind;
  /* AEGIS_CAP_*. */
  uint64_t capabilities;
  /* Stable name in configuration and stored rows: 1-64 lower-case letters, digits, `-`, `_` and `.`. */
  const char *id;
  /* For people. */
  const char *name;
  const char *vendor;
  /* "1.4.0". */
  const char *version;
  const char *description;
  /* SPDX. */
  const char *license;
  const char *url;
  uint32_t n_params;
  /* What saving writes, and the oldest version loading accepts; both 0 without aegis.state/1. */
  uint32_t state_version;
  uint32_t state_oldest;
  /* Most signals one event can cause. 1 ... 256. */
  uint32_t max_signals_per_event;
  const aegis_param *params;
  /* Never NULL. Of a plugin of AEGIS_KIND_FUNCTIONS only get_extension is used; the rest may be NULL. */
  const aegis_strategy *strategy;
  /* The plugin's own; the host never touches it. */
  void *user;
  /* What an instance with default parameters wants; one that wants something else offers aegis.subscriptions/1. */
  uint32_t n_subscriptions;
  /* At most 4096. */
  uint32_t n_features;
  const aegis_subscription *subscriptions;
  const aegis_feature *features;
} aegis_descriptor;

/* ---- Entry --------------------------------------------------------------------------------------------------- */

/* Refuse me in hosts older than my minor. */
#define AEGIS_ENTRY_REQUIRE_MINOR ((uint32_t)1)

/* The root. 56 bytes. */
typedef struct aegis_entry {
  /* AEGIS_ABI_MAGIC. */
  uint32_t magic;
  uint32_t size;
  uint16_t abi_major;
  uint16_t abi_minor;
  /* AEGIS_ENTRY_*. */
  uint32_t flags;
  /* Compiler and version, e.g. "swift-6.3" or "gcc-12.2". */
  const char *toolchain;
  /* 1 ... 64. */
  uint32_t n_plugins;
  uint32_t reserved;
  const aegis_descriptor *const *plugins;
  /* Once per image, but must tolerate repeats. May be NULL.   [control] */
  aegis_status (*init)(const aegis_host *host, aegis_error *error);
  /* After the last destroy; the image stays mapped. May be NULL.   [control] */
  void (*deinit)(void);
} aegis_entry;

/* The one exported symbol. Returns the same pointer every time; never NULL. Runs no more than it must: the result
   should be constant data.   [control] */
AEGIS_EXPORT const aegis_entry *aegis_plugin_v1(void);

/* ---- Record in ELF section .aegis.info ----------------------------------------------------------------------- */

/* Lets a host say what a file is without running its code. Optional, recommended. 16 bytes. */
#define AEGIS_LANGUAGE_OTHER ((uint32_t)0)
#define AEGIS_LANGUAGE_C ((uint32_t)1)
#define AEGIS_LANGUAGE_CXX ((uint32_t)2)
#define AEGIS_LANGUAGE_SWIFT ((uint32_t)3)
#define AEGIS_LANGUAGE_RUST ((uint32_t)4)

typedef struct aegis_info {
  /* AEGIS_ABI_MAGIC. */
  uint32_t magic;
  uint16_t abi_major;
  uint16_t abi_minor;
  /* AEGIS_LANGUAGE_*. */
  uint32_t language;
  /* Compiler version as major x 10000 + minor x 100 + patch: 60301 is 6.3.1. */
  uint32_t toolchain;
} aegis_info;

#if defined(__clang__)
#define AEGIS_TOOLCHAIN (__clang_major__ * 10000 + __clang_minor__ * 100 + __clang_patchlevel__)
#elif defined(__GNUC__)
#define AEGIS_TOOLCHAIN (__GNUC__ * 10000 + __GNUC_MINOR__ * 100 + __GNUC_PATCHLEVEL__)
#endif

/* Once, at file scope of a C or C++ plugin: AEGIS_PLUGIN_INFO(AEGIS_LANGUAGE_C); `retain` outlives --gc-sections. */
#if defined(__GNUC__)
#define AEGIS_PLUGIN_INFO(language)                                                          \
  __attribute__((section(".aegis.info"), used, retain)) static const aegis_info aegis_plugin_info = { \
      AEGIS_ABI_MAGIC, AEGIS_ABI_MAJOR, AEGIS_ABI_MINOR, language, AEGIS_TOOLCHAIN}
#endif

/* ---- Byte streams -------------------------------------------------------------------------------------------- */

/* Takes bytes. Provided by the host, valid during the call it was passed to. 16 bytes. */
typedef struct aegis_sink {
  void *ctx;
  /* All or nothing; a failure ends the save. */
  aegis_status (*write)(struct aegis_sink *sink, const void *bytes, size_t count);
} aegis_sink;

/* Gives bytes, in pieces of any size. 16 bytes. */
typedef struct aegis_source {
  void *ctx;
  /* Returns how many bytes were stored, at most `capacity`, possibly fewer; 0 = the end; negative = an error. */
  int64_t (*read)(struct aegis_source *source, void *bytes, size_t capacity);
} aegis_source;

/* ---- Plugin extensions --------------------------------------------------------------------------------------- */

#define AEGIS_EXT_SUBSCRIPTIONS "aegis.subscriptions/1"

/* What one instance wants, when that depends on its parameters. 16 bytes. */
typedef struct aegis_ext_subscriptions {
  uint32_t size;
  uint32_t reserved;
  /* Replaces the descriptor's list for this instance; asked once, after create. Stores the number in *count. The
     array belongs to the instance and lives until destroy.   [control] */
  const aegis_subscription *(*list)(aegis_instance *instance, uint32_t *count);
} aegis_ext_subscriptions;

#define AEGIS_EXT_STATE "aegis.state/1"

/* Carrying state over a reload or restart. The host frames the bytes with id, version, seq and checksums. 24 bytes. */
typedef struct aegis_ext_state {
  uint32_t size;
  uint32_t reserved;
  /* Writes all that later signals depend on.   [strategy] */
  aegis_status (*save)(aegis_instance *instance, aegis_sink *sink);
  /* All or nothing. `version` is the state_version that wrote it. After a failure the instance is as new and will
     be destroyed. An empty source is an error.   [strategy] */
  aegis_status (*load)(aegis_instance *instance, aegis_source *source, uint32_t version, aegis_error *error);
} aegis_ext_state;

#define AEGIS_EXT_MODEL "aegis.model/1"

/* What a loaded model is. Lives until the next load or destroy. 80 bytes. */
typedef struct aegis_model_info {
  uint32_t size;
  uint32_t n_features;
  const aegis_feature *features;
  uint32_t n_outputs;
  uint32_t preferred_batch;
  /* Names of the outputs. */
  const char *const *outputs;
  /* Of the weights. */
  uint8_t sha256[32];
  /* No evaluation before this time: the model has seen it. */
  int64_t trained_until_ns;
  const char *model_version;
} aegis_model_info;

/* Inference. 32 bytes. */
typedef struct aegis_ext_model {
  uint32_t size;
  uint32_t reserved;
  /* Reads weights. All or nothing; AEGIS_E_SCHEMA when their feature schema is another.   [control] */
  aegis_status (*load)(aegis_instance *instance, const char *path, aegis_error *error);
  /* NULL before a model is loaded.   [control] */
  const aegis_model_info *(*info)(aegis_instance *instance);
  /* Row i starts at rows + i x row_stride, its n_outputs results at out + i x out_stride; strides in floats. Results
     do not depend on how rows are grouped.   [strategy] */
  aegis_status (*predict)(aegis_instance *instance, const float *rows, uint32_t n_rows, uint32_t row_stride,
                          float *out, uint32_t out_stride);
} aegis_ext_model;

#define AEGIS_EXT_TRAINER "aegis.trainer/1"

/* What a trainer learns from. Row i starts at rows + i x row_stride, oldest first. 64 bytes. */
typedef struct aegis_training_set {
  uint32_t size;
  uint32_t n_features;
  uint64_t n_rows;
  const float *rows;
  /* One per row; what it means is the plugin's to document. */
  const float *labels;
  /* One per row, >= 0; NULL = all 1. */
  const float *weights;
  /* When each row was decided on. */
  const int64_t *ts_ns;
  uint32_t row_stride; /* floats */
  uint32_t reserved0;
  uint64_t reserved1;
} aegis_training_set;

/* How far a long call is. Provided by the host, valid during the call it was passed to. 16 bytes. */
typedef struct aegis_progress {
  void *ctx;
  /* `fraction` of the work done, 0 ... 1. Anything but 0 asks to stop: clean up, return AEGIS_E_CANCELLED. */
  int32_t (*report)(struct aegis_progress *progress, double fraction);
} aegis_progress;

/* Fitting a model. Called in a learner process only, never where trades are decided. 24 bytes. */
typedef struct aegis_ext_trainer {
  uint32_t size;
  uint32_t n_options;
  /* What may be chosen, checked by the host like the parameters of an instance. */
  const aegis_param *options;
  /* Fits a model and writes it to `sink`, whole, in the form aegis.model/1 loads. `options` holds one value for every
     option, in their order. The same set, options, seed and thread count give the same bytes.   [control] */
  aegis_status (*fit)(aegis_instance *instance, const aegis_training_set *set, const aegis_param_value *options,
                      uint64_t seed, uint32_t n_threads, aegis_sink *sink, aegis_progress *progress,
                      aegis_error *error);
} aegis_ext_trainer;

#define AEGIS_EXT_FUNCTIONS "aegis.functions/1"

/* Depends on its arguments only and may be called from every thread. */
#define AEGIS_FUNCTION_PURE ((uint32_t)1)
/* Cell i of every output depends on cells 0 ... i of the inputs only. Others are for research: nothing that decides
   may call them. */
#define AEGIS_FUNCTION_CAUSAL ((uint32_t)2)

/*
 * An ordinary C function with its type as text, called by name from the command line and in expressions. 40 bytes.
 *
 * signature: ret '(' [arg {',' arg}] ')'
 *   ret   f64, i32, i64, bool (an int32_t of 0 or 1) or void
 *   arg   f64, i32, i64, bool (an int32_t of 0 or 1), str (const char *)
 *         f64*      const double *, always followed by an i64, its length: together one list
 *         f64*out   double *, room for one value per candle (per element of the first list without candles); the host
 *                   fills it with NaN before the call; becomes a column
 *         candles   const aegis_candles *, all columns but `flags` set, `flags` may be NULL
 * An argument may have a name and a default: "void(candles, i64 period=14, f64*out RSI)". Names may stand in double
 * quotes. At most 20 words: a list counts as two. A wrong signature is undefined behaviour.
 */
typedef struct aegis_function {
  uint32_t size;
  /* AEGIS_FUNCTION_*. */
  uint32_t flags;
  const char *name;
  const char *signature;
  const char *help;
  void (*fn)(void);
} aegis_function;

/* 16 bytes. */
typedef struct aegis_ext_functions {
  uint32_t size;
  uint32_t count;
  const aegis_function *functions;
} aegis_ext_functions;

/* ---- Host extensions ----------------------------------------------------------------------------------------- */

/* Closed candles as columns, oldest first: element count-1 is the newest. Read only. 64 bytes. */
typedef struct aegis_candles {
  uint32_t size;
  uint32_t count;
  const double *open;
  const double *high;
  const double *low;
  const double *close;
  const double *volume;
  const int64_t *open_time_ns;
  /* AEGIS_EVENT_COMPLETE, _SYNTHETIC, _BACKFILLED per candle. */
  const uint16_t *flags;
} aegis_candles;

#define AEGIS_HOST_CANDLES "aegis.host.candles/1"

/* Zero-copy windows over the engine's candles. 16 bytes. */
typedef struct aegis_host_candles {
  uint32_t size;
  uint32_t reserved;
  /* Points *out at the newest candles of (instrument, timeframe) that were closed at the event being processed: at
     most `count_max`, fewer when history is short. Columns are valid until `process` returns. The caller sets
     out->size. AEGIS_E_INVALID for an unknown instrument or timeframe; *out is then empty.   [strategy] */
  aegis_status (*window)(const aegis_host *host, uint32_t instrument, uint32_t timeframe, uint32_t count_max,
                         aegis_candles *out);
} aegis_host_candles;

#define AEGIS_HOST_ANNOTATE "aegis.host.annotate/1"

/* Something a plugin saw. It is recorded and shown, and decides nothing. 80 bytes. */
typedef struct aegis_annotation {
  uint32_t size;
  /* Index into aegis_config.instruments. */
  uint32_t instrument;
  /* The timeframe whose bars are counted below, AEGIS_TIMEFRAME_*. */
  uint32_t timeframe;
  /* 1 up, -1 down, 0 neither. */
  int32_t direction;
  /* `seq` of the event that showed it; an event of the batch being processed. */
  uint64_t cause_seq;
  /* Bars of this instrument and timeframe are counted from 0 since create or reset, warm-up included. `bar` is the one
     it was seen at, `origin` the one it began at, not after `bar`; -1 = none. */
  int64_t bar, origin;
  /* What it is: 1-47 bytes of `a`-`z`, `0`-`9`, `_`, `-` and `.`; valid during the call. */
  const char *name;
  /* Prices, and a number of the plugin's own. NaN = none. */
  double level, top, bottom, value;
} aegis_annotation;

/* Telling people what a plugin sees. 16 bytes. */
typedef struct aegis_host_annotate {
  uint32_t size;
  uint32_t reserved;
  /* Takes a copy. During process only; live, replayed and warm-up batches alike: the host keeps what it wants.
     AEGIS_E_INVALID when a rule above is broken, AEGIS_E_OVERFLOW when too many came; neither is fatal.
     [strategy] */
  aegis_status (*annotate)(const aegis_host *host, const aegis_annotation *annotation);
} aegis_host_annotate;

#define AEGIS_HOST_THREAD_CHECK "aegis.host.thread-check/1"

/* For debug builds: which of the tags above holds on the calling thread. 1 = yes. 24 bytes. */
typedef struct aegis_host_thread_check {
  uint32_t size;
  uint32_t reserved;
  int32_t (*is_control)(const aegis_host *host);  /* [any] */
  int32_t (*is_strategy)(const aegis_host *host); /* [any] */
} aegis_host_thread_check;

#ifdef __cplusplus
}
#endif

#endif /* AEGIS_PLUGIN_H */
