//! What a plugin says about itself.

use crate::abi;

/// A candle length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Timeframe {
    Minute1 = 0,
    Minute5 = 1,
    Minute15 = 2,
    Hour1 = 3,
    Day1 = 4,
}

#[derive(Clone, Debug)]
pub struct Description {
    /// 1-64 lower-case letters, digits, `-`, `_` and `.`.
    pub id: &'static str,
    /// Such as `1.4.0`.
    pub version: &'static str,
    pub name: &'static str,
    pub vendor: &'static str,
    pub summary: &'static str,
    /// SPDX.
    pub license: &'static str,
    pub url: &'static str,
    /// `abi::CAP_*`: promises that the validator tests.
    pub capabilities: u64,
    /// What `save` writes, and the oldest `load` reads; 0 = no state.
    pub state_version: u32,
    pub state_oldest: u32,
    /// 1 ... 256.
    pub max_signals_per_event: u32,
    pub parameters: Vec<Parameter>,
    /// What an instance with default parameters wants.
    pub subscriptions: Vec<Subscription>,
    pub features: Vec<Feature>,
    pub functions: Vec<TypedFunction>,
}

impl Default for Description {
    fn default() -> Self {
        Description {
            id: "",
            version: "",
            name: "",
            vendor: "",
            summary: "",
            license: "",
            url: "",
            capabilities: abi::CAP_DETERMINISTIC,
            state_version: 0,
            state_oldest: 0,
            max_signals_per_event: 1,
            parameters: Vec::new(),
            subscriptions: Vec::new(),
            features: Vec::new(),
            functions: Vec::new(),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum DefaultValue {
    Flag(bool),
    Integer(i64),
    Number(f64),
    Text(&'static str),
    Choice(usize),
}

/// One parameter of the schema; the host checks values before the strategy sees them.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Stable for the plugin's major.
    pub id: u32,
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) help: &'static str,
    pub(crate) default: DefaultValue,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) choices: Vec<&'static str>,
    pub(crate) flags: u32,
}

impl Parameter {
    fn new(id: u32, name: &'static str, unit: &'static str, help: &'static str, default: DefaultValue) -> Self {
        Parameter { id, name, unit, help, default, min: 0.0, max: 0.0, choices: Vec::new(), flags: 0 }
    }

    pub fn flag(id: u32, name: &'static str, value: bool, help: &'static str) -> Self {
        Parameter::new(id, name, "", help, DefaultValue::Flag(value))
    }

    pub fn integer(
        id: u32,
        name: &'static str,
        value: i64,
        range: std::ops::RangeInclusive<i64>,
        unit: &'static str,
        help: &'static str,
    ) -> Self {
        let mut parameter = Parameter::new(id, name, unit, help, DefaultValue::Integer(value));
        (parameter.min, parameter.max) = (*range.start() as f64, *range.end() as f64);
        parameter
    }

    pub fn number(
        id: u32,
        name: &'static str,
        value: f64,
        range: std::ops::RangeInclusive<f64>,
        unit: &'static str,
        help: &'static str,
    ) -> Self {
        let mut parameter = Parameter::new(id, name, unit, help, DefaultValue::Number(value));
        (parameter.min, parameter.max) = (*range.start(), *range.end());
        parameter
    }

    /// A number that may be left out; it then reads as NaN.
    pub fn optional_number(
        id: u32,
        name: &'static str,
        range: std::ops::RangeInclusive<f64>,
        unit: &'static str,
        help: &'static str,
    ) -> Self {
        Parameter::number(id, name, f64::NAN, range, unit, help).with(abi::PARAM_OPTIONAL)
    }

    pub fn text(id: u32, name: &'static str, value: &'static str, help: &'static str) -> Self {
        Parameter::new(id, name, "", help, DefaultValue::Text(value))
    }

    /// `index` is the default's position among the choices.
    pub fn choice(id: u32, name: &'static str, choices: &[&'static str], index: usize, help: &'static str) -> Self {
        let mut parameter = Parameter::new(id, name, "", help, DefaultValue::Choice(index));
        parameter.choices = choices.to_vec();
        parameter
    }

    /// Changeable while running: the new value arrives as an event.
    pub fn runtime(self) -> Self {
        self.with(abi::PARAM_RUNTIME)
    }

    pub fn advanced(self) -> Self {
        self.with(abi::PARAM_ADVANCED)
    }

    /// The value is never printed or stored.
    pub fn secret(self) -> Self {
        self.with(abi::PARAM_SECRET)
    }

    fn with(mut self, flag: u32) -> Self {
        self.flags |= flag;
        self
    }
}

/// One wish for events.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Subscription(pub abi::Subscription);

impl Subscription {
    fn new(kind: u16, timeframe: u32, warmup_bars: u32, interval_ms: u32) -> Self {
        let size = abi::size::<abi::Subscription>();
        Subscription(abi::Subscription { size, kind: kind.into(), timeframe, warmup_bars, interval_ms, reserved: 0 })
    }

    /// Closed candles, and this many of them per instrument as warm-up before the first live event.
    pub fn bars(timeframe: Timeframe, warmup_bars: u32) -> Self {
        Subscription::new(abi::EV_BAR, timeframe as u32, warmup_bars, 0)
    }

    /// At most one quote per instrument in this many milliseconds; 0 = every one.
    pub fn quotes(interval_ms: u32) -> Self {
        Subscription::new(abi::EV_QUOTE, 0, 0, interval_ms)
    }

    pub fn timer(period_ms: u32) -> Self {
        Subscription::new(abi::EV_TIMER, 0, 0, period_ms)
    }

    pub fn trades() -> Self {
        Subscription::new(abi::EV_TRADE, 0, 0, 0)
    }

    pub fn marks() -> Self {
        Subscription::new(abi::EV_MARK, 0, 0, 0)
    }

    pub fn gaps() -> Self {
        Subscription::new(abi::EV_GAP, 0, 0, 0)
    }

    pub fn outcomes() -> Self {
        Subscription::new(abi::EV_OUTCOME, 0, 0, 0)
    }
}

/// One column of the feature schema.
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    pub name: &'static str,
    pub unit: &'static str,
    pub help: &'static str,
    /// Inclusive range of legal values; both 0 = no range.
    pub minimum: f64,
    pub maximum: f64,
    /// `abi::MISSING_*`.
    pub missing: u32,
}

/// A C function with its type as text, in the grammar of `aegis_function`.
#[derive(Clone, Copy, Debug)]
pub struct TypedFunction {
    pub(crate) name: &'static str,
    pub(crate) signature: &'static str,
    pub(crate) flags: u32,
    pub(crate) help: &'static str,
    pub(crate) address: usize,
}

impl TypedFunction {
    /// `function` is an `extern "C" fn` given as `name as *const ()`.
    ///
    /// # Safety
    /// The signature must be the function's own type: nothing can check it.
    pub unsafe fn new(
        name: &'static str,
        signature: &'static str,
        flags: u32,
        help: &'static str,
        function: *const (),
    ) -> Self {
        TypedFunction { name, signature, flags, help, address: function as usize }
    }
}
