//! What the host sees of a strategy: checked values in, signals out, and never a panic.

use aegis_plugin::*;
use std::ffi::{c_void, CStr};

struct Probe {
    count: i64,
}

unsafe extern "C" fn twice(value: f64) -> f64 {
    value * 2.0
}

impl Strategy for Probe {
    fn describe() -> Description {
        Description {
            id: "probe",
            version: "1.0.0",
            state_version: 1,
            parameters: vec![
                Parameter::integer(1, "start", 3, 0..=100, "trades", "where the count starts").runtime(),
                Parameter::choice(2, "end", &["quietly", "loudly"], 0, "how"),
            ],
            subscriptions: vec![Subscription::trades()],
            functions: vec![unsafe {
                TypedFunction::new("twice", "f64(f64)", abi::FUNCTION_PURE, "doubles", twice as *const ())
            }],
            ..Default::default()
        }
    }
    fn new(config: &Config) -> Result<Self, Error> {
        match config.integer(1)? {
            13 => Err(Error::invalid("13 is refused")),
            66 => panic!("no new instance"),
            count => Ok(Probe { count }),
        }
    }
    fn process(&mut self, events: &Events, out: &mut SignalWriter) {
        for event in events {
            if let Some((1, Value::Integer(value))) = event.parameter_change() {
                self.count = value;
            }
            if let Some(trade) = event.trade() {
                assert!(trade.price > 0.0, "a price");
                self.count += 1;
                out.emit(Signal::new(event, 0.01, 0.5, self.count));
            }
        }
    }
    fn save(&self, state: &mut StateWriter) {
        state.write(self.count);
    }
    fn load(&mut self, state: &mut StateReader, _version: u32) -> Result<(), Error> {
        self.count = state.read()?;
        Ok(())
    }
}

struct Doubling;
impl FunctionLibrary for Doubling {
    fn describe() -> Description {
        Description { id: "doubling", version: "1.0.0", functions: Probe::describe().functions, ..Default::default() }
    }
}

export_plugin!(strategies: [Probe], functions: [Doubling]);

fn descriptor(index: usize) -> &'static abi::Descriptor {
    unsafe { &**(*aegis_plugin_v1()).plugins.add(index) }
}

fn text(error: &abi::Error) -> &str {
    unsafe { CStr::from_ptr(error.message.as_ptr()) }.to_str().unwrap()
}

struct Running(*mut abi::Instance);

impl Running {
    fn start(value: i64) -> Result<Running, (abi::Status, String)> {
        let values = [abi::ParamValue {
            id: 1,
            reserved: 0,
            value: abi::Value { r#type: abi::T_I64, len: 0, v: abi::ValueUnion { i64: value } },
        }];
        let mut config: abi::Config = unsafe { std::mem::zeroed() };
        config.size = abi::size::<abi::Config>();
        config.n_params = 1;
        config.params = values.as_ptr();
        let mut error: abi::Error = unsafe { std::mem::zeroed() };
        let mut instance = std::ptr::null_mut();
        let create = unsafe { (*descriptor(0).strategy).create.unwrap() };
        match unsafe { create(descriptor(0), std::ptr::null(), &config, &mut instance, &mut error) } {
            abi::OK => Ok(Running(instance)),
            status => {
                assert!(instance.is_null());
                Err((status, text(&error).to_owned()))
            }
        }
    }

    fn process(&self, events: &[abi::Event], room: usize) -> (abi::Status, Vec<Signal>) {
        let mut signals = Vec::with_capacity(room);
        let mut batch: abi::Batch = unsafe { std::mem::zeroed() };
        batch.size = abi::size::<abi::Batch>();
        batch.count = events.len() as u32;
        batch.events = events.as_ptr();
        batch.flags = abi::BATCH_LIVE;
        batch.out = signals.as_mut_ptr();
        batch.out_capacity = room as u32;
        let status = unsafe { (*descriptor(0).strategy).process.unwrap()(self.0, &mut batch) };
        unsafe { signals.set_len((batch.out_count as usize).min(room)) };
        (status, signals)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        unsafe { (*descriptor(0).strategy).destroy.unwrap()(self.0) }
    }
}

fn trade(price: f64) -> abi::Event {
    let trade = abi::Trade { price, size: 1.0, trade_id: 1, reserved: [0; 2] };
    abi::Event { ts_ns: 5, u: abi::Payload { trade }, instrument: 0, kind: abi::EV_TRADE, flags: 0, seq: 9 }
}

fn extension<T>(index: usize, id: &CStr) -> Option<&'static T> {
    let get = unsafe { (*descriptor(index).strategy).get_extension.unwrap() };
    unsafe { get(descriptor(index), id.as_ptr()).cast::<T>().as_ref() }
}

#[test]
fn an_error_and_a_panic_become_a_status_and_its_text() {
    assert_eq!(Running::start(13).err(), Some((abi::E_INVALID, "13 is refused".into())));
    assert_eq!(Running::start(66).err(), Some((abi::E_INTERNAL, "no new instance".into())));
    let running = Running::start(1).unwrap();
    assert_eq!(running.process(&[trade(-1.0)], 4).0, abi::E_INTERNAL, "the assertion in process");
    assert_eq!(running.process(&[trade(1.0)], 4).0, abi::OK, "and it goes on");
}

#[test]
fn signals_keep_to_the_room_there_is() {
    let running = Running::start(1).unwrap();
    let (status, signals) = running.process(&[trade(1.0), trade(2.0)], 2);
    assert_eq!((status, signals.len()), (abi::OK, 2));
    assert_eq!((signals[1].cause_seq, signals[1].ts_ns, signals[1].horizon_ns), (9, 5, 3));
    assert!(signals[1].stop_fraction.is_nan());
    assert_eq!(running.process(&[trade(1.0), trade(2.0)], 1).0, abi::E_OVERFLOW);
}

#[test]
fn a_runtime_parameter_arrives_in_order() {
    let running = Running::start(1).unwrap();
    let value = abi::Value { r#type: abi::T_I64, len: 0, v: abi::ValueUnion { i64: 40 } };
    let param = abi::ParamChange { id: 1, reserved0: 0, value, reserved: [0; 2] };
    let change = abi::Event { u: abi::Payload { param }, kind: abi::EV_PARAM, ..trade(1.0) };
    let unknown = abi::Event { kind: 9999, ..trade(1.0) };
    let (_, signals) = running.process(&[trade(1.0), change, unknown, trade(1.0)], 8);
    assert_eq!(signals.iter().map(|signal| signal.horizon_ns).collect::<Vec<_>>(), [2, 41]);
}

struct Stream {
    bytes: Vec<u8>,
    position: usize,
    piece: usize,
}

unsafe extern "C" fn write(sink: *mut abi::Sink, bytes: *const c_void, count: usize) -> abi::Status {
    let stream = &mut *(*sink).ctx.cast::<Stream>();
    stream.bytes.extend_from_slice(std::slice::from_raw_parts(bytes.cast(), count));
    abi::OK
}

unsafe extern "C" fn read(source: *mut abi::Source, bytes: *mut c_void, capacity: usize) -> i64 {
    let stream = &mut *(*source).ctx.cast::<Stream>();
    let count = capacity.min(stream.piece).min(stream.bytes.len() - stream.position);
    std::ptr::copy_nonoverlapping(stream.bytes.as_ptr().add(stream.position), bytes.cast(), count);
    stream.position += count;
    count as i64
}

#[test]
fn state_survives_pieces_and_damage_is_refused() {
    let table: &abi::ExtState = extension(0, abi::EXT_STATE).unwrap();
    let mut stream = Stream { bytes: Vec::new(), position: 0, piece: 3 };
    let mut sink = abi::Sink { ctx: (&mut stream as *mut Stream).cast(), write: Some(write) };
    let original = Running::start(77).unwrap();
    assert_eq!(unsafe { table.save.unwrap()(original.0, &mut sink) }, abi::OK);
    let load_version = |bytes: Vec<u8>, version: u32| {
        let mut stream = Stream { bytes, position: 0, piece: 3 };
        let mut source = abi::Source { ctx: (&mut stream as *mut Stream).cast(), read: Some(read) };
        let restored = Running::start(1).unwrap();
        let status = unsafe { table.load.unwrap()(restored.0, &mut source, version, std::ptr::null_mut()) };
        (status, restored.process(&[trade(1.0)], 1).1[0].horizon_ns)
    };
    let load = |bytes: Vec<u8>| load_version(bytes, 1);
    let whole = stream.bytes.clone();
    assert_eq!(load_version(whole.clone(), 0).0, abi::E_STATE_VERSION);
    assert_eq!(load_version(whole.clone(), 2).0, abi::E_STATE_VERSION);
    assert_eq!(load(whole.clone()), (abi::OK, 78));
    assert_eq!(load(Vec::new()).0, abi::E_STATE_CORRUPT);
    assert_eq!(load(whole[1..].to_vec()).0, abi::E_STATE_CORRUPT);
    assert_eq!(load([whole, vec![0]].concat()).0, abi::E_STATE_CORRUPT);
}

#[test]
fn functions_are_offered_with_and_without_a_strategy() {
    for index in 0..2 {
        let table: &abi::ExtFunctions = extension(index, abi::EXT_FUNCTIONS).unwrap();
        let function = unsafe { &*table.functions };
        let twice: unsafe extern "C" fn(f64) -> f64 = unsafe { std::mem::transmute(function.r#fn.unwrap()) };
        assert_eq!((table.count, unsafe { twice(2.5) }), (1, 5.0));
        assert_eq!(unsafe { CStr::from_ptr(function.signature) }, c"f64(f64)");
    }
    assert_eq!((descriptor(0).kind, descriptor(1).kind), (abi::KIND_STRATEGY, abi::KIND_FUNCTIONS));
    assert!(extension::<abi::ExtState>(1, abi::EXT_STATE).is_none());
    assert!(extension::<abi::ExtState>(0, c"aegis.state/1x").is_none());
}

/// A host from before `log` and the extensions: its table ends earlier.
#[test]
fn a_shorter_host_is_served_what_it_has() {
    let mut raw: abi::Host = unsafe { std::mem::zeroed() };
    raw.size = 32;
    let host = unsafe { Host::new(&raw) };
    host.log(LogLevel::Info, "nobody listens");
    assert!(!host.has_candles() && !host.has_annotations());
    let events = Events::new(&[], 0, abi::BATCH_LIVE);
    assert!(host.candles(&events, 0, Timeframe::Minute1, 10).close().is_empty());
    assert_eq!(host.annotate(&Annotation::new("peak", &trade(1.0), Timeframe::Minute1, 1)), abi::E_UNSUPPORTED);
}
