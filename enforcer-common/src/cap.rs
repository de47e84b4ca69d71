//! Caps as GCRA (ITU-T I.371): one theoretical arrival time, moved forward by
//! compare-and-swap. No lock, no refill timer.

/// Resolution of an arrival time: sixteenths of a nanosecond, so that a byte
/// at 10 GB/s still costs more than one tick. 64 bits last 36 years of uptime.
pub const TICKS_PER_NS: u64 = 16;

/// Extra fraction bits of [`Cap::unit_cost`].
const COST_SHIFT: u32 = 16;

/// Attempts to move a contended arrival time before the packet is refused.
const CAS_ATTEMPTS: u32 = 8;

/// One cap as the kernel reads it; all zero means "no cap".
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cap {
    /// Cost of one unit (packet, byte, connection) in ticks, 16 fraction bits.
    pub unit_cost: u64,
    /// How far the arrival time may run ahead of the clock, in ticks.
    pub burst_ticks: u64,
    /// More units than this in one charge never fit; keeps the product of
    /// units and `unit_cost` within 64 bits.
    pub max_units: u64,
}
kernel_abi!(Cap, size = 24, { unit_cost: u64 = 0, burst_ticks: u64 = 8, max_units: u64 = 16 });

/// A shared 64-bit cell: `AtomicU64` in tests, a map value in the kernel.
pub trait Meter {
    /// Reads the arrival time.
    fn load(&self) -> u64;
    /// Stores `new` if the cell still holds `old`; else what it holds.
    ///
    /// # Errors
    /// The value found instead of `old`.
    fn compare_exchange(&self, old: u64, new: u64) -> Result<(), u64>;
}

// === impl Cap ===

impl Cap {
    /// No cap.
    pub const NONE: Self = Self { unit_cost: 0, burst_ticks: 0, max_units: 0 };

    /// A cap of `units` per `period_ns`, letting `burst` units through at once.
    /// `None` where the numbers do not fit the arithmetic: a zero, or a burst
    /// that would take longer than 2^43 ns, about two hours, to refill.
    pub fn new(units: u64, period_ns: u64, burst: u64) -> Option<Self> {
        if units == 0 || period_ns == 0 || burst == 0 {
            return None;
        }
        let ticks = u128::from(period_ns) * u128::from(TICKS_PER_NS);
        let unit_cost = u64::try_from((ticks << COST_SHIFT) / u128::from(units)).ok()?;
        let burst_cost = u128::from(unit_cost.max(1)) * u128::from(burst);
        if burst_cost >= 1 << 63 {
            return None;
        }
        let burst_ticks = u64::try_from(burst_cost >> COST_SHIFT).ok()?.max(1);
        Some(Self { unit_cost: unit_cost.max(1), burst_ticks, max_units: burst })
    }

    /// Whether there is no cap.
    #[inline(always)]
    pub fn is_none(&self) -> bool {
        self.unit_cost == 0
    }

    /// Units to charge ahead, so that the next packets need not: what flows in a
    /// millisecond, at most `most`, and never more than an eighth of the burst. What
    /// is charged and not used is lost, and is less than a cap can be measured
    /// to. 0 where that would be less than two.
    #[inline(always)]
    pub fn lease(&self, most: u64) -> u64 {
        if self.is_none() {
            return 0;
        }
        let in_a_millisecond = ((1_000_000 * TICKS_PER_NS) << COST_SHIFT) / self.unit_cost;
        let units = least(least(in_a_millisecond, most), self.max_units / 8);
        if units < 2 { 0 } else { units }
    }

    /// Charges `units` at time `now_ns`; `false` refuses and charges nothing.
    #[inline(always)]
    pub fn charge(&self, meter: &impl Meter, now_ns: u64, units: u64) -> bool {
        if units > self.max_units {
            return false;
        }
        let cost = (units * self.unit_cost) >> COST_SHIFT;
        let now = now_ns * TICKS_PER_NS;
        let mut arrival = meter.load();
        for _ in 0..CAS_ATTEMPTS {
            let next = if arrival > now { arrival } else { now } + cost;
            if next - now > self.burst_ticks {
                return false;
            }
            match meter.compare_exchange(arrival, next) {
                Ok(()) => return true,
                Err(found) => arrival = found,
            }
        }
        false
    }
}

/// Not `Ord::min`, which the BPF target makes a call of.
#[inline(always)]
const fn least(a: u64, b: u64) -> u64 {
    if a < b { a } else { b }
}

#[cfg(test)]
pub(crate) mod tests {
    use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

    use super::*;

    impl Meter for AtomicU64 {
        fn load(&self) -> u64 {
            self.load(SeqCst)
        }
        fn compare_exchange(&self, old: u64, new: u64) -> Result<(), u64> {
            self.compare_exchange(old, new, SeqCst, SeqCst).map(|_| ())
        }
    }

    const SECOND: u64 = 1_000_000_000;

    /// Units let through when `per_step` units are offered every `step_ns`.
    fn passed(cap: &Cap, step_ns: u64, steps: u64, per_step: u64) -> u64 {
        let meter = AtomicU64::new(0);
        (1..=steps).filter(|i| cap.charge(&meter, i * step_ns, per_step)).count() as u64 * per_step
    }

    #[test]
    fn over_ten_seconds_the_rate_and_one_burst_pass() {
        for rate in [100, 2_000, 1_000_000] {
            let burst = (rate / 4).max(1);
            let cap = Cap::new(rate, SECOND, burst).expect("fits");
            let got = passed(&cap, SECOND / rate / 3, 30 * rate, 1);
            let want = 10 * rate + burst;
            assert!(got.abs_diff(want) * 1000 <= want, "{rate}: {got} of {want}");
        }
    }

    #[test]
    fn ten_gigabytes_a_second_in_small_packets_stay_within_half_a_percent() {
        let cap = Cap::new(10_000_000_000, SECOND, 1_000_000).expect("fits");
        let got = passed(&cap, 5, 200_000_000 / 100, 64);
        let want = 10_000_000 * 10 + 1_000_000;
        let ratio = got as f64 / want as f64;
        assert!((0.99..1.01).contains(&ratio), "{got} of {want}");
    }

    #[test]
    fn more_than_the_burst_never_fits() {
        let cap = Cap::new(10, SECOND, 5).expect("fits");
        assert!(!cap.charge(&AtomicU64::new(0), 100 * SECOND, 6));
        assert!(cap.charge(&AtomicU64::new(0), 100 * SECOND, 5));
        assert!(!cap.charge(&AtomicU64::new(0), 100 * SECOND, u64::MAX));
    }

    #[test]
    fn a_refusal_charges_nothing() {
        let cap = Cap::new(1, SECOND, 1).expect("fits");
        let meter = AtomicU64::new(0);
        assert!(cap.charge(&meter, 10 * SECOND, 1));
        let after = meter.load(SeqCst);
        assert!(!cap.charge(&meter, 10 * SECOND, 1));
        assert_eq!(meter.load(SeqCst), after);
    }

    #[test]
    fn numbers_that_do_not_fit_are_no_cap_at_all() {
        assert_eq!(Cap::new(0, SECOND, 1), None);
        assert_eq!(Cap::new(1, 0, 1), None);
        assert_eq!(Cap::new(1, SECOND, 0), None);
        assert_eq!(Cap::new(1, SECOND, u64::MAX), None);
    }
}
