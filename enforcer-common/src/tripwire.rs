//! The tripwire: `count` violations within a sliding window, exact, without a
//! lock. The last `count` violation times stand in a ring; the newest one trips
//! the wire if the oldest of them is still inside the window.

/// Largest `count` the ring holds.
pub const TRIPWIRE_MAX: usize = 128;

/// One stamp: 16 bits of its number, 48 bits of time in 1.024 µs steps (nine
/// years of uptime). The number tells whether another CPU has already reused
/// the place; that CPU then decides on the newer window.
pub type Stamps = [u64; TRIPWIRE_MAX];

const NUMBER_BITS: u32 = 16;
const TIME_BITS: u32 = 64 - NUMBER_BITS;
const STEP_SHIFT: u32 = 10;

/// The shared ring: map values in the kernel, atomics in tests.
pub trait WindowStore {
    /// Takes the next violation's number; the first one is 0.
    fn take_number(&self) -> u64;
    /// Violations before this number are forgiven (set on release).
    fn forgiven(&self) -> u64;
    /// Stores the stamp at `place`, below [`TRIPWIRE_MAX`].
    fn put(&self, place: usize, stamp: u64);
    /// Reads the stamp at `place`, below [`TRIPWIRE_MAX`].
    fn get(&self, place: usize) -> u64;
}

/// A threshold; `count` 0 never trips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tripwire {
    /// Violations that trip it, at most [`TRIPWIRE_MAX`].
    pub count: u32,
    /// Width of the sliding window.
    pub window_ns: u64,
}

// === impl Tripwire ===

impl Tripwire {
    /// Notes one violation at `now_ns`; `true` when it trips the wire.
    #[inline(always)]
    pub fn note(&self, store: &impl WindowStore, now_ns: u64) -> bool {
        let number = store.take_number();
        let count = u64::from(self.count);
        if count == 0 {
            return false;
        }
        let now = now_ns >> STEP_SHIFT;
        store.put(Self::place(number % count), stamp(number, now));
        if number + 1 < count + store.forgiven() {
            return false;
        }
        let oldest = number + 1 - count;
        let found = store.get(Self::place(oldest % count));
        let same = found >> TIME_BITS == oldest & ((1 << NUMBER_BITS) - 1);
        let then = found & ((1 << TIME_BITS) - 1);
        same && now.saturating_sub(then) <= self.window_ns >> STEP_SHIFT
    }

    /// The mask lets the verifier see the bound that `% count` already keeps.
    #[inline(always)]
    fn place(number: u64) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "masked to TRIPWIRE_MAX first")]
        let place = (number & (TRIPWIRE_MAX as u64 - 1)) as usize;
        place
    }
}

#[inline(always)]
fn stamp(number: u64, time: u64) -> u64 {
    number << TIME_BITS | time & ((1 << TIME_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

    use proptest::prelude::*;

    use super::*;

    struct Ring {
        next: AtomicU64,
        forgiven: AtomicU64,
        stamps: Vec<AtomicU64>,
    }

    impl Ring {
        fn new() -> Self {
            let stamps = (0..TRIPWIRE_MAX).map(|_| AtomicU64::new(0)).collect();
            Self { next: AtomicU64::new(0), forgiven: AtomicU64::new(0), stamps }
        }
    }

    impl WindowStore for Ring {
        fn take_number(&self) -> u64 {
            self.next.fetch_add(1, SeqCst)
        }
        fn forgiven(&self) -> u64 {
            self.forgiven.load(SeqCst)
        }
        fn put(&self, place: usize, stamp: u64) {
            self.stamps[place].store(stamp, SeqCst);
        }
        fn get(&self, place: usize) -> u64 {
            self.stamps[place].load(SeqCst)
        }
    }

    const SECOND: u64 = 1_000_000_000;
    const THREE_IN_TEN: Tripwire = Tripwire { count: 3, window_ns: 10 * SECOND };

    #[test]
    fn the_third_violation_inside_the_window_trips() {
        let ring = Ring::new();
        let trips: Vec<_> =
            [1, 2, 3].iter().map(|s| THREE_IN_TEN.note(&ring, s * SECOND)).collect();
        assert_eq!(trips, [false, false, true]);
    }

    #[test]
    fn slow_violations_never_trip() {
        let ring = Ring::new();
        assert!((1..100).all(|i| !THREE_IN_TEN.note(&ring, i * 6 * SECOND)));
    }

    #[test]
    fn what_was_forgiven_does_not_count_again() {
        let ring = Ring::new();
        let note = |s: u64| THREE_IN_TEN.note(&ring, s * SECOND);
        assert_eq!([note(1), note(2), note(3)], [false, false, true]);
        ring.forgiven.store(3, SeqCst);
        assert_eq!([note(4), note(5), note(6)], [false, false, true]);
    }

    #[test]
    fn a_count_of_zero_never_trips() {
        let ring = Ring::new();
        let off = Tripwire { count: 0, window_ns: u64::MAX };
        assert!((0..10).all(|i| !off.note(&ring, i)));
    }

    proptest! {
        #[test]
        fn it_agrees_with_a_list_of_all_times(
            count in 1_u32..=8,
            gaps in prop::collection::vec(0_u64..5, 1..60),
        ) {
            let wire = Tripwire { count, window_ns: 10 * SECOND };
            let ring = Ring::new();
            let mut times = Vec::new();
            let mut now = SECOND;
            for gap in gaps {
                now += gap * SECOND;
                times.push(now >> STEP_SHIFT);
                let within = times.iter().filter(|&&t| (now >> STEP_SHIFT) - t <= wire.window_ns >> STEP_SHIFT).count();
                prop_assert_eq!(wire.note(&ring, now), within >= count as usize);
            }
        }
    }
}
