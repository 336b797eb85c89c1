//! The tables, and the functions behind them that the host calls. No panic leaves one.

use crate::describe::{DefaultValue, Description, Parameter, Subscription};
use crate::Strategy;
use crate::{abi, Config, Error, Events, FunctionLibrary, Host, LogLevel, SignalWriter, StateReader, StateWriter};
use std::any::Any;
use std::ffi::{c_char, c_void, CStr, CString};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::OnceLock;

/// The record of section `.aegis.info`.
pub const INFO: abi::Info = abi::Info {
    magic: abi::ABI_MAGIC,
    abi_major: abi::ABI_MAJOR,
    abi_minor: abi::ABI_MINOR,
    language: abi::LANGUAGE_RUST,
    toolchain: decimal(env!("AEGIS_RUSTC_NUMBER")),
};

const fn decimal(text: &str) -> u32 {
    let (bytes, mut index, mut value) = (text.as_bytes(), 0, 0);
    while index < bytes.len() {
        value = value * 10 + (bytes[index] - b'0') as u32;
        index += 1;
    }
    value
}

/// Where an image keeps its entry.
pub struct EntryCell(OnceLock<Kept<abi::Entry>>);

impl EntryCell {
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        EntryCell(OnceLock::new())
    }
}

/// A pointer to a table that is written once and only read afterwards.
#[derive(Clone, Copy)]
pub struct Kept<T>(*const T);
unsafe impl<T> Send for Kept<T> {}
unsafe impl<T> Sync for Kept<T> {}

/// Builds the entry on the first call. Plugins that cannot be described leave an entry without any, which the host
/// refuses with that reason.
pub fn entry(cell: &'static EntryCell, plugins: impl FnOnce() -> Vec<Kept<abi::Descriptor>>) -> *const abi::Entry {
    let make = || {
        let plugins = catch_unwind(AssertUnwindSafe(plugins)).unwrap_or_default();
        let toolchain = concat!("rust-", env!("AEGIS_RUSTC_VERSION"), "\0");
        Kept(keep(abi::Entry {
            magic: abi::ABI_MAGIC,
            size: abi::size::<abi::Entry>(),
            abi_major: abi::ABI_MAJOR,
            abi_minor: abi::ABI_MINOR,
            flags: 0,
            toolchain: toolchain.as_ptr().cast(),
            n_plugins: plugins.len() as u32,
            reserved: 0,
            plugins: keep_all(plugins.iter().map(|plugin| plugin.0).collect()),
            init: None,
            deinit: None,
        }))
    };
    cell.0.get_or_init(make).0
}

// Tables are never freed: the host may read them until the process ends.

fn keep<T>(value: T) -> *const T {
    Box::leak(Box::new(value))
}

fn keep_all<T>(values: Vec<T>) -> *const T {
    if values.is_empty() {
        return std::ptr::null();
    }
    Vec::leak(values).as_ptr()
}

fn chars(text: &str) -> *const c_char {
    CString::new(text).expect("a text without NUL").into_raw()
}

/// What `descriptor.user` points to.
struct Plugin {
    subscriptions: Vec<Subscription>,
    functions: Option<abi::ExtFunctions>,
    has_instances: bool,
}

pub fn strategy<S: Strategy>() -> Kept<abi::Descriptor> {
    let table = abi::Strategy {
        size: abi::size::<abi::Strategy>(),
        flags: 0,
        create: Some(create::<S>),
        destroy: Some(destroy::<S>),
        activate: None,
        deactivate: None,
        process: Some(process::<S>),
        reset: None,
        get_extension: Some(get_extension::<S>),
    };
    descriptor(S::describe(), abi::KIND_STRATEGY, table)
}

/// Stands in for the type of instances a function library does not have.
struct NoInstances;
impl Strategy for NoInstances {
    fn describe() -> Description {
        Description::default()
    }
    fn new(_: &Config) -> Result<Self, Error> {
        Err(Error::new(abi::E_UNSUPPORTED, "a function library has no instances"))
    }
    fn process(&mut self, _: &Events, _: &mut SignalWriter) {}
}

pub fn function_library<F: FunctionLibrary>() -> Kept<abi::Descriptor> {
    let table = abi::Strategy {
        size: abi::size::<abi::Strategy>(),
        flags: 0,
        create: None,
        destroy: None,
        activate: None,
        deactivate: None,
        process: None,
        reset: None,
        get_extension: Some(get_extension::<NoInstances>),
    };
    descriptor(F::describe(), abi::KIND_FUNCTIONS, table)
}

fn descriptor(about: Description, kind: u32, strategy: abi::Strategy) -> Kept<abi::Descriptor> {
    let functions: Vec<abi::Function> = about
        .functions
        .iter()
        .map(|function| abi::Function {
            size: abi::size::<abi::Function>(),
            flags: function.flags,
            name: chars(function.name),
            signature: chars(function.signature),
            help: chars(function.help),
            // `TypedFunction::new` took the address of a function, which is never null.
            r#fn: unsafe { std::mem::transmute::<usize, Option<unsafe extern "C" fn()>>(function.address) },
        })
        .collect();
    let features: Vec<abi::Feature> = about
        .features
        .iter()
        .map(|feature| abi::Feature {
            size: abi::size::<abi::Feature>(),
            missing: feature.missing,
            name: chars(feature.name),
            unit: chars(feature.unit),
            help: chars(feature.help),
            minimum: feature.minimum,
            maximum: feature.maximum,
        })
        .collect();
    let plugin = Box::leak(Box::new(Plugin {
        subscriptions: about.subscriptions,
        functions: (!functions.is_empty()).then(|| abi::ExtFunctions {
            size: abi::size::<abi::ExtFunctions>(),
            count: functions.len() as u32,
            functions: keep_all(functions),
        }),
        has_instances: kind == abi::KIND_STRATEGY,
    }));
    let state_oldest = if about.state_oldest == 0 { about.state_version } else { about.state_oldest };
    Kept(keep(abi::Descriptor {
        size: abi::size::<abi::Descriptor>(),
        kind,
        capabilities: about.capabilities,
        id: chars(about.id),
        name: chars(if about.name.is_empty() { about.id } else { about.name }),
        vendor: chars(about.vendor),
        version: chars(about.version),
        description: chars(about.summary),
        license: chars(about.license),
        url: chars(about.url),
        n_params: about.parameters.len() as u32,
        state_version: about.state_version,
        state_oldest,
        max_signals_per_event: about.max_signals_per_event,
        params: keep_all(about.parameters.iter().map(parameter).collect()),
        strategy: keep(strategy),
        user: (plugin as *const Plugin).cast_mut().cast(),
        n_subscriptions: plugin.subscriptions.len() as u32,
        n_features: features.len() as u32,
        // A `Subscription` is an `abi::Subscription` and nothing else.
        subscriptions: plugin.subscriptions.as_ptr().cast(),
        features: keep_all(features),
    }))
}

fn parameter(parameter: &Parameter) -> abi::Param {
    let (kind, len, v) = match parameter.default {
        DefaultValue::Flag(value) => (abi::T_BOOL, 0, abi::ValueUnion { i64: value.into() }),
        DefaultValue::Integer(value) => (abi::T_I64, 0, abi::ValueUnion { i64: value }),
        DefaultValue::Number(value) => (abi::T_F64, 0, abi::ValueUnion { f64: value }),
        DefaultValue::Text(value) => (abi::T_STR, value.len() as u32, abi::ValueUnion { str: chars(value) }),
        DefaultValue::Choice(value) => (abi::T_ENUM, 0, abi::ValueUnion { i64: value as i64 }),
    };
    let mut choices: Vec<*const c_char> = parameter.choices.iter().map(|choice| chars(choice)).collect();
    if !choices.is_empty() {
        choices.push(std::ptr::null());
    }
    abi::Param {
        size: abi::size::<abi::Param>(),
        id: parameter.id,
        r#type: kind,
        flags: parameter.flags,
        name: chars(parameter.name),
        unit: chars(parameter.unit),
        help: chars(parameter.help),
        def: abi::Value { r#type: kind, len, v },
        min: parameter.min,
        max: parameter.max,
        step: 0.0,
        choices: keep_all(choices),
    }
}

// ---- The wall ------------------------------------------------------------------------------------------------------

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a text")
}

/// Runs `body`; an error or a panic becomes a status, its text goes to `error`, which may be null.
fn guarded(error: *mut abi::Error, body: impl FnOnce() -> Result<abi::Status, Error>) -> abi::Status {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(status)) => status,
        Ok(Err(failure)) => report(error, failure.code, &failure.message),
        Err(panic) => {
            let status = report(error, abi::E_INTERNAL, panic_text(&*panic));
            // Dropping a payload may panic again; a payload is small and this is rare.
            std::mem::forget(panic);
            status
        }
    }
}

fn report(error: *mut abi::Error, code: abi::Status, message: &str) -> abi::Status {
    if let Some(error) = unsafe { error.as_mut() } {
        error.code = code;
        let mut count = message.len().min(error.message.len() - 1);
        while !message.is_char_boundary(count) {
            count -= 1;
        }
        for (to, from) in error.message.iter_mut().zip(&message.as_bytes()[..count]) {
            *to = *from as c_char;
        }
        error.message[count] = 0;
    }
    code
}

// ---- What the host calls -------------------------------------------------------------------------------------------

/// Begins with the header's instance, so that a pointer to one is a pointer to the other.
#[repr(C)]
struct Instance<S> {
    head: abi::Instance,
    strategy: S,
    subscriptions: Vec<Subscription>,
    host: Host,
    /// The oldest and the newest version that `load` reads.
    state_versions: (u32, u32),
}

unsafe extern "C" fn create<S: Strategy>(
    descriptor: *const abi::Descriptor,
    host: *const abi::Host,
    config: *const abi::Config,
    out: *mut *mut abi::Instance,
    error: *mut abi::Error,
) -> abi::Status {
    if descriptor.is_null() || config.is_null() || out.is_null() {
        return abi::E_INVALID;
    }
    guarded(error, || {
        let plugin = &*(*descriptor).user.cast::<Plugin>();
        let strategy = S::new(&Config::new(&*config, host))?;
        let subscriptions = strategy.subscriptions().unwrap_or_else(|| plugin.subscriptions.clone());
        let head = abi::Instance { data: std::ptr::null_mut() };
        let state_versions = ((*descriptor).state_oldest, (*descriptor).state_version);
        let host = Host::new(host);
        let instance = Box::into_raw(Box::new(Instance { head, strategy, subscriptions, host, state_versions }));
        (*instance).head.data = instance.cast();
        *out = instance.cast();
        Ok(abi::OK)
    })
}

unsafe extern "C" fn destroy<S: Strategy>(instance: *mut abi::Instance) {
    guarded(std::ptr::null_mut(), || {
        if !instance.is_null() {
            drop(Box::from_raw(instance.cast::<Instance<S>>()));
        }
        Ok(abi::OK)
    });
}

unsafe extern "C" fn process<S: Strategy>(instance: *mut abi::Instance, batch: *mut abi::Batch) -> abi::Status {
    if instance.is_null() || batch.is_null() {
        return abi::E_INVALID;
    }
    let instance = &mut *instance.cast::<Instance<S>>();
    let batch = &mut *batch;
    let strategy = &mut instance.strategy;
    let body = AssertUnwindSafe(|| {
        let events = match batch.count {
            0 => &[],
            count => std::slice::from_raw_parts(batch.events, count as usize),
        };
        let events = Events::new(events, batch.now_ns, batch.flags);
        strategy.process(&events, &mut SignalWriter::new(batch));
        batch.out_count > batch.out_capacity
    });
    match catch_unwind(body) {
        Ok(false) => abi::OK,
        Ok(true) => abi::E_OVERFLOW,
        Err(panic) => {
            instance.host.log(LogLevel::Error, panic_text(&*panic));
            std::mem::forget(panic);
            abi::E_INTERNAL
        }
    }
}

unsafe extern "C" fn subscriptions<S: Strategy>(
    instance: *mut abi::Instance,
    count: *mut u32,
) -> *const abi::Subscription {
    let wishes = &(*instance.cast::<Instance<S>>()).subscriptions;
    *count = wishes.len() as u32;
    wishes.as_ptr().cast()
}

unsafe extern "C" fn save<S: Strategy>(instance: *mut abi::Instance, sink: *mut abi::Sink) -> abi::Status {
    guarded(std::ptr::null_mut(), || {
        let mut state = StateWriter::default();
        (*instance.cast::<Instance<S>>()).strategy.save(&mut state);
        let write = (*sink).write.ok_or_else(|| Error::invalid("a sink without write"))?;
        Ok(write(sink, state.bytes.as_ptr().cast(), state.bytes.len()))
    })
}

/// Larger than any strategy's state, small enough that a damaged length cannot fill memory.
const STATE_SIZE_MAX: usize = 64 << 20;

unsafe extern "C" fn load<S: Strategy>(
    instance: *mut abi::Instance,
    source: *mut abi::Source,
    version: u32,
    error: *mut abi::Error,
) -> abi::Status {
    guarded(error, || {
        let corrupt = |message: &str| Error::new(abi::E_STATE_CORRUPT, message);
        let (oldest, newest) = (*instance.cast::<Instance<S>>()).state_versions;
        if !(oldest..=newest).contains(&version) {
            let message = format!("cannot read state version {version}, only {oldest} to {newest}");
            return Err(Error::new(abi::E_STATE_VERSION, message));
        }
        let read = (*source).read.ok_or_else(|| Error::invalid("a source without read"))?;
        let (mut bytes, mut piece) = (Vec::new(), [0u8; 4096]);
        loop {
            let count = read(source, piece.as_mut_ptr().cast::<c_void>(), piece.len());
            let count = usize::try_from(count).map_err(|_| corrupt("the state cannot be read"))?;
            if count == 0 {
                break;
            }
            bytes.extend_from_slice(piece.get(..count).ok_or_else(|| corrupt("the state cannot be read"))?);
            if bytes.len() > STATE_SIZE_MAX {
                return Err(corrupt("the state is larger than 64 MiB"));
            }
        }
        if bytes.is_empty() {
            return Err(corrupt("the state is empty"));
        }
        let mut state = StateReader::new(&bytes);
        (*instance.cast::<Instance<S>>()).strategy.load(&mut state, version)?;
        state.end()?;
        Ok(abi::OK)
    })
}

trait Tables {
    const SUBSCRIPTIONS: abi::ExtSubscriptions;
    const STATE: abi::ExtState;
}

impl<S: Strategy> Tables for S {
    const SUBSCRIPTIONS: abi::ExtSubscriptions = abi::ExtSubscriptions {
        size: abi::size::<abi::ExtSubscriptions>(),
        reserved: 0,
        list: Some(subscriptions::<S>),
    };
    const STATE: abi::ExtState = abi::ExtState {
        size: abi::size::<abi::ExtState>(),
        reserved: 0,
        save: Some(save::<S>),
        load: Some(load::<S>),
    };
}

unsafe extern "C" fn get_extension<S: Strategy>(
    descriptor: *const abi::Descriptor,
    id: *const c_char,
) -> *const c_void {
    if descriptor.is_null() || id.is_null() {
        return std::ptr::null();
    }
    let plugin = &*(*descriptor).user.cast::<Plugin>();
    let id = CStr::from_ptr(id);
    if id == abi::EXT_FUNCTIONS {
        return plugin
            .functions
            .as_ref()
            .map_or(std::ptr::null(), |table| (table as *const abi::ExtFunctions).cast());
    }
    if plugin.has_instances && id == abi::EXT_SUBSCRIPTIONS {
        let table: &'static abi::ExtSubscriptions = &<S as Tables>::SUBSCRIPTIONS;
        return (table as *const abi::ExtSubscriptions).cast();
    }
    if plugin.has_instances && id == abi::EXT_STATE && (*descriptor).state_version != 0 {
        let table: &'static abi::ExtState = &<S as Tables>::STATE;
        return (table as *const abi::ExtState).cast();
    }
    std::ptr::null()
}
