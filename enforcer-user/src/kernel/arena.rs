//! Which runs of a table are in use.

use std::collections::BTreeMap;

/// First-fit allocation of index ranges in a table of fixed size.
#[derive(Debug)]
pub(crate) struct Arena {
    capacity: u32,
    /// First index to length, never overlapping.
    used: BTreeMap<u32, u32>,
}

// === impl Arena ===

impl Arena {
    pub(crate) fn new(capacity: u32) -> Self {
        Self { capacity, used: BTreeMap::new() }
    }

    /// Marks a run as used that was found in use.
    pub(crate) fn adopt(&mut self, first: u32, len: u32) {
        if len > 0 {
            self.used.insert(first, len);
        }
    }

    /// Takes the first free run of `len`; `None` where there is none.
    pub(crate) fn take(&mut self, len: u32) -> Option<u32> {
        if len == 0 {
            return Some(0);
        }
        let mut at = 0;
        for (&first, &taken) in &self.used {
            if first >= at && first - at >= len {
                break;
            }
            at = at.max(first.saturating_add(taken));
        }
        if at.checked_add(len)? > self.capacity {
            return None;
        }
        self.used.insert(at, len);
        Some(at)
    }

    /// Gives a run back.
    pub(crate) fn free(&mut self, first: u32) {
        self.used.remove(&first);
    }

    /// How many entries are in use, and how many there are.
    pub(crate) fn occupancy(&self) -> (u64, u64) {
        (self.used.values().map(|&len| u64::from(len)).sum(), u64::from(self.capacity))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_run_is_used_again() {
        let mut arena = Arena::new(10);
        assert_eq!([arena.take(4), arena.take(4), arena.take(4)], [Some(0), Some(4), None]);
        arena.free(0);
        assert_eq!([arena.take(3), arena.take(2)], [Some(0), Some(8)]);
        assert_eq!(arena.occupancy(), (9, 10));
    }

    #[test]
    fn adopted_runs_are_not_given_away() {
        let mut arena = Arena::new(10);
        arena.adopt(2, 3);
        arena.adopt(0, 0);
        assert_eq!([arena.take(2), arena.take(5), arena.take(1)], [Some(0), Some(5), None]);
    }

    #[test]
    fn nothing_needs_no_room() {
        assert_eq!(Arena::new(0).take(0), Some(0));
    }
}
