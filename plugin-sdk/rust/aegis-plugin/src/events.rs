//! Events in, signals out.

use crate::{abi, Timeframe};
use std::ffi::CStr;

pub use abi::Signal;

/// The events of one call, in order. Ends with the call.
pub struct Events<'a> {
    events: &'a [abi::Event],
    now_ns: i64,
    flags: u64,
}

impl<'a> Events<'a> {
    pub fn new(events: &'a [abi::Event], now_ns: i64, flags: u64) -> Self {
        Events { events, now_ns, flags }
    }

    pub fn len(&self) -> usize {
        self.events.len()
    }

    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'a, abi::Event> {
        self.events.iter()
    }

    /// The newest moment known: the only clock there is.
    pub fn now_ns(&self) -> i64 {
        self.now_ns
    }

    /// History before the first live event: learn from it, emit nothing.
    pub fn is_warmup(&self) -> bool {
        self.flags & abi::BATCH_WARMUP != 0
    }

    /// Events since a saved state, repeated after a restart: signals are thrown away.
    pub fn is_replay(&self) -> bool {
        self.flags & abi::BATCH_REPLAY != 0
    }
}

impl<'a> IntoIterator for &Events<'a> {
    type Item = &'a abi::Event;
    type IntoIter = std::slice::Iter<'a, abi::Event>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A runtime parameter's new value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Flag(bool),
    Integer(i64),
    Number(f64),
    Text(&'a str),
    Choice(usize),
}

/// An event read as what it is; None when it is something else.
impl abi::Event {
    pub fn bar(&self, timeframe: Timeframe) -> Option<&abi::Bar> {
        let is_it = self.kind == abi::EV_BAR && u32::from(self.flags & abi::EVENT_TIMEFRAME_MASK) == timeframe as u32;
        // The kind says which field of the payload was written; all of them are plain numbers. The same below.
        is_it.then_some(unsafe { &self.u.bar })
    }

    pub fn quote(&self) -> Option<&abi::Quote> {
        (self.kind == abi::EV_QUOTE).then_some(unsafe { &self.u.quote })
    }

    pub fn trade(&self) -> Option<&abi::Trade> {
        (self.kind == abi::EV_TRADE).then_some(unsafe { &self.u.trade })
    }

    pub fn mark(&self) -> Option<&abi::Mark> {
        (self.kind == abi::EV_MARK).then_some(unsafe { &self.u.mark })
    }

    pub fn gap(&self) -> Option<&abi::Gap> {
        (self.kind == abi::EV_GAP).then_some(unsafe { &self.u.gap })
    }

    pub fn outcome(&self) -> Option<&abi::Outcome> {
        (self.kind == abi::EV_OUTCOME).then_some(unsafe { &self.u.outcome })
    }

    /// The id and new value of a runtime parameter, already checked by the host.
    pub fn parameter_change(&self) -> Option<(u32, Value<'_>)> {
        if self.kind != abi::EV_PARAM {
            return None;
        }
        let change = unsafe { &self.u.param };
        let value = unsafe {
            match change.value.r#type {
                abi::T_BOOL => Value::Flag(change.value.v.i64 != 0),
                abi::T_I64 => Value::Integer(change.value.v.i64),
                abi::T_F64 => Value::Number(change.value.v.f64),
                abi::T_ENUM => Value::Choice(change.value.v.i64 as usize),
                abi::T_STR if !change.value.v.str.is_null() => {
                    Value::Text(CStr::from_ptr(change.value.v.str).to_str().ok()?)
                }
                _ => return None,
            }
        };
        Some((change.id, value))
    }

    /// Every trade of the bar's interval is in it. A bar without this mark opens no position.
    pub fn is_complete(&self) -> bool {
        self.flags & abi::EVENT_COMPLETE != 0
    }

    pub fn is_synthetic(&self) -> bool {
        self.flags & abi::EVENT_SYNTHETIC != 0
    }

    pub fn is_backfilled(&self) -> bool {
        self.flags & abi::EVENT_BACKFILLED != 0
    }
}

impl abi::Signal {
    /// Caused by `event` and decided at its time; stop, target and deviation are left to the engine.
    pub fn new(event: &abi::Event, return_fraction: f64, confidence: f32, horizon_ns: i64) -> Self {
        abi::Signal {
            cause_seq: event.seq,
            ts_ns: event.ts_ns,
            horizon_ns,
            return_fraction,
            confidence,
            stddev_fraction: f32::NAN,
            stop_fraction: f32::NAN,
            target_fraction: f32::NAN,
            instrument: event.instrument,
            flags: 0,
            feature_count: 0,
            tag: 0,
        }
    }
}

/// Where signals go. Ends with the call.
pub struct SignalWriter<'a> {
    batch: &'a mut abi::Batch,
}

impl<'a> SignalWriter<'a> {
    /// # Safety
    /// The batch follows the header's rules.
    pub unsafe fn new(batch: &'a mut abi::Batch) -> Self {
        SignalWriter { batch }
    }

    /// One more than there is room for makes the host refuse the whole call.
    pub fn emit(&mut self, signal: Signal) {
        if self.has_room() {
            unsafe { self.batch.out.add(self.batch.out_count as usize).write(signal) };
        }
        self.batch.out_count = self.batch.out_count.wrapping_add(1);
    }

    /// With the feature row it was decided on; values beyond the schema are left out.
    pub fn emit_with(&mut self, mut signal: Signal, features: &[f32]) {
        let stride = self.batch.feature_stride as usize;
        let count = features.len().min(stride);
        signal.feature_count = count as u16;
        if self.has_room() && !self.batch.features.is_null() {
            unsafe {
                let row = self.batch.features.add(self.batch.out_count as usize * stride);
                std::ptr::copy_nonoverlapping(features.as_ptr(), row, count);
            }
        }
        self.emit(signal);
    }

    /// A feature row for learning: never traded, counts as no signal.
    pub fn observe(&mut self, event: &abi::Event, horizon_ns: i64, features: &[f32]) {
        let mut record = Signal::new(event, 0.0, 0.0, horizon_ns);
        record.flags = abi::SIGNAL_OBSERVATION;
        self.emit_with(record, features);
    }

    /// The idea about the event's instrument is over: close what it opened, open nothing.
    pub fn flat(&mut self, event: &abi::Event) {
        let mut record = Signal::new(event, 0.0, 1.0, 1);
        record.flags = abi::SIGNAL_FLAT;
        self.emit(record);
    }

    fn has_room(&self) -> bool {
        self.batch.out_count < self.batch.out_capacity
    }
}
