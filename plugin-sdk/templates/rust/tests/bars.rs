//! Runs the strategy over bars.csv as the engine would, and checks what it says.

use aegis_plugin::{abi, Signal};
use std::ffi::{c_char, c_void};

fn bars() -> Vec<abi::Event> {
    let text = include_str!("../bars.csv");
    let event = |(index, line): (usize, &str)| {
        let numbers: Vec<f64> = line
            .split(',')
            .map(|word| word.parse().expect("a number"))
            .collect();
        let bar = abi::Bar {
            open: numbers[1],
            high: numbers[2],
            low: numbers[3],
            close: numbers[4],
            volume: numbers[5],
        };
        abi::Event {
            ts_ns: (numbers[0] as i64 + 60_000) * 1_000_000,
            u: abi::Payload { bar },
            instrument: 0,
            kind: abi::EV_BAR,
            flags: abi::EVENT_COMPLETE,
            seq: index as u64 + 1,
        }
    };
    text.lines().skip(1).enumerate().map(event).collect()
}

fn descriptor() -> &'static abi::Descriptor {
    unsafe { &**(*template_strategy::aegis_plugin_v1()).plugins }
}

fn strategy() -> &'static abi::Strategy {
    unsafe { &*descriptor().strategy }
}

/// An instance with the schema's defaults, for one instrument.
struct Running(*mut abi::Instance);

impl Running {
    fn start() -> Self {
        let schema = unsafe {
            std::slice::from_raw_parts(descriptor().params, descriptor().n_params as usize)
        };
        let values: Vec<abi::ParamValue> = schema
            .iter()
            .map(|param| abi::ParamValue {
                id: param.id,
                reserved: 0,
                value: param.def,
            })
            .collect();
        let instruments: [*const c_char; 1] = [c"BTCUSDT".as_ptr()];
        let config = abi::Config {
            size: abi::size::<abi::Config>(),
            n_params: values.len() as u32,
            params: values.as_ptr(),
            n_instruments: 1,
            flags: 0,
            instruments: instruments.as_ptr(),
            data_dir: std::ptr::null(),
            instance_name: c"test".as_ptr(),
            seed: 1,
        };
        let mut instance = std::ptr::null_mut();
        let create = strategy().create.unwrap();
        let status = unsafe {
            create(
                descriptor(),
                std::ptr::null(),
                &config,
                &mut instance,
                std::ptr::null_mut(),
            )
        };
        assert_eq!(status, abi::OK);
        Running(instance)
    }

    fn feed(&self, events: &[abi::Event], batch_size: usize, flags: u64) -> Vec<Signal> {
        let mut signals = Vec::new();
        for events in events.chunks(batch_size) {
            let mut room: Vec<Signal> = Vec::with_capacity(events.len());
            let mut batch: abi::Batch = unsafe { std::mem::zeroed() };
            batch.size = abi::size::<abi::Batch>();
            batch.count = events.len() as u32;
            batch.events = events.as_ptr();
            batch.now_ns = events[events.len() - 1].ts_ns;
            batch.flags = flags;
            batch.out = room.as_mut_ptr();
            batch.out_capacity = events.len() as u32;
            assert_eq!(
                unsafe { strategy().process.unwrap()(self.0, &mut batch) },
                abi::OK
            );
            unsafe { room.set_len(batch.out_count as usize) };
            signals.extend(room);
        }
        signals
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        unsafe { strategy().destroy.unwrap()(self.0) }
    }
}

/// What makes two signals the same; NaN equals NaN.
fn facts(signals: &[Signal]) -> Vec<(u64, i64, f64, i64)> {
    signals
        .iter()
        .map(|s| (s.cause_seq, s.ts_ns, s.return_fraction, s.horizon_ns))
        .collect()
}

#[test]
fn every_breakout_of_the_file_is_announced_once() {
    let events = bars();
    let expected = [
        (20, 1.0),
        (31, 1.0),
        (34, 1.0),
        (41, 1.0),
        (44, 1.0),
        (63, -1.0),
        (68, -1.0),
        (72, -1.0),
        (76, -1.0),
        (80, -1.0),
        (97, 1.0),
        (107, -1.0),
        (117, -1.0),
    ];
    let signals = Running::start().feed(&events, 1, abi::BATCH_LIVE);
    let found: Vec<_> = signals
        .iter()
        .map(|s| (s.cause_seq - 1, s.return_fraction))
        .collect();
    assert_eq!(found, expected.map(|(bar, side)| (bar, side * 0.01)));
    assert!(signals.iter().all(|s| s.stop_fraction.is_nan()));
    assert_eq!(
        facts(&Running::start().feed(&events, 7, abi::BATCH_LIVE)),
        facts(&signals),
        "in batches of 7"
    );
}

#[test]
fn warm_up_is_silent_and_counts() {
    let events = bars();
    let running = Running::start();
    assert!(running.feed(&events[..20], 5, abi::BATCH_WARMUP).is_empty());
    assert_eq!(running.feed(&events[20..21], 1, abi::BATCH_LIVE).len(), 1);
}

struct Memory {
    bytes: Vec<u8>,
    position: usize,
}

unsafe extern "C" fn write(
    sink: *mut abi::Sink,
    bytes: *const c_void,
    count: usize,
) -> abi::Status {
    let memory = &mut *(*sink).ctx.cast::<Memory>();
    memory
        .bytes
        .extend_from_slice(std::slice::from_raw_parts(bytes.cast(), count));
    abi::OK
}

/// Three bytes at a time: pieces may be of any size.
unsafe extern "C" fn read(source: *mut abi::Source, bytes: *mut c_void, capacity: usize) -> i64 {
    let memory = &mut *(*source).ctx.cast::<Memory>();
    let count = capacity.min(3).min(memory.bytes.len() - memory.position);
    std::ptr::copy_nonoverlapping(
        memory.bytes.as_ptr().add(memory.position),
        bytes.cast(),
        count,
    );
    memory.position += count;
    count as i64
}

#[test]
fn saved_and_loaded_it_goes_on_as_if_nothing_had_happened() {
    let events = bars();
    let whole = facts(&Running::start().feed(&events, 1, abi::BATCH_LIVE));
    let state = unsafe {
        &*strategy().get_extension.unwrap()(descriptor(), abi::EXT_STATE.as_ptr())
            .cast::<abi::ExtState>()
    };
    let mut memory = Memory {
        bytes: Vec::new(),
        position: 0,
    };
    let context = (&mut memory as *mut Memory).cast();
    let (first, second) = (Running::start(), Running::start());
    let mut signals = first.feed(&events[..60], 1, abi::BATCH_LIVE);
    let mut sink = abi::Sink {
        ctx: context,
        write: Some(write),
    };
    assert_eq!(unsafe { state.save.unwrap()(first.0, &mut sink) }, abi::OK);
    let mut source = abi::Source {
        ctx: context,
        read: Some(read),
    };
    let status = unsafe { state.load.unwrap()(second.0, &mut source, 1, std::ptr::null_mut()) };
    assert_eq!(status, abi::OK);
    signals.extend(second.feed(&events[60..], 1, abi::BATCH_LIVE));
    assert_eq!(facts(&signals), whole);
}
