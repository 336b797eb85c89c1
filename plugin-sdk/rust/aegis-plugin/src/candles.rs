//! Windows over the engine's candles.

use crate::abi;
use std::marker::PhantomData;

/// Closed candles as columns, oldest first: the last element is the newest. Ends with the call of `process`.
#[derive(Clone, Copy)]
pub struct Candles<'a> {
    raw: abi::Candles,
    events: PhantomData<&'a abi::Event>,
}

impl<'a> Candles<'a> {
    pub(crate) fn new(raw: abi::Candles) -> Self {
        Candles { raw, events: PhantomData }
    }

    pub fn len(&self) -> usize {
        self.raw.count as usize
    }

    pub fn is_empty(&self) -> bool {
        self.raw.count == 0
    }

    pub fn open(&self) -> &'a [f64] {
        self.column(self.raw.open)
    }

    pub fn high(&self) -> &'a [f64] {
        self.column(self.raw.high)
    }

    pub fn low(&self) -> &'a [f64] {
        self.column(self.raw.low)
    }

    pub fn close(&self) -> &'a [f64] {
        self.column(self.raw.close)
    }

    pub fn volume(&self) -> &'a [f64] {
        self.column(self.raw.volume)
    }

    pub fn open_time_ns(&self) -> &'a [i64] {
        self.column(self.raw.open_time_ns)
    }

    /// `abi::EVENT_COMPLETE`, `_SYNTHETIC`, `_BACKFILLED`.
    pub fn flags(&self) -> &'a [u16] {
        self.column(self.raw.flags)
    }

    fn column<T>(&self, start: *const T) -> &'a [T] {
        if start.is_null() || self.is_empty() {
            return &[];
        }
        // The host keeps `count` elements per column valid until process returns, which ends 'a.
        unsafe { std::slice::from_raw_parts(start, self.len()) }
    }
}
