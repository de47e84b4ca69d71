//! From an address to the list of port rules of the longest prefix around it.

use core::borrow::Borrow;

use crate::address::Address;
use crate::layout::PortList;
use crate::prefixes::entry::{
    HALF, PROBES, Wanted, high_bits, list_of, mark, tag_v4, tag_v6, tag_v6_long,
};
use crate::prefixes::{Head, Line, Lines};

/// The most lengths that prefixes of a policy have in one family.
pub const MAX_LENGTHS: u32 = 129;

/// A look-up on its way through the lengths of a policy.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Lookup {
    /// The address, host order; IPv4 in the lower half of `low`.
    high: u64,
    low: u64,
    head: u32,
    v4: u32,
    v6: u32,
    v6_long: u32,
    rules: u32,
    is_v4: u32,
    /// The entry's tag; 0 while none is found.
    found: u64,
}

// === impl Lookup ===

impl Lookup {
    /// Begins a look-up in the run whose first line has index `head`; with it
    /// comes how many turns it has. `None`: there is no such line.
    #[inline(always)]
    pub fn begin(lines: &impl Lines, head: u32, address: &Address) -> Option<(Self, u32)> {
        let Head { rules, v4, v6, v6_long, v4_lengths, v6_lengths, .. } =
            *Head::of(lines.line(head)?.borrow());
        let [high, low] = address.halves();
        let is_v4 = u32::from(high == 0 && low >> 32 == 0xffff);
        let turns = if is_v4 == 1 { v4_lengths } else { v6_lengths };
        Some((Self { high, low, head, v4, v6, v6_long, rules, is_v4, found: 0 }, turns))
    }

    /// Looks for a prefix of the length whose turn it is. Whether the look-up is
    /// over: the first that is found is the longest.
    #[inline(always)]
    pub fn turn(&mut self, lines: &impl Lines, turn: u32) -> bool {
        if self.is_v4 == 1 { self.turn_v4(lines, turn) } else { self.turn_v6(lines, turn) }
    }

    /// The port rules of the longest prefix that was found.
    #[inline(always)]
    pub fn found(&self) -> Option<PortList> {
        if self.found == 0 {
            return None;
        }
        let list = list_of(self.found);
        Some(PortList { first: self.rules.wrapping_add(list.first), count: list.count })
    }

    #[inline(always)]
    fn turn_v4(&mut self, lines: &impl Lines, turn: u32) -> bool {
        let Some(head) = lines.line(self.head) else { return true };
        let lengths = &Head::of(head.borrow()).lengths;
        // The verifier wants to see that it stays inside.
        let at = if turn < 39 { turn as usize } else { 39 };
        let wanted = Wanted::v4(self, lengths[at]);
        self.probe(lines, &wanted, tag_v4, 7)
    }

    #[inline(always)]
    fn turn_v6(&mut self, lines: &impl Lines, turn: u32) -> bool {
        let at = self
            .behind_head()
            .wrapping_add(self.v4)
            .wrapping_add(self.v6)
            .wrapping_add(self.v6_long);
        let Some(line) = lines.line(at.wrapping_add(turn / 64)) else { return true };
        let word = line.borrow().words[turn as usize / 8 % 8];
        let length = (word >> (turn % 8 * 8) & 0xff) as u8;
        if length > HALF {
            let wanted = Wanted::v6_long(self, length);
            return self.probe(lines, &wanted, tag_v6_long, 5);
        }
        let wanted = Wanted::v6(self, length);
        self.probe(lines, &wanted, tag_v6, 7)
    }

    #[inline(always)]
    fn behind_head(&self) -> u32 {
        self.head.wrapping_add(1)
    }

    #[inline(always)]
    fn probe(
        &mut self,
        lines: &impl Lines,
        wanted: &Wanted,
        tag: impl Fn(&Line, &Wanted) -> u64,
        last: usize,
    ) -> bool {
        let home = wanted.home();
        for step in 0..PROBES {
            if step >= wanted.lines {
                return false;
            }
            let at = home.wrapping_add(step);
            let at = if at < wanted.lines { at } else { at.wrapping_sub(wanted.lines) };
            let Some(line) = lines.line(wanted.from.wrapping_add(at)) else { return true };
            self.found = tag(line.borrow(), wanted);
            // A line that is not full has sent nothing on to the next one.
            if self.found != 0 || line.borrow().words[last] == 0 {
                break;
            }
        }
        self.found != 0
    }
}

// === impl Wanted ===

impl Wanted {
    #[inline(always)]
    fn v4(lookup: &Lookup, length: u8) -> Self {
        let low = lookup.low & 0xffff_ffff & high_bits(length.wrapping_add(32));
        Self { high: 0, low, mark: mark(length), from: lookup.behind_head(), lines: lookup.v4 }
    }

    #[inline(always)]
    fn v6(lookup: &Lookup, length: u8) -> Self {
        let high = lookup.high & high_bits(length);
        let from = lookup.behind_head().wrapping_add(lookup.v4);
        Self { high, low: 0, mark: mark(length), from, lines: lookup.v6 }
    }

    #[inline(always)]
    fn v6_long(lookup: &Lookup, length: u8) -> Self {
        let low = lookup.low & high_bits(length.wrapping_sub(HALF));
        let from = lookup.behind_head().wrapping_add(lookup.v4).wrapping_add(lookup.v6);
        Self { high: lookup.high, low, mark: mark(length), from, lines: lookup.v6_long }
    }
}

/// The whole look-up; the kernel programs have a loop of their own.
#[inline(always)]
pub fn find(lines: &impl Lines, head: u32, address: &Address) -> Option<PortList> {
    let (mut lookup, turns) = Lookup::begin(lines, head, address)?;
    for turn in 0..turns.min(MAX_LENGTHS) {
        if lookup.turn(lines, turn) {
            break;
        }
    }
    lookup.found()
}
