//! The aegis plugin SDK for Rust, without dependencies.
//!
//! ```no_run
//! use aegis_plugin::*;
//!
//! struct Mine;
//!
//! impl Strategy for Mine {
//!     fn describe() -> Description {
//!         Description { id: "mine", version: "1.0.0", subscriptions: vec![Subscription::trades()], ..Default::default() }
//!     }
//!     fn new(_config: &Config) -> Result<Self, Error> {
//!         Ok(Mine)
//!     }
//!     fn process(&mut self, events: &Events, out: &mut SignalWriter) {
//!         for event in events {
//!             if event.trade().is_some() && !events.is_warmup() {
//!                 out.emit(Signal::new(event, 0.01, 0.5, 60_000_000_000));
//!             }
//!         }
//!     }
//! }
//!
//! export_plugin!(strategies: [Mine]);
//! # fn main() {}
//! ```
//!
//! No panic leaves a plugin: each function the host calls catches it and returns a status and its text. That needs
//! `panic = "unwind"`, Cargo's default. A panic inside a typed function ends the process.
//!
//! The rules of `aegis_plugin.h` hold here as well: no mutable globals, time from events only, chance from
//! `Config::seed` only.

pub mod abi;
mod candles;
mod describe;
mod events;
mod export;
mod host;
mod state;

pub use candles::Candles;
pub use describe::{Description, Feature, Parameter, Subscription, Timeframe, TypedFunction};
pub use events::{Events, Signal, SignalWriter, Value};
pub use export::{entry, function_library, strategy, EntryCell, INFO};
pub use host::{Annotation, Config, Host, LogLevel};
pub use state::{StateReader, StateValue, StateWriter};

/// Why something cannot be done: one line for the operator, of which 247 bytes cross the boundary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub code: abi::Status,
    pub message: String,
}

impl Error {
    pub fn new(code: abi::Status, message: impl Into<String>) -> Self {
        Error { code, message: message.into() }
    }

    /// A parameter or argument is unusable.
    pub fn invalid(message: impl Into<String>) -> Self {
        Error::new(abi::E_INVALID, message)
    }
}

/// One running strategy. It moves between threads, but is used by one at a time.
pub trait Strategy: Send + Sized + 'static {
    /// What the plugin says about itself. Called once per image.
    fn describe() -> Description;

    /// Makes an instance from checked parameters.   [control]
    fn new(config: &Config) -> Result<Self, Error>;

    /// Consumes events and emits signals. No blocking and no I/O.   [strategy]
    fn process(&mut self, events: &Events, out: &mut SignalWriter);

    /// What this instance wants, when that depends on its parameters. Asked once, after `new`.   [control]
    fn subscriptions(&self) -> Option<Vec<Subscription>> {
        None
    }

    /// Writes all that later signals depend on.   [strategy]
    fn save(&self, _state: &mut StateWriter) {}

    /// Restores what `save` wrote; after an error the instance is discarded. `version` is one that the description
    /// says can be read.   [strategy]
    fn load(&mut self, _state: &mut StateReader, _version: u32) -> Result<(), Error> {
        Err(Error::new(abi::E_UNSUPPORTED, "this plugin keeps no state"))
    }
}

/// A plugin without instances: functions that the command line and expressions call by name.
pub trait FunctionLibrary: 'static {
    fn describe() -> Description;
}

/// Makes the one exported function. Once per crate:
/// `export_plugin!(Mine);`, or with several plugins `export_plugin!(strategies: [A, B], functions: [F]);`
#[macro_export]
macro_rules! export_plugin {
    ($strategy:ty) => {
        $crate::export_plugin!(strategies: [$strategy], functions: []);
    };
    (strategies: [$($strategy:ty),* $(,)?]) => {
        $crate::export_plugin!(strategies: [$($strategy),*], functions: []);
    };
    (functions: [$($library:ty),* $(,)?]) => {
        $crate::export_plugin!(strategies: [], functions: [$($library),*]);
    };
    (strategies: [$($strategy:ty),* $(,)?], functions: [$($library:ty),* $(,)?]) => {
        /// Lets a host say what this file is without running it.
        #[used]
        #[link_section = ".aegis.info"]
        static AEGIS_PLUGIN_INFO: $crate::abi::Info = $crate::INFO;

        #[no_mangle]
        pub extern "C" fn aegis_plugin_v1() -> *const $crate::abi::Entry {
            static ENTRY: $crate::EntryCell = $crate::EntryCell::new();
            // The read keeps the record in the file: linkers drop what nothing refers to.
            unsafe { ::std::ptr::read_volatile(&AEGIS_PLUGIN_INFO.magic) };
            $crate::entry(&ENTRY, || {
                vec![$($crate::strategy::<$strategy>(),)* $($crate::function_library::<$library>(),)*]
            })
        }
    };
}
