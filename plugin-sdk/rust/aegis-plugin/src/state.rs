//! Saved state, field after field, little-endian.

use crate::{abi, Error};

/// A number that can be saved.
pub trait StateValue: Sized {
    fn write(&self, bytes: &mut Vec<u8>);
    /// `bytes` has exactly `size_of::<Self>()` elements.
    fn read(bytes: &[u8]) -> Self;
}

macro_rules! state_value {
    ($($type:ty),+) => { $(
        impl StateValue for $type {
            fn write(&self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_le_bytes());
            }
            fn read(bytes: &[u8]) -> Self {
                let mut array = [0; std::mem::size_of::<$type>()];
                array.copy_from_slice(bytes);
                <$type>::from_le_bytes(array)
            }
        }
    )+ };
}
state_value!(u8, u16, u32, u64, i8, i16, i32, i64, f32, f64);

#[derive(Default)]
pub struct StateWriter {
    pub(crate) bytes: Vec<u8>,
}

impl StateWriter {
    pub fn write<T: StateValue>(&mut self, value: T) {
        value.write(&mut self.bytes);
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Gives the fields back in the order they were written.
pub struct StateReader<'a> {
    rest: &'a [u8],
}

impl<'a> StateReader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        StateReader { rest: bytes }
    }

    pub fn read<T: StateValue>(&mut self) -> Result<T, Error> {
        let size = std::mem::size_of::<T>();
        if self.rest.len() < size {
            return Err(Error::new(abi::E_STATE_CORRUPT, "the saved state ends early"));
        }
        let (value, rest) = self.rest.split_at(size);
        self.rest = rest;
        Ok(T::read(value))
    }

    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub fn end(&self) -> Result<(), Error> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(Error::new(abi::E_STATE_CORRUPT, format!("the saved state has {count} extra bytes"))),
        }
    }
}
