//! The Rust types lie in memory as the frozen layout of ABI 1.0 says.

use aegis_plugin::abi::*;
use std::mem::{align_of, offset_of, size_of};

fn size_of_field<T, F>(_: impl Fn(&T) -> &F) -> usize {
    size_of::<F>()
}

macro_rules! structure {
    ($lines:ident, $name:literal, $type:ident, { $($field:ident),+ }) => {
        $lines.push(format!("{} {} {}", $name, size_of::<$type>(), align_of::<$type>()));
        $(
            // A field of a union is read through `unsafe`, one of a structure need not be.
            #[allow(unused_unsafe)]
            let size = size_of_field(|value: &$type| unsafe { &value.$field });
            let field = stringify!($field).trim_start_matches("r#");
            $lines.push(format!("{}.{} {} {}", $name, field, offset_of!($type, $field), size));
        )+
    };
}

fn layout() -> Vec<String> {
    let mut lines = Vec::new();
    structure!(lines, "aegis_error", Error, { code, reserved, message });
    structure!(lines, "aegis_bar", Bar, { open, high, low, close, volume });
    structure!(lines, "aegis_quote", Quote, { bid, ask, bid_size, ask_size, reserved });
    structure!(lines, "aegis_trade", Trade, { price, size, trade_id, reserved });
    structure!(lines, "aegis_mark", Mark, { mark, index, funding_fraction, next_funding_ns, reserved });
    structure!(lines, "aegis_outcome", Outcome, { entry_price, exit_price, return_fraction, reason, tag });
    structure!(lines, "aegis_value_union", ValueUnion, { i64, f64, str });
    structure!(lines, "aegis_value", Value, { r#type, len, v });
    structure!(lines, "aegis_param_change", ParamChange, { id, reserved0, value, reserved });
    structure!(lines, "aegis_gap", Gap, { from_ns, to_ns, missing, reserved });
    structure!(lines, "aegis_payload", Payload, { bar, quote, trade, mark, outcome, param, gap, raw });
    structure!(lines, "aegis_event", Event, { ts_ns, u, instrument, kind, flags, seq });
    structure!(lines, "aegis_signal", Signal, {
        cause_seq, ts_ns, horizon_ns, return_fraction, confidence, stddev_fraction, stop_fraction, target_fraction,
        instrument, flags, feature_count, tag
    });
    structure!(lines, "aegis_batch", Batch, {
        size, count, events, now_ns, flags, out, out_capacity, out_count, features, feature_stride, reserved
    });
    structure!(lines, "aegis_param", Param, {
        size, id, r#type, flags, name, unit, help, def, min, max, step, choices
    });
    structure!(lines, "aegis_param_value", ParamValue, { id, reserved, value });
    structure!(lines, "aegis_config", Config, {
        size, n_params, params, n_instruments, flags, instruments, data_dir, instance_name, seed
    });
    structure!(lines, "aegis_host", Host, { size, abi_minor, ctx, name, version, get_extension, log });
    structure!(lines, "aegis_instance", Instance, { data });
    structure!(lines, "aegis_strategy", Strategy, {
        size, flags, create, destroy, activate, deactivate, process, reset, get_extension
    });
    structure!(lines, "aegis_subscription", Subscription, {
        size, kind, timeframe, warmup_bars, interval_ms, reserved
    });
    structure!(lines, "aegis_feature", Feature, { size, missing, name, unit, help, minimum, maximum });
    structure!(lines, "aegis_descriptor", Descriptor, {
        size, kind, capabilities, id, name, vendor, version, description, license, url, n_params, state_version,
        state_oldest, max_signals_per_event, params, strategy, user, n_subscriptions, n_features, subscriptions,
        features
    });
    structure!(lines, "aegis_entry", Entry, {
        magic, size, abi_major, abi_minor, flags, toolchain, n_plugins, reserved, plugins, init, deinit
    });
    structure!(lines, "aegis_info", Info, { magic, abi_major, abi_minor, language, toolchain });
    structure!(lines, "aegis_sink", Sink, { ctx, write });
    structure!(lines, "aegis_source", Source, { ctx, read });
    structure!(lines, "aegis_ext_subscriptions", ExtSubscriptions, { size, reserved, list });
    structure!(lines, "aegis_ext_state", ExtState, { size, reserved, save, load });
    structure!(lines, "aegis_model_info", ModelInfo, {
        size, n_features, features, n_outputs, preferred_batch, outputs, sha256, trained_until_ns, model_version
    });
    structure!(lines, "aegis_ext_model", ExtModel, { size, reserved, load, info, predict });
    structure!(lines, "aegis_training_set", TrainingSet, {
        size, n_features, n_rows, rows, labels, weights, ts_ns, row_stride, reserved0, reserved1
    });
    structure!(lines, "aegis_progress", Progress, { ctx, report });
    structure!(lines, "aegis_ext_trainer", ExtTrainer, { size, n_options, options, fit });
    structure!(lines, "aegis_function", Function, { size, flags, name, signature, help, r#fn });
    structure!(lines, "aegis_ext_functions", ExtFunctions, { size, count, functions });
    structure!(lines, "aegis_candles", Candles, { size, count, open, high, low, close, volume, open_time_ns, flags });
    structure!(lines, "aegis_host_candles", HostCandles, { size, reserved, window });
    structure!(lines, "aegis_annotation", Annotation, {
        size, instrument, timeframe, direction, cause_seq, bar, origin, name, level, top, bottom, value
    });
    structure!(lines, "aegis_host_annotate", HostAnnotate, { size, reserved, annotate });
    structure!(lines, "aegis_host_thread_check", HostThreadCheck, { size, reserved, is_control, is_strategy });
    lines
}

#[test]
fn every_structure_lies_as_frozen() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../abi/v1.0/layout.txt");
    let golden = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let golden: Vec<&str> = golden.lines().collect();
    assert!(golden.len() > 250, "the frozen layout lists every field");
    assert_eq!(layout(), golden);
}
