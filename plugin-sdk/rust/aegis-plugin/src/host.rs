//! What the host offers, and what an instance is made from.

use crate::{abi, Candles, Error, Events, Timeframe};
use std::ffi::{c_char, CStr};
use std::mem::offset_of;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum LogLevel {
    Debug = 0,
    Info = 1,
    Warning = 2,
    Error = 3,
}

/// The engine's services. Works with a host that lacks them: an older one, or none. Keep a copy in the strategy;
/// valid until the instance ends.
#[derive(Clone, Copy)]
pub struct Host {
    raw: *const abi::Host,
    candles: *const abi::HostCandles,
    annotate: *const abi::HostAnnotate,
}

// The host's functions may be called from the thread that runs the instance, whichever that is.
unsafe impl Send for Host {}

impl Host {
    /// # Safety
    /// `raw` is null or a host table that outlives the value.
    pub unsafe fn new(raw: *const abi::Host) -> Self {
        let candles = table(raw, abi::HOST_CANDLES);
        let annotate = table(raw, abi::HOST_ANNOTATE);
        Host { raw, candles, annotate }
    }

    pub fn has_candles(&self) -> bool {
        unsafe { self.candles.as_ref() }.is_some_and(|table| table.window.is_some())
    }

    pub fn has_annotations(&self) -> bool {
        unsafe { self.annotate.as_ref() }.is_some_and(|table| table.annotate.is_some())
    }

    /// One line for the engine's log. Not from `process`: it may allocate.   [any]
    pub fn log(&self, level: LogLevel, text: &str) {
        unsafe {
            if covers(self.raw, offset_of!(abi::Host, log)) {
                if let Some(log) = (*self.raw).log {
                    log(self.raw, level as i32, text.as_ptr().cast(), text.len());
                }
            }
        }
    }

    /// The newest candles closed at the event being processed, at most `count_max`; empty without the service.
    /// [strategy]
    pub fn candles<'a>(
        &self,
        _events: &Events<'a>,
        instrument: u32,
        timeframe: Timeframe,
        count_max: u32,
    ) -> Candles<'a> {
        // All-zero is an empty window: counts and null pointers.
        let mut window: abi::Candles = unsafe { std::mem::zeroed() };
        window.size = abi::size::<abi::Candles>();
        if let Some(function) = unsafe { self.candles.as_ref() }.and_then(|table| table.window) {
            let status = unsafe { function(self.raw, instrument, timeframe as u32, count_max, &mut window) };
            if status != abi::OK {
                window.count = 0;
            }
        }
        Candles::new(window)
    }

    /// Shows people what the plugin saw; a refusal is never fatal.   [strategy]
    pub fn annotate(&self, annotation: &Annotation) -> abi::Status {
        let Some(function) = (unsafe { self.annotate.as_ref() }).and_then(|table| table.annotate) else {
            return abi::E_UNSUPPORTED;
        };
        let mut name = [0u8; 48];
        if annotation.name.is_empty() || annotation.name.len() >= name.len() {
            return abi::E_INVALID;
        }
        name[..annotation.name.len()].copy_from_slice(annotation.name.as_bytes());
        let mut raw = annotation.raw;
        raw.name = name.as_ptr().cast();
        unsafe { function(self.raw, &raw) }
    }
}

unsafe fn covers(host: *const abi::Host, offset: usize) -> bool {
    !host.is_null() && (*host).size as usize >= offset + std::mem::size_of::<usize>()
}

/// An extension's table, or null when the host is too old or the table shorter than any released one.
unsafe fn table<T>(host: *const abi::Host, id: &CStr) -> *const T {
    if !covers(host, offset_of!(abi::Host, get_extension)) {
        return std::ptr::null();
    }
    let Some(get) = (*host).get_extension else { return std::ptr::null() };
    let table = get(host, id.as_ptr());
    if table.is_null() || *table.cast::<u32>() < abi::size::<T>() {
        return std::ptr::null();
    }
    table.cast()
}

/// Something a plugin saw at a bar.
#[derive(Clone, Copy)]
pub struct Annotation<'a> {
    name: &'a str,
    /// Set `bar`, `origin`, `level`, `top`, `bottom` and `value` here; they start as "none".
    pub raw: abi::Annotation,
}

impl<'a> Annotation<'a> {
    /// `name`: 1-47 of `a`-`z`, `0`-`9`, `_`, `-` and `.`; `direction`: 1 up, -1 down, 0 neither.
    pub fn new(name: &'a str, event: &abi::Event, timeframe: Timeframe, direction: i32) -> Self {
        let raw = abi::Annotation {
            size: abi::size::<abi::Annotation>(),
            instrument: event.instrument,
            timeframe: timeframe as u32,
            direction,
            cause_seq: event.seq,
            bar: -1,
            origin: -1,
            name: std::ptr::null(),
            level: f64::NAN,
            top: f64::NAN,
            bottom: f64::NAN,
            value: f64::NAN,
        };
        Annotation { name, raw }
    }
}

/// Everything an instance may depend on besides its events.
pub struct Config<'a> {
    raw: &'a abi::Config,
    host: Host,
}

impl<'a> Config<'a> {
    /// # Safety
    /// `raw` follows the header's rules.
    pub unsafe fn new(raw: &'a abi::Config, host: *const abi::Host) -> Self {
        Config { raw, host: Host::new(host) }
    }

    /// Unlike the rest of the configuration it may be kept.
    pub fn host(&self) -> Host {
        self.host
    }

    /// The only source of randomness a deterministic strategy may use.
    pub fn seed(&self) -> u64 {
        self.raw.seed
    }

    pub fn instrument_count(&self) -> usize {
        self.raw.n_instruments as usize
    }

    pub fn symbol(&self, instrument: usize) -> Option<&'a str> {
        if instrument >= self.instrument_count() {
            return None;
        }
        text(unsafe { *self.raw.instruments.add(instrument) })
    }

    pub fn data_dir(&self) -> Option<&'a str> {
        text(self.raw.data_dir)
    }

    pub fn instance_name(&self) -> &'a str {
        text(self.raw.instance_name).unwrap_or("")
    }

    pub fn flag(&self, id: u32) -> Result<bool, Error> {
        Ok(unsafe { self.value(id, abi::T_BOOL)?.v.i64 } != 0)
    }

    pub fn integer(&self, id: u32) -> Result<i64, Error> {
        Ok(unsafe { self.value(id, abi::T_I64)?.v.i64 })
    }

    pub fn number(&self, id: u32) -> Result<f64, Error> {
        Ok(unsafe { self.value(id, abi::T_F64)?.v.f64 })
    }

    pub fn choice(&self, id: u32) -> Result<usize, Error> {
        Ok(unsafe { self.value(id, abi::T_ENUM)?.v.i64 } as usize)
    }

    pub fn text(&self, id: u32) -> Result<&'a str, Error> {
        Ok(text(unsafe { self.value(id, abi::T_STR)?.v.str }).unwrap_or(""))
    }

    fn value(&self, id: u32, kind: u32) -> Result<&'a abi::Value, Error> {
        let values: &'a [abi::ParamValue] = match self.raw.n_params {
            0 => &[],
            count => unsafe { std::slice::from_raw_parts(self.raw.params, count as usize) },
        };
        let found = values.iter().find(|value| value.id == id);
        let found =
            found.ok_or_else(|| Error::new(abi::E_INTERNAL, format!("the host sent no value for parameter {id}")))?;
        if found.value.r#type != kind {
            return Err(Error::new(abi::E_INTERNAL, format!("parameter {id} has another type")));
        }
        Ok(&found.value)
    }
}

/// A C string of the host's; None when it is null or not UTF-8.
fn text<'a>(pointer: *const c_char) -> Option<&'a str> {
    if pointer.is_null() {
        return None;
    }
    unsafe { CStr::from_ptr(pointer) }.to_str().ok()
}
