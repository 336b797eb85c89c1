//! The structures and constants of `aegis_plugin.h`, field for field. The header says what they mean; `tests/layout.rs`
//! checks that they lie in memory as it says.

use std::ffi::{c_char, c_void, CStr};

pub const ABI_MAGIC: u32 = 0x3153_4745;
pub const ABI_MAJOR: u16 = 1;
pub const ABI_MINOR: u16 = 0;

pub type Status = i32;
pub const OK: Status = 0;
pub const E_INVALID: Status = -1;
pub const E_UNSUPPORTED: Status = -2;
pub const E_NO_MEMORY: Status = -3;
pub const E_STATE_VERSION: Status = -4;
pub const E_STATE_CORRUPT: Status = -5;
pub const E_OVERFLOW: Status = -6;
pub const E_MODEL: Status = -7;
pub const E_SCHEMA: Status = -8;
pub const E_TIMEOUT: Status = -9;
pub const E_BUSY: Status = -10;
pub const E_INTERNAL: Status = -11;
pub const E_CANCELLED: Status = -12;

pub const EV_BAR: u16 = 1;
pub const EV_QUOTE: u16 = 2;
pub const EV_TRADE: u16 = 3;
pub const EV_TIMER: u16 = 4;
pub const EV_OUTCOME: u16 = 5;
pub const EV_PARAM: u16 = 6;
pub const EV_GAP: u16 = 7;
pub const EV_MARK: u16 = 8;

pub const EVENT_TIMEFRAME_MASK: u16 = 0x00FF;
pub const EVENT_COMPLETE: u16 = 0x0100;
pub const EVENT_SYNTHETIC: u16 = 0x0200;
pub const EVENT_BACKFILLED: u16 = 0x0400;
pub const EVENT_BUYER_IS_MAKER: u16 = 0x0800;

pub const CLOSE_STOP: u64 = 2;
pub const CLOSE_TARGET: u64 = 3;
pub const CLOSE_TIME: u64 = 4;
pub const CLOSE_REVERSAL: u64 = 5;
pub const CLOSE_FLATTEN: u64 = 6;
pub const CLOSE_VENUE: u64 = 7;

pub const T_BOOL: u32 = 1;
pub const T_I64: u32 = 2;
pub const T_F64: u32 = 3;
pub const T_STR: u32 = 4;
pub const T_ENUM: u32 = 5;

pub const SIGNAL_CALIBRATED: u16 = 1;
pub const SIGNAL_OBSERVATION: u16 = 2;
pub const SIGNAL_FLAT: u16 = 4;

pub const BATCH_LIVE: u64 = 1;
pub const BATCH_REPLAY: u64 = 2;
pub const BATCH_WARMUP: u64 = 4;
pub const BATCH_SHADOW: u64 = 8;

pub const PARAM_RUNTIME: u32 = 1;
pub const PARAM_ADVANCED: u32 = 2;
pub const PARAM_SECRET: u32 = 4;
pub const PARAM_OPTIONAL: u32 = 8;

pub const KIND_STRATEGY: u32 = 1;
pub const KIND_MODEL: u32 = 2;
pub const KIND_FUNCTIONS: u32 = 3;

pub const CAP_DETERMINISTIC: u64 = 0x1;
pub const CAP_STATEFUL: u64 = 0x2;
pub const CAP_NEEDS_BARS: u64 = 0x4;
pub const CAP_NEEDS_QUOTES: u64 = 0x8;
pub const CAP_NEEDS_TRADES: u64 = 0x10;
pub const CAP_NEEDS_OUTCOMES: u64 = 0x20;
pub const CAP_RT_SAFE: u64 = 0x40;
pub const CAP_THREADS: u64 = 0x80;
pub const CAP_NETWORK: u64 = 0x100;
pub const CAP_FILES: u64 = 0x200;
pub const CAP_GPU: u64 = 0x400;
pub const CAP_UNLOADABLE: u64 = 0x800;

pub const MISSING_NEVER: u32 = 0;
pub const MISSING_ZERO: u32 = 1;
pub const MISSING_NATIVE: u32 = 2;
pub const MISSING_DROP: u32 = 3;

pub const ENTRY_REQUIRE_MINOR: u32 = 1;
pub const LANGUAGE_RUST: u32 = 4;

pub const FUNCTION_PURE: u32 = 1;
pub const FUNCTION_CAUSAL: u32 = 2;

pub const EXT_SUBSCRIPTIONS: &CStr = c"aegis.subscriptions/1";
pub const EXT_STATE: &CStr = c"aegis.state/1";
pub const EXT_MODEL: &CStr = c"aegis.model/1";
pub const EXT_TRAINER: &CStr = c"aegis.trainer/1";
pub const EXT_FUNCTIONS: &CStr = c"aegis.functions/1";
pub const HOST_CANDLES: &CStr = c"aegis.host.candles/1";
pub const HOST_ANNOTATE: &CStr = c"aegis.host.annotate/1";
pub const HOST_THREAD_CHECK: &CStr = c"aegis.host.thread-check/1";

/// `sizeof` as the tables store it.
pub const fn size<T>() -> u32 {
    std::mem::size_of::<T>() as u32
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Error {
    pub code: Status,
    pub reserved: u32,
    pub message: [c_char; 248],
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Bar {
    pub open: f64,
    pub high: f64,
    pub low: f64,
    pub close: f64,
    pub volume: f64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Quote {
    pub bid: f64,
    pub ask: f64,
    pub bid_size: f64,
    pub ask_size: f64,
    pub reserved: f64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Trade {
    pub price: f64,
    pub size: f64,
    pub trade_id: u64,
    pub reserved: [u64; 2],
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    pub mark: f64,
    pub index: f64,
    pub funding_fraction: f64,
    pub next_funding_ns: i64,
    pub reserved: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    pub entry_price: f64,
    pub exit_price: f64,
    pub return_fraction: f64,
    pub reason: u64,
    pub tag: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub union ValueUnion {
    pub i64: i64,
    pub f64: f64,
    pub str: *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Value {
    pub r#type: u32,
    pub len: u32,
    pub v: ValueUnion,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct ParamChange {
    pub id: u32,
    pub reserved0: u32,
    pub value: Value,
    pub reserved: [u64; 2],
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Gap {
    pub from_ns: i64,
    pub to_ns: i64,
    pub missing: u64,
    pub reserved: [u64; 2],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub union Payload {
    pub bar: Bar,
    pub quote: Quote,
    pub trade: Trade,
    pub mark: Mark,
    pub outcome: Outcome,
    pub param: ParamChange,
    pub gap: Gap,
    pub raw: [u64; 5],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Event {
    pub ts_ns: i64,
    pub u: Payload,
    pub instrument: u32,
    pub kind: u16,
    pub flags: u16,
    pub seq: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Signal {
    pub cause_seq: u64,
    pub ts_ns: i64,
    pub horizon_ns: i64,
    pub return_fraction: f64,
    pub confidence: f32,
    pub stddev_fraction: f32,
    pub stop_fraction: f32,
    pub target_fraction: f32,
    pub instrument: u32,
    pub flags: u16,
    pub feature_count: u16,
    pub tag: u64,
}

#[repr(C)]
pub struct Batch {
    pub size: u32,
    pub count: u32,
    pub events: *const Event,
    pub now_ns: i64,
    pub flags: u64,
    pub out: *mut Signal,
    pub out_capacity: u32,
    pub out_count: u32,
    pub features: *mut f32,
    pub feature_stride: u32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Param {
    pub size: u32,
    pub id: u32,
    pub r#type: u32,
    pub flags: u32,
    pub name: *const c_char,
    pub unit: *const c_char,
    pub help: *const c_char,
    pub def: Value,
    pub min: f64,
    pub max: f64,
    pub step: f64,
    pub choices: *const *const c_char,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct ParamValue {
    pub id: u32,
    pub reserved: u32,
    pub value: Value,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Config {
    pub size: u32,
    pub n_params: u32,
    pub params: *const ParamValue,
    pub n_instruments: u32,
    pub flags: u32,
    pub instruments: *const *const c_char,
    pub data_dir: *const c_char,
    pub instance_name: *const c_char,
    pub seed: u64,
}

#[repr(C)]
pub struct Host {
    pub size: u32,
    pub abi_minor: u32,
    pub ctx: *mut c_void,
    pub name: *const c_char,
    pub version: *const c_char,
    pub get_extension: Option<unsafe extern "C" fn(*const Host, *const c_char) -> *const c_void>,
    pub log: Option<unsafe extern "C" fn(*const Host, i32, *const c_char, usize)>,
}

#[repr(C)]
pub struct Instance {
    pub data: *mut c_void,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Strategy {
    pub size: u32,
    pub flags: u32,
    pub create: Option<
        unsafe extern "C" fn(*const Descriptor, *const Host, *const Config, *mut *mut Instance, *mut Error) -> Status,
    >,
    pub destroy: Option<unsafe extern "C" fn(*mut Instance)>,
    pub activate: Option<unsafe extern "C" fn(*mut Instance, i64, *mut Error) -> Status>,
    pub deactivate: Option<unsafe extern "C" fn(*mut Instance)>,
    pub process: Option<unsafe extern "C" fn(*mut Instance, *mut Batch) -> Status>,
    pub reset: Option<unsafe extern "C" fn(*mut Instance)>,
    pub get_extension: Option<unsafe extern "C" fn(*const Descriptor, *const c_char) -> *const c_void>,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Subscription {
    pub size: u32,
    pub kind: u32,
    pub timeframe: u32,
    pub warmup_bars: u32,
    pub interval_ms: u32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Feature {
    pub size: u32,
    pub missing: u32,
    pub name: *const c_char,
    pub unit: *const c_char,
    pub help: *const c_char,
    pub minimum: f64,
    pub maximum: f64,
}

#[repr(C)]
pub struct Descriptor {
    pub size: u32,
    pub kind: u32,
    pub capabilities: u64,
    pub id: *const c_char,
    pub name: *const c_char,
    pub vendor: *const c_char,
    pub version: *const c_char,
    pub description: *const c_char,
    pub license: *const c_char,
    pub url: *const c_char,
    pub n_params: u32,
    pub state_version: u32,
    pub state_oldest: u32,
    pub max_signals_per_event: u32,
    pub params: *const Param,
    pub strategy: *const Strategy,
    pub user: *mut c_void,
    pub n_subscriptions: u32,
    pub n_features: u32,
    pub subscriptions: *const Subscription,
    pub features: *const Feature,
}

#[repr(C)]
pub struct Entry {
    pub magic: u32,
    pub size: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub flags: u32,
    pub toolchain: *const c_char,
    pub n_plugins: u32,
    pub reserved: u32,
    pub plugins: *const *const Descriptor,
    pub init: Option<unsafe extern "C" fn(*const Host, *mut Error) -> Status>,
    pub deinit: Option<unsafe extern "C" fn()>,
}

#[repr(C)]
pub struct Info {
    pub magic: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub language: u32,
    pub toolchain: u32,
}

#[repr(C)]
pub struct Sink {
    pub ctx: *mut c_void,
    pub write: Option<unsafe extern "C" fn(*mut Sink, *const c_void, usize) -> Status>,
}

#[repr(C)]
pub struct Source {
    pub ctx: *mut c_void,
    pub read: Option<unsafe extern "C" fn(*mut Source, *mut c_void, usize) -> i64>,
}

#[repr(C)]
pub struct ExtSubscriptions {
    pub size: u32,
    pub reserved: u32,
    pub list: Option<unsafe extern "C" fn(*mut Instance, *mut u32) -> *const Subscription>,
}

#[repr(C)]
pub struct ExtState {
    pub size: u32,
    pub reserved: u32,
    pub save: Option<unsafe extern "C" fn(*mut Instance, *mut Sink) -> Status>,
    pub load: Option<unsafe extern "C" fn(*mut Instance, *mut Source, u32, *mut Error) -> Status>,
}

#[repr(C)]
pub struct ModelInfo {
    pub size: u32,
    pub n_features: u32,
    pub features: *const Feature,
    pub n_outputs: u32,
    pub preferred_batch: u32,
    pub outputs: *const *const c_char,
    pub sha256: [u8; 32],
    pub trained_until_ns: i64,
    pub model_version: *const c_char,
}

#[repr(C)]
pub struct ExtModel {
    pub size: u32,
    pub reserved: u32,
    pub load: Option<unsafe extern "C" fn(*mut Instance, *const c_char, *mut Error) -> Status>,
    pub info: Option<unsafe extern "C" fn(*mut Instance) -> *const ModelInfo>,
    pub predict: Option<unsafe extern "C" fn(*mut Instance, *const f32, u32, u32, *mut f32, u32) -> Status>,
}

#[repr(C)]
pub struct TrainingSet {
    pub size: u32,
    pub n_features: u32,
    pub n_rows: u64,
    pub rows: *const f32,
    pub labels: *const f32,
    pub weights: *const f32,
    pub ts_ns: *const i64,
    pub row_stride: u32,
    pub reserved0: u32,
    pub reserved1: u64,
}

#[repr(C)]
pub struct Progress {
    pub ctx: *mut c_void,
    pub report: Option<unsafe extern "C" fn(*mut Progress, f64) -> i32>,
}

#[repr(C)]
pub struct ExtTrainer {
    pub size: u32,
    pub n_options: u32,
    pub options: *const Param,
    #[allow(clippy::type_complexity)]
    pub fit: Option<
        unsafe extern "C" fn(
            *mut Instance,
            *const TrainingSet,
            *const ParamValue,
            u64,
            u32,
            *mut Sink,
            *mut Progress,
            *mut Error,
        ) -> Status,
    >,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Function {
    pub size: u32,
    pub flags: u32,
    pub name: *const c_char,
    pub signature: *const c_char,
    pub help: *const c_char,
    pub r#fn: Option<unsafe extern "C" fn()>,
}

#[repr(C)]
pub struct ExtFunctions {
    pub size: u32,
    pub count: u32,
    pub functions: *const Function,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Candles {
    pub size: u32,
    pub count: u32,
    pub open: *const f64,
    pub high: *const f64,
    pub low: *const f64,
    pub close: *const f64,
    pub volume: *const f64,
    pub open_time_ns: *const i64,
    pub flags: *const u16,
}

#[repr(C)]
pub struct HostCandles {
    pub size: u32,
    pub reserved: u32,
    pub window: Option<unsafe extern "C" fn(*const Host, u32, u32, u32, *mut Candles) -> Status>,
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Annotation {
    pub size: u32,
    pub instrument: u32,
    pub timeframe: u32,
    pub direction: i32,
    pub cause_seq: u64,
    pub bar: i64,
    pub origin: i64,
    pub name: *const c_char,
    pub level: f64,
    pub top: f64,
    pub bottom: f64,
    pub value: f64,
}

#[repr(C)]
pub struct HostAnnotate {
    pub size: u32,
    pub reserved: u32,
    pub annotate: Option<unsafe extern "C" fn(*const Host, *const Annotation) -> Status>,
}

#[repr(C)]
pub struct HostThreadCheck {
    pub size: u32,
    pub reserved: u32,
    pub is_control: Option<unsafe extern "C" fn(*const Host) -> i32>,
    pub is_strategy: Option<unsafe extern "C" fn(*const Host) -> i32>,
}
