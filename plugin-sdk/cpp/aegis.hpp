/*
 * The aegis plugin SDK for C++17: one include, no library to link.
 *
 *   #include "aegis.hpp"
 *
 *   class Mine final : public aegis::Strategy {
 *    public:
 *     static void describe(aegis::Description &plugin);              // id, version, parameters, subscriptions
 *     explicit Mine(const aegis::Config &config);                    // throw aegis::Error to refuse
 *     void process(const aegis::Events &events, aegis::SignalWriter &out) override;
 *   };
 *   AEGIS_EXPORT_PLUGIN(Mine)
 *
 * No exception leaves a plugin: each function the host calls is noexcept, catches everything and turns it into a
 * status and its text. The rules of aegis_plugin.h hold here as well: no mutable globals, time from events only,
 * chance from Config::seed() only. Build with -fvisibility=hidden -fvisibility-inlines-hidden -fno-gnu-unique.
 */
#ifndef AEGIS_HPP
#define AEGIS_HPP

#include <cmath>
#include <cstdint>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "aegis_plugin.h"

namespace aegis {

constexpr double none = std::numeric_limits<double>::quiet_NaN();
constexpr float none_f = std::numeric_limits<float>::quiet_NaN();

/* Why something cannot be done: one line for the operator, of which 247 bytes cross the boundary. */
class Error : public std::exception {
 public:
  explicit Error(std::string message, aegis_status code = AEGIS_E_INVALID)
      : message_(std::move(message)), code_(code) {}
  const char *what() const noexcept override { return message_.c_str(); }
  aegis_status code() const noexcept { return code_; }

 private:
  std::string message_;
  aegis_status code_;
};

enum class Timeframe : std::uint32_t {
  minute1 = AEGIS_TIMEFRAME_1M,
  minute5 = AEGIS_TIMEFRAME_5M,
  minute15 = AEGIS_TIMEFRAME_15M,
  hour1 = AEGIS_TIMEFRAME_1H,
  day1 = AEGIS_TIMEFRAME_1D
};

/* ---- What a plugin says about itself ------------------------------------------------------------------------- */

/* One parameter of the schema; the host checks values before the strategy sees them. */
struct Parameter {
  aegis_param raw{};
  std::vector<const char *> choices;

  /* Changeable while running: the new value arrives as an AEGIS_EV_PARAM event. */
  Parameter runtime() const { return with(AEGIS_PARAM_RUNTIME); }
  Parameter advanced() const { return with(AEGIS_PARAM_ADVANCED); }
  Parameter secret() const { return with(AEGIS_PARAM_SECRET); }

 private:
  Parameter with(std::uint32_t flag) const {
    Parameter copy = *this;
    copy.raw.flags |= flag;
    return copy;
  }
};

namespace detail {
inline Parameter parameter(std::uint32_t id, std::uint32_t type, const char *name, const char *unit, const char *help) {
  Parameter result;
  result.raw.size = sizeof(aegis_param);
  result.raw.id = id;
  result.raw.type = type;
  result.raw.name = name;
  result.raw.unit = unit;
  result.raw.help = help;
  result.raw.def.type = type;
  return result;
}
}  // namespace detail

inline Parameter flag(std::uint32_t id, const char *name, bool value, const char *help) {
  Parameter result = detail::parameter(id, AEGIS_T_BOOL, name, "", help);
  result.raw.def.v.i64 = value ? 1 : 0;
  return result;
}

inline Parameter integer(std::uint32_t id, const char *name, std::int64_t value, std::int64_t min, std::int64_t max,
                         const char *unit, const char *help) {
  Parameter result = detail::parameter(id, AEGIS_T_I64, name, unit, help);
  result.raw.def.v.i64 = value;
  result.raw.min = static_cast<double>(min);
  result.raw.max = static_cast<double>(max);
  return result;
}

inline Parameter number(std::uint32_t id, const char *name, double value, double min, double max, const char *unit,
                        const char *help) {
  Parameter result = detail::parameter(id, AEGIS_T_F64, name, unit, help);
  result.raw.def.v.f64 = value;
  result.raw.min = min;
  result.raw.max = max;
  return result;
}

/* A number that may be left out; it then reads as NaN. */
inline Parameter optional_number(std::uint32_t id, const char *name, double min, double max, const char *unit,
                                 const char *help) {
  Parameter result = number(id, name, none, min, max, unit, help);
  result.raw.flags = AEGIS_PARAM_OPTIONAL;
  return result;
}

inline Parameter text(std::uint32_t id, const char *name, const char *value, const char *help) {
  Parameter result = detail::parameter(id, AEGIS_T_STR, name, "", help);
  result.raw.def.len = static_cast<std::uint32_t>(std::strlen(value));
  result.raw.def.v.str = value;
  return result;
}

/* `index` is the default's position among the choices. */
inline Parameter choice(std::uint32_t id, const char *name, std::initializer_list<const char *> choices, int index,
                        const char *help) {
  Parameter result = detail::parameter(id, AEGIS_T_ENUM, name, "", help);
  result.raw.def.v.i64 = index;
  result.choices = choices;
  result.choices.push_back(nullptr);
  return result;
}

using Subscription = aegis_subscription;

namespace detail {
inline Subscription wish(std::uint16_t kind) {
  Subscription result{};
  result.size = sizeof(aegis_subscription);
  result.kind = kind;
  return result;
}
}  // namespace detail

/* Closed candles, and this many of them per instrument as warm-up before the first live event. */
inline Subscription bars(Timeframe timeframe, std::uint32_t warmup_bars = 0) {
  Subscription result = detail::wish(AEGIS_EV_BAR);
  result.timeframe = static_cast<std::uint32_t>(timeframe);
  result.warmup_bars = warmup_bars;
  return result;
}
/* At most one quote per instrument in this many milliseconds; 0 = every one. */
inline Subscription quotes(std::uint32_t interval_ms = 0) {
  Subscription result = detail::wish(AEGIS_EV_QUOTE);
  result.interval_ms = interval_ms;
  return result;
}
inline Subscription timer(std::uint32_t period_ms) {
  Subscription result = detail::wish(AEGIS_EV_TIMER);
  result.interval_ms = period_ms;
  return result;
}
inline Subscription trades() { return detail::wish(AEGIS_EV_TRADE); }
inline Subscription marks() { return detail::wish(AEGIS_EV_MARK); }
inline Subscription gaps() { return detail::wish(AEGIS_EV_GAP); }
inline Subscription outcomes() { return detail::wish(AEGIS_EV_OUTCOME); }

/* One column of the feature schema. `missing` is one of AEGIS_MISSING_*. */
inline aegis_feature feature(const char *name, const char *unit, double minimum, double maximum, const char *help,
                             std::uint32_t missing = AEGIS_MISSING_NEVER) {
  aegis_feature result{};
  result.size = sizeof(aegis_feature);
  result.missing = missing;
  result.name = name;
  result.unit = unit;
  result.help = help;
  result.minimum = minimum;
  result.maximum = maximum;
  return result;
}

/* A C function with its type as text, in the grammar of aegis_function; a signature that is not the function's own
   type is undefined behaviour. `flags` is made of AEGIS_FUNCTION_*. */
template <typename Result, typename... Arguments>
aegis_function function(const char *name, const char *signature, std::uint32_t flags, const char *help,
                        Result (*function)(Arguments...)) {
  aegis_function result{};
  result.size = sizeof(aegis_function);
  result.flags = flags;
  result.name = name;
  result.signature = signature;
  result.help = help;
  result.fn = reinterpret_cast<void (*)(void)>(function);
  return result;
}

/* All texts must live as long as the image: use literals. */
struct Description {
  /* 1-64 lower-case letters, digits, '-', '_' and '.'. */
  const char *id = "";
  /* Such as "1.4.0". */
  const char *version = "";
  const char *name = "";
  const char *vendor = "";
  const char *summary = "";
  /* SPDX. */
  const char *license = "";
  const char *url = "";
  /* AEGIS_CAP_*: promises that the validator tests. */
  std::uint64_t capabilities = AEGIS_CAP_DETERMINISTIC;
  /* What save writes and the oldest load accepts; 0 = no state. */
  std::uint32_t state_version = 0;
  std::uint32_t state_oldest = 0;
  /* 1 ... 256. */
  std::uint32_t max_signals_per_event = 1;
  std::vector<Parameter> parameters;
  /* What an instance with default parameters wants. */
  std::vector<Subscription> subscriptions;
  std::vector<aegis_feature> features;
  std::vector<aegis_function> functions;
};

/* ---- What the host offers ------------------------------------------------------------------------------------ */

/* A column of candles; ends with the call of process. */
template <typename Value>
class Column {
 public:
  Column(const Value *start, std::size_t count) : start_(start), count_(start ? count : 0) {}
  std::size_t size() const noexcept { return count_; }
  const Value *begin() const noexcept { return start_; }
  const Value *end() const noexcept { return start_ + count_; }
  /* index < size(). */
  const Value &operator[](std::size_t index) const noexcept { return start_[index]; }
  const Value &back() const noexcept { return start_[count_ - 1]; }

 private:
  const Value *start_;
  std::size_t count_;
};

/* Closed candles as columns, oldest first. */
class Candles {
 public:
  explicit Candles(const aegis_candles &raw) : raw_(raw) {}
  std::size_t size() const noexcept { return raw_.count; }
  Column<double> open() const { return {raw_.open, size()}; }
  Column<double> high() const { return {raw_.high, size()}; }
  Column<double> low() const { return {raw_.low, size()}; }
  Column<double> close() const { return {raw_.close, size()}; }
  Column<double> volume() const { return {raw_.volume, size()}; }
  Column<std::int64_t> open_time_ns() const { return {raw_.open_time_ns, size()}; }
  Column<std::uint16_t> flags() const { return {raw_.flags, size()}; }

 private:
  aegis_candles raw_;
};

/* The fields of aegis_annotation for an event, everything optional absent. */
inline aegis_annotation annotation(const aegis_event &event, Timeframe timeframe, std::int32_t direction = 0) {
  aegis_annotation result{};
  result.size = sizeof(aegis_annotation);
  result.instrument = event.instrument;
  result.timeframe = static_cast<std::uint32_t>(timeframe);
  result.direction = direction;
  result.cause_seq = event.seq;
  result.bar = result.origin = -1;
  result.level = result.top = result.bottom = result.value = none;
  return result;
}

/* Works with a host that lacks a service: an older one, or none. Copy it in the constructor; valid until destroyed. */
class Host {
 public:
  explicit Host(const aegis_host *raw)
      : raw_(raw),
        candles_(table<aegis_host_candles>(AEGIS_HOST_CANDLES)),
        annotate_(table<aegis_host_annotate>(AEGIS_HOST_ANNOTATE)) {}

  const aegis_host *raw() const noexcept { return raw_; }
  bool has_candles() const noexcept { return candles_ && candles_->window; }
  bool has_annotations() const noexcept { return annotate_ && annotate_->annotate; }

  /* One line for the engine's log, AEGIS_LOG_*. Not from process: it may allocate.   [any] */
  void log(std::int32_t level, std::string_view text) const noexcept {
    if (raw_ && covers(offsetof(aegis_host, log)) && raw_->log) raw_->log(raw_, level, text.data(), text.size());
  }

  /* The newest candles closed at the event being processed; empty without the service.   [strategy] */
  Candles candles(std::uint32_t instrument, Timeframe timeframe, std::uint32_t count_max) const noexcept {
    aegis_candles window{};
    window.size = sizeof window;
    if (has_candles() &&
        candles_->window(raw_, instrument, static_cast<std::uint32_t>(timeframe), count_max, &window) != AEGIS_OK)
      window.count = 0;
    return Candles(window);
  }

  /* Shows people what the plugin saw; a refusal is never fatal.   [strategy] */
  aegis_status annotate(const char *name, aegis_annotation annotation) const noexcept {
    if (!has_annotations()) return AEGIS_E_UNSUPPORTED;
    annotation.name = name;
    return annotate_->annotate(raw_, &annotation);
  }

 private:
  template <typename Table>
  const Table *table(const char *id) const noexcept {
    if (!raw_ || !covers(offsetof(aegis_host, get_extension)) || !raw_->get_extension) return nullptr;
    const Table *table = static_cast<const Table *>(raw_->get_extension(raw_, id));
    return table && table->size >= sizeof(Table) ? table : nullptr;
  }
  bool covers(std::size_t offset) const noexcept { return raw_->size >= offset + sizeof(void *); }

  const aegis_host *raw_;
  const aegis_host_candles *candles_;
  const aegis_host_annotate *annotate_;
};

/* Everything an instance may depend on besides its events. Ends with the constructor: copy what you keep. */
class Config {
 public:
  Config(const aegis_config &raw, const aegis_host *host) : raw_(raw), host_(host) {}

  const Host &host() const noexcept { return host_; }
  std::uint64_t seed() const noexcept { return raw_.seed; }
  std::uint32_t instrument_count() const noexcept { return raw_.n_instruments; }
  const char *symbol(std::uint32_t instrument) const {
    return instrument < raw_.n_instruments ? raw_.instruments[instrument] : "";
  }
  /* nullptr = none. */
  const char *data_dir() const noexcept { return raw_.data_dir; }
  const char *instance_name() const noexcept { return raw_.instance_name ? raw_.instance_name : ""; }

  bool flag(std::uint32_t id) const { return value(id, AEGIS_T_BOOL).v.i64 != 0; }
  std::int64_t integer(std::uint32_t id) const { return value(id, AEGIS_T_I64).v.i64; }
  double number(std::uint32_t id) const { return value(id, AEGIS_T_F64).v.f64; }
  std::int64_t choice(std::uint32_t id) const { return value(id, AEGIS_T_ENUM).v.i64; }
  std::string text(std::uint32_t id) const {
    const aegis_value &found = value(id, AEGIS_T_STR);
    return found.v.str ? std::string(found.v.str, found.len) : std::string();
  }

 private:
  const aegis_value &value(std::uint32_t id, std::uint32_t type) const {
    for (std::uint32_t index = 0; index < raw_.n_params; ++index) {
      if (raw_.params[index].id != id) continue;
      if (raw_.params[index].value.type == type) return raw_.params[index].value;
      throw Error("parameter " + std::to_string(id) + " has another type", AEGIS_E_INTERNAL);
    }
    throw Error("the host sent no value for parameter " + std::to_string(id), AEGIS_E_INTERNAL);
  }

  const aegis_config &raw_;
  Host host_;
};

/* ---- Events in, signals out ---------------------------------------------------------------------------------- */

/* The events of one call, in order. Ends with the call. */
class Events {
 public:
  explicit Events(const aegis_batch &batch) : batch_(batch) {}
  std::size_t size() const noexcept { return batch_.count; }
  const aegis_event *begin() const noexcept { return batch_.events; }
  const aegis_event *end() const noexcept { return batch_.events + batch_.count; }
  const aegis_event &operator[](std::size_t index) const noexcept { return batch_.events[index]; }
  /* The newest moment known: the only clock there is. */
  std::int64_t now_ns() const noexcept { return batch_.now_ns; }
  /* History before the first live event: learn from it, emit nothing. */
  bool is_warmup() const noexcept { return (batch_.flags & AEGIS_BATCH_WARMUP) != 0; }
  bool is_replay() const noexcept { return (batch_.flags & AEGIS_BATCH_REPLAY) != 0; }

 private:
  const aegis_batch &batch_;
};

/* An event read as what it is; nullptr when it is something else. */
inline const aegis_bar *bar(const aegis_event &event, Timeframe timeframe) noexcept {
  const bool matches = event.kind == AEGIS_EV_BAR &&
                       (event.flags & AEGIS_EVENT_TIMEFRAME_MASK) == static_cast<std::uint32_t>(timeframe);
  return matches ? &event.u.bar : nullptr;
}
inline const aegis_quote *quote(const aegis_event &event) noexcept {
  return event.kind == AEGIS_EV_QUOTE ? &event.u.quote : nullptr;
}
inline const aegis_trade *trade(const aegis_event &event) noexcept {
  return event.kind == AEGIS_EV_TRADE ? &event.u.trade : nullptr;
}
inline const aegis_mark *mark(const aegis_event &event) noexcept {
  return event.kind == AEGIS_EV_MARK ? &event.u.mark : nullptr;
}
inline const aegis_gap *gap(const aegis_event &event) noexcept {
  return event.kind == AEGIS_EV_GAP ? &event.u.gap : nullptr;
}
inline const aegis_outcome *outcome(const aegis_event &event) noexcept {
  return event.kind == AEGIS_EV_OUTCOME ? &event.u.outcome : nullptr;
}
/* The new value of a runtime parameter, already checked by the host. */
inline const aegis_param_change *parameter_change(const aegis_event &event) noexcept {
  return event.kind == AEGIS_EV_PARAM ? &event.u.param : nullptr;
}
inline bool is_complete(const aegis_event &event) noexcept { return (event.flags & AEGIS_EVENT_COMPLETE) != 0; }
inline bool is_synthetic(const aegis_event &event) noexcept { return (event.flags & AEGIS_EVENT_SYNTHETIC) != 0; }
inline bool is_backfilled(const aegis_event &event) noexcept { return (event.flags & AEGIS_EVENT_BACKFILLED) != 0; }

/* A signal caused by `event` and decided at its time; stop, target and deviation are left to the engine. */
inline aegis_signal signal(const aegis_event &event, double return_fraction, float confidence,
                           std::int64_t horizon_ns) noexcept {
  aegis_signal result{};
  result.cause_seq = event.seq;
  result.ts_ns = event.ts_ns;
  result.horizon_ns = horizon_ns;
  result.return_fraction = return_fraction;
  result.confidence = confidence;
  result.stddev_fraction = result.stop_fraction = result.target_fraction = none_f;
  result.instrument = event.instrument;
  return result;
}

/* Where signals go. Ends with the call. */
class SignalWriter {
 public:
  explicit SignalWriter(aegis_batch &batch) : batch_(batch) {}

  /* One more than there is room for makes the host refuse the whole call. */
  void emit(const aegis_signal &signal) noexcept {
    if (batch_.out_count < batch_.out_capacity) batch_.out[batch_.out_count] = signal;
    ++batch_.out_count;
  }
  /* With the feature row it was decided on; values beyond the schema are left out. */
  void emit(aegis_signal signal, const float *row, std::size_t count) noexcept {
    if (count > batch_.feature_stride) count = batch_.feature_stride;
    signal.feature_count = static_cast<std::uint16_t>(count);
    if (batch_.features && count > 0 && batch_.out_count < batch_.out_capacity)
      std::memcpy(batch_.features + std::size_t{batch_.out_count} * batch_.feature_stride, row, count * sizeof *row);
    emit(signal);
  }
  /* A feature row for learning: never traded, counts as no signal. */
  void observe(const aegis_event &event, std::int64_t horizon_ns, const float *row, std::size_t count) noexcept {
    aegis_signal record = signal(event, 0, 0, horizon_ns);
    record.flags = AEGIS_SIGNAL_OBSERVATION;
    emit(record, row, count);
  }
  /* The idea about the event's instrument is over: close what it opened, open nothing. */
  void flat(const aegis_event &event) noexcept {
    aegis_signal record = signal(event, 0, 1, 1);
    record.flags = AEGIS_SIGNAL_FLAT;
    emit(record);
  }
  std::uint32_t count() const noexcept { return batch_.out_count; }
  bool is_overfull() const noexcept { return batch_.out_count > batch_.out_capacity; }

 private:
  aegis_batch &batch_;
};

/* ---- State --------------------------------------------------------------------------------------------------- */

/* Collects what Strategy::save writes, field after field. */
class StateWriter {
 public:
  template <typename Value>
  void write(const Value &value) {
    static_assert(std::is_trivially_copyable_v<Value>, "state is written as plain bytes");
    const auto *start = reinterpret_cast<const unsigned char *>(&value);
    bytes_.insert(bytes_.end(), start, start + sizeof value);
  }
  const std::vector<unsigned char> &bytes() const noexcept { return bytes_; }

 private:
  std::vector<unsigned char> bytes_;
};

/* Gives the fields back in the order they were written; throws AEGIS_E_STATE_CORRUPT when they end early. */
class StateReader {
 public:
  explicit StateReader(std::vector<unsigned char> bytes) : bytes_(std::move(bytes)) {}
  template <typename Value>
  Value read() {
    static_assert(std::is_trivially_copyable_v<Value>, "state is read as plain bytes");
    if (remaining() < sizeof(Value)) throw Error("the saved state ends early", AEGIS_E_STATE_CORRUPT);
    Value value;
    std::memcpy(&value, bytes_.data() + position_, sizeof value);
    position_ += sizeof value;
    return value;
  }
  std::size_t remaining() const noexcept { return bytes_.size() - position_; }
  void end() const {
    if (remaining() > 0) throw Error("the saved state has extra bytes", AEGIS_E_STATE_CORRUPT);
  }

 private:
  std::vector<unsigned char> bytes_;
  std::size_t position_ = 0;
};

/* ---- What an author writes ----------------------------------------------------------------------------------- */

/* One running strategy. Also needs `static void describe(aegis::Description &)` and a constructor from Config. */
class Strategy {
 public:
  Strategy() = default;
  Strategy(const Strategy &) = delete;
  Strategy &operator=(const Strategy &) = delete;
  virtual ~Strategy() = default;

  /* Consumes events and emits signals. No blocking and no I/O.   [strategy] */
  virtual void process(const Events &events, SignalWriter &out) = 0;
  /* What this instance wants, when that depends on its parameters. Asked once, after the constructor.   [control] */
  virtual std::optional<std::vector<Subscription>> subscriptions() const { return std::nullopt; }
  /* Writes all that later signals depend on.   [strategy] */
  virtual void save(StateWriter &) const {}
  /* Restores what save wrote; after a throw the instance is discarded. `version` is one that the description says can
     be read.   [strategy] */
  virtual void load(StateReader &, std::uint32_t) { throw Error("this plugin keeps no state", AEGIS_E_UNSUPPORTED); }
};

/* A plugin of functions only: needs `static void describe(aegis::Description &)` and nothing else. */
class FunctionLibrary {};

/* ---- The functions the host calls ---------------------------------------------------------------------------- */

namespace detail {

inline aegis_status report(aegis_error *error, aegis_status code, const char *message) noexcept {
  if (error) {
    error->code = code;
    std::size_t length = std::strlen(message);
    if (length >= sizeof error->message) {
      length = sizeof error->message - 1;
      /* Not in the middle of a character. */
      while (length > 0 && (static_cast<unsigned char>(message[length]) & 0xC0) == 0x80) --length;
    }
    std::memcpy(error->message, message, length);
    error->message[length] = 0;
  }
  return code;
}

/* The wall: nothing thrown in `body` leaves it. */
template <typename Body>
aegis_status guarded(aegis_error *error, Body &&body) noexcept {
  try {
    return body();
  } catch (const Error &failure) {
    return report(error, failure.code(), failure.what());
  } catch (const std::bad_alloc &) {
    return report(error, AEGIS_E_NO_MEMORY, "out of memory");
  } catch (const std::exception &failure) {
    return report(error, AEGIS_E_INTERNAL, failure.what());
  } catch (...) {
    return report(error, AEGIS_E_INTERNAL, "an exception of unknown type");
  }
}

/* One plugin's tables; lives as long as the image. */
struct Plugin {
  Description description;
  std::vector<aegis_param> parameters;
  aegis_ext_functions functions{};
  aegis_strategy strategy{};
  aegis_descriptor descriptor{};
};

struct Instance : aegis_instance {
  std::unique_ptr<Strategy> strategy;
  std::vector<Subscription> subscriptions;
  Host host{nullptr};
  std::uint32_t state_oldest = 0, state_version = 0;
};

inline Instance &instance_of(aegis_instance *raw) noexcept { return *static_cast<Instance *>(raw); }

template <typename Type>
aegis_status create(const aegis_descriptor *descriptor, const aegis_host *host, const aegis_config *config,
                    aegis_instance **out, aegis_error *error) noexcept {
  if (!descriptor || !config || !out) return AEGIS_E_INVALID;
  return guarded(error, [&] {
    auto instance = std::make_unique<Instance>();
    instance->host = Host(host);
    instance->state_oldest = descriptor->state_oldest;
    instance->state_version = descriptor->state_version;
    instance->strategy = std::make_unique<Type>(Config(*config, host));
    instance->subscriptions = instance->strategy->subscriptions().value_or(
        static_cast<const Plugin *>(descriptor->user)->description.subscriptions);
    *out = instance.release();
    return AEGIS_OK;
  });
}

inline void destroy(aegis_instance *raw) noexcept { delete static_cast<Instance *>(raw); }

inline aegis_status process(aegis_instance *raw, aegis_batch *batch) noexcept {
  if (!raw || !batch) return AEGIS_E_INVALID;
  aegis_error error{};
  SignalWriter out(*batch);
  const aegis_status status = guarded(&error, [&] {
    instance_of(raw).strategy->process(Events(*batch), out);
    return out.is_overfull() ? AEGIS_E_OVERFLOW : AEGIS_OK;
  });
  if (error.code != AEGIS_OK) instance_of(raw).host.log(AEGIS_LOG_ERROR, error.message);
  return status;
}

inline const aegis_subscription *subscriptions(aegis_instance *raw, std::uint32_t *count) noexcept {
  const auto &wishes = instance_of(raw).subscriptions;
  *count = static_cast<std::uint32_t>(wishes.size());
  return wishes.data();
}

inline aegis_status save(aegis_instance *raw, aegis_sink *sink) noexcept {
  return guarded(nullptr, [&] {
    StateWriter state;
    instance_of(raw).strategy->save(state);
    return sink->write(sink, state.bytes().data(), state.bytes().size());
  });
}

inline aegis_status load(aegis_instance *raw, aegis_source *source, std::uint32_t version,
                         aegis_error *error) noexcept {
  return guarded(error, [&] {
    const Instance &instance = instance_of(raw);
    if (version < instance.state_oldest || version > instance.state_version)
      throw Error("cannot read state version " + std::to_string(version) + ", only " +
                      std::to_string(instance.state_oldest) + " to " + std::to_string(instance.state_version),
                  AEGIS_E_STATE_VERSION);
    /* Larger than any strategy's state, small enough that a damaged length cannot fill memory. */
    constexpr std::size_t size_max = std::size_t{64} << 20;
    std::vector<unsigned char> bytes;
    unsigned char piece[4096];
    for (;;) {
      const std::int64_t count = source->read(source, piece, sizeof piece);
      if (count == 0) break;
      if (count < 0 || count > static_cast<std::int64_t>(sizeof piece))
        throw Error("the state cannot be read", AEGIS_E_STATE_CORRUPT);
      bytes.insert(bytes.end(), piece, piece + count);
      if (bytes.size() > size_max) throw Error("the state is larger than 64 MiB", AEGIS_E_STATE_CORRUPT);
    }
    if (bytes.empty()) throw Error("the state is empty", AEGIS_E_STATE_CORRUPT);
    StateReader state(std::move(bytes));
    instance_of(raw).strategy->load(state, version);
    state.end();
    return AEGIS_OK;
  });
}

inline const void *get_extension(const aegis_descriptor *descriptor, const char *id) noexcept {
  static constexpr aegis_ext_subscriptions subscription_table{sizeof(aegis_ext_subscriptions), 0, subscriptions};
  static constexpr aegis_ext_state state_table{sizeof(aegis_ext_state), 0, save, load};
  if (!descriptor || !id) return nullptr;
  const bool is_strategy = descriptor->kind == AEGIS_KIND_STRATEGY;
  const auto *plugin = static_cast<const Plugin *>(descriptor->user);
  if (!std::strcmp(id, AEGIS_EXT_FUNCTIONS)) return plugin->functions.count > 0 ? &plugin->functions : nullptr;
  if (is_strategy && !std::strcmp(id, AEGIS_EXT_SUBSCRIPTIONS)) return &subscription_table;
  if (is_strategy && !std::strcmp(id, AEGIS_EXT_STATE)) return descriptor->state_version ? &state_table : nullptr;
  return nullptr;
}

template <typename Type>
const aegis_descriptor *make_descriptor() {
  constexpr bool is_strategy = std::is_base_of_v<Strategy, Type>;
  static_assert(is_strategy || std::is_base_of_v<FunctionLibrary, Type>,
                "derive from aegis::Strategy or aegis::FunctionLibrary");
  /* Never freed: the host may read it until the process ends. */
  auto *plugin = new Plugin;
  Description &about = plugin->description;
  Type::describe(about);
  for (Parameter &parameter : about.parameters) {
    aegis_param raw = parameter.raw;
    raw.choices = parameter.choices.empty() ? nullptr : parameter.choices.data();
    plugin->parameters.push_back(raw);
  }
  plugin->functions.size = sizeof(aegis_ext_functions);
  plugin->functions.count = static_cast<std::uint32_t>(about.functions.size());
  plugin->functions.functions = about.functions.data();
  plugin->strategy.size = sizeof(aegis_strategy);
  plugin->strategy.get_extension = get_extension;
  if constexpr (is_strategy) {
    plugin->strategy.create = create<Type>;
    plugin->strategy.destroy = destroy;
    plugin->strategy.process = process;
  }
  aegis_descriptor &table = plugin->descriptor;
  table.size = sizeof(aegis_descriptor);
  table.kind = is_strategy ? AEGIS_KIND_STRATEGY : AEGIS_KIND_FUNCTIONS;
  table.capabilities = about.capabilities;
  table.id = about.id;
  table.name = *about.name ? about.name : about.id;
  table.vendor = about.vendor;
  table.version = about.version;
  table.description = about.summary;
  table.license = about.license;
  table.url = about.url;
  table.state_version = about.state_version;
  table.state_oldest = about.state_oldest ? about.state_oldest : about.state_version;
  table.max_signals_per_event = about.max_signals_per_event;
  table.n_params = static_cast<std::uint32_t>(plugin->parameters.size());
  table.params = plugin->parameters.data();
  table.strategy = &plugin->strategy;
  table.user = plugin;
  table.n_subscriptions = static_cast<std::uint32_t>(about.subscriptions.size());
  table.subscriptions = about.subscriptions.data();
  table.n_features = static_cast<std::uint32_t>(about.features.size());
  table.features = about.features.data();
  return &table;
}

#if defined(__clang__)
#define AEGIS_HPP_COMPILER "clang-" __clang_version__
#else
#define AEGIS_HPP_COMPILER "gcc-" __VERSION__
#endif

/* An entry whose plugins could not be described has none, which the host refuses with that reason. */
template <typename... Types>
const aegis_entry *make_entry() noexcept {
  static aegis_entry entry{};
  entry.magic = AEGIS_ABI_MAGIC;
  entry.size = sizeof entry;
  entry.abi_major = AEGIS_ABI_MAJOR;
  entry.abi_minor = AEGIS_ABI_MINOR;
  entry.toolchain = AEGIS_HPP_COMPILER;
  guarded(nullptr, [] {
    auto *plugins = new std::vector<const aegis_descriptor *>{make_descriptor<Types>()...};
    entry.plugins = plugins->data();
    entry.n_plugins = static_cast<std::uint32_t>(plugins->size());
    return AEGIS_OK;
  });
  return &entry;
}

}  // namespace detail
}  // namespace aegis

/* Once, at file scope: AEGIS_EXPORT_PLUGIN(Mine) or, with several in one image, AEGIS_EXPORT_PLUGIN(Mine, Other). */
#define AEGIS_EXPORT_PLUGIN(...)                                                        \
  AEGIS_PLUGIN_INFO(AEGIS_LANGUAGE_CXX);                                                \
  extern "C" AEGIS_EXPORT const aegis_entry *aegis_plugin_v1(void) {                    \
    static const aegis_entry *const entry = aegis::detail::make_entry<__VA_ARGS__>();   \
    return entry;                                                                       \
  }                                                                                     \
  static_assert(true, "ends with a semicolon or not")

#endif /* AEGIS_HPP */
