//! TemplateStrategy: a breakout. When a minute closes above the highest high of the `lookback` minutes before it, the
//! price is expected to rise; below the lowest low, to fall. Only the first close outside the channel is announced.
//!
//! This version keeps what it knows itself, bar by bar, and can save it. For the other way, reading the engine's
//! candle windows, see `aegis_plugin::Host::candles`.

use aegis_plugin::*;

// Parameter ids. They never change once people have configured the plugin.
const LOOKBACK: u32 = 1;
const EXPECTED: u32 = 2;

/// What is known of one instrument.
struct Channel {
    /// Bars seen.
    count: i64,
    /// Where the last bar closed: +1 above the channel, -1 below, 0 inside.
    previous: i32,
    /// Of the last `lookback` bars; bar i is at i % lookback.
    highs: Vec<f64>,
    lows: Vec<f64>,
}

impl Channel {
    fn new(lookback: usize) -> Self {
        Channel {
            count: 0,
            previous: 0,
            highs: vec![0.0; lookback],
            lows: vec![0.0; lookback],
        }
    }

    /// Takes in a bar; +1 or -1 when it is the first to close outside the channel, else 0.
    fn absorb(&mut self, bar: &abi::Bar) -> i32 {
        let lookback = self.highs.len();
        let mut side = 0;
        if self.count >= lookback as i64 {
            let high = self.highs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let low = self.lows.iter().copied().fold(f64::INFINITY, f64::min);
            side = if bar.close > high {
                1
            } else if bar.close < low {
                -1
            } else {
                0
            };
        }
        let slot = self.count as usize % lookback;
        self.highs[slot] = bar.high;
        self.lows[slot] = bar.low;
        self.count += 1;
        let news = if side != self.previous { side } else { 0 };
        self.previous = side;
        news
    }
}

struct TemplateStrategy {
    lookback: i64,
    expected_fraction: f64,
    /// By instrument.
    channels: Vec<Channel>,
}

impl Strategy for TemplateStrategy {
    fn describe() -> Description {
        Description {
            id: "template-strategy",
            name: "TemplateStrategy",
            version: "0.1.0",
            summary: "Follows a close outside the channel of the last bars",
            capabilities: abi::CAP_DETERMINISTIC | abi::CAP_STATEFUL | abi::CAP_NEEDS_BARS,
            // Raise it whenever `save` writes something else.
            state_version: 1,
            parameters: vec![
                Parameter::integer(
                    LOOKBACK,
                    "lookback",
                    20,
                    2..=500,
                    "bars",
                    "bars whose highs and lows make the channel",
                ),
                Parameter::number(
                    EXPECTED,
                    "expected",
                    0.01,
                    0.0001..=1.0,
                    "fraction",
                    "return to announce, without its sign",
                )
                .runtime(),
            ],
            subscriptions: vec![Subscription::bars(Timeframe::Minute1, 21)],
            ..Default::default()
        }
    }

    fn new(config: &Config) -> Result<Self, Error> {
        // The host has checked types and ranges.
        let lookback = config.integer(LOOKBACK)?;
        let channels = (0..config.instrument_count())
            .map(|_| Channel::new(lookback as usize))
            .collect();
        Ok(TemplateStrategy {
            lookback,
            expected_fraction: config.number(EXPECTED)?,
            channels,
        })
    }

    fn subscriptions(&self) -> Option<Vec<Subscription>> {
        Some(vec![Subscription::bars(
            Timeframe::Minute1,
            self.lookback as u32 + 1,
        )])
    }

    fn process(&mut self, events: &Events, out: &mut SignalWriter) {
        for event in events {
            if let Some((EXPECTED, Value::Number(value))) = event.parameter_change() {
                self.expected_fraction = value;
            }
            let Some(bar) = event.bar(Timeframe::Minute1) else {
                continue;
            };
            let Some(channel) = self.channels.get_mut(event.instrument as usize) else {
                continue;
            };
            let side = channel.absorb(bar);
            // Learn from history and from incomplete bars, but say nothing on them.
            if side != 0 && !events.is_warmup() && event.is_complete() {
                let expected = f64::from(side) * self.expected_fraction;
                out.emit(Signal::new(
                    event,
                    expected,
                    0.65,
                    self.lookback * 60_000_000_000,
                ));
            }
        }
    }

    fn save(&self, state: &mut StateWriter) {
        state.write(self.channels.len() as u64);
        state.write(self.lookback);
        for channel in &self.channels {
            state.write(channel.count);
            state.write(channel.previous);
            for price in channel.highs.iter().chain(&channel.lows) {
                state.write(*price);
            }
        }
    }

    fn load(&mut self, state: &mut StateReader, _version: u32) -> Result<(), Error> {
        let corrupt = |message: &str| Error::new(abi::E_STATE_CORRUPT, message);
        if state.read::<u64>()? != self.channels.len() as u64
            || state.read::<i64>()? != self.lookback
        {
            return Err(corrupt(
                "the state is for other instruments or another lookback",
            ));
        }
        for channel in &mut self.channels {
            channel.count = state.read()?;
            channel.previous = state.read()?;
            if channel.count < 0 || !(-1..=1).contains(&channel.previous) {
                return Err(corrupt("an instrument of the state is impossible"));
            }
            for price in channel.highs.iter_mut().chain(&mut channel.lows) {
                *price = state.read()?;
            }
        }
        Ok(())
    }
}

export_plugin!(TemplateStrategy);
