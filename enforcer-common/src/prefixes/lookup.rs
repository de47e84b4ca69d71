//! From an address to the list of port rules of the longest prefix around it.

use core::borrow::Borrow;

use crate::address::Address;
use crate::layout::PortList;
use crate::prefixes::entry::{Area, Kind, PROBES, Wanted, hash, list_of, spread};
use crate::prefixes::{Head, Line, Lines};

/// A policy's run of lines, to be searched for an address.
struct Run<'a, L> {
    lines: &'a L,
    address: &'a Address,
    /// Index of the first line.
    at: u32,
    head: &'a Head,
}

/// What a line says of a prefix.
pub enum Step {
    /// As for [`probe`].
    Over(Option<u64>),
    /// It may be in its next line.
    Further,
}

/// The port rules of the longest prefix around an address, in the run whose first line
/// has index `head`.
#[inline(always)]
pub fn find(lines: &impl Lines, head: u32, address: &Address) -> Option<PortList> {
    let line = lines.line(head)?;
    let run = Run { lines, address, at: head, head: Head::of(line.borrow()) };
    let [high, low] = address.halves();
    let is_v4 = high == 0 && low >> 32 == 0xffff;
    let tag = if is_v4 { run.find_v4(low)? } else { run.find_v6(high)? };
    if tag == 0 {
        return None;
    }
    let list = list_of(tag);
    Some(PortList { first: run.head.rules.wrapping_add(list.first), count: list.count })
}

/// The tag of the prefix of an address whose last bit is `end`: in its own line, or in one
/// that it was passed on to from there. 0 where it is in none, `None` where a line is missing.
#[inline(always)]
pub fn probe(lines: &impl Lines, area: Area, address: &Address, end: u64) -> Option<u64> {
    match step(lines, area, address, end, 0) {
        Step::Over(found) => found,
        Step::Further => lines.find_further(area, address, end),
    }
}

/// The rest of [`probe`].
#[inline(always)]
pub fn find_further(lines: &impl Lines, area: Area, address: &Address, end: u64) -> Option<u64> {
    for turn in 1..PROBES {
        if let Step::Over(found) = step(lines, area, address, end, turn) {
            return found;
        }
    }
    Some(0)
}

/// One line of those that a prefix can be in.
#[inline(always)]
pub fn step(lines: &impl Lines, area: Area, address: &Address, end: u64, turn: u32) -> Step {
    let wanted = Wanted::of(area.kind, address.halves(), end);
    let Some(line) = lines.line(wanted.line(area, turn)) else { return Step::Over(None) };
    let tag = wanted.tag_in(line.borrow());
    if tag == 0 && wanted.may_be_further(line.borrow()) {
        return Step::Further;
    }
    Step::Over(Some(tag))
}

/// Each way out with nothing found and each without a line denies: `None` where a
/// line is missing, 0 where no prefix is around the address.
impl<L: Lines> Run<'_, L> {
    #[inline(always)]
    fn find_v4(&self, low: u64) -> Option<u64> {
        let Head { v4, v4_groups, v4_lengths, .. } = *self.head;
        let mut lengths = v4_lengths;
        if v4_groups > 0 {
            let group = spread(hash(group_v4(low), 0, 0), v4_groups);
            lengths |= self.word(self.behind_v6_long(), group)?;
        }
        self.longest(Area { kind: Kind::V4, from: self.behind_head(), lines: v4 }, lengths)
    }

    #[inline(always)]
    fn find_v6(&self, high: u64) -> Option<u64> {
        let Head { v6, v6_long, v6_groups, v6_lengths, v6_long_lengths, .. } = *self.head;
        let (mut short, mut long) = (v6_lengths, v6_long_lengths);
        if v6_groups > 0 {
            let group = spread(hash(group_v6(high), 0, 0), v6_groups);
            let from = self.behind_v6_long().wrapping_add(lines_of_groups(self.head.v4_groups));
            short |= self.word(from, group.wrapping_mul(2))?;
            long |= self.word(from, group.wrapping_mul(2).wrapping_add(1))?;
        }
        let from = self.behind_head().wrapping_add(self.head.v4);
        let area = Area { kind: Kind::V6Long, from: from.wrapping_add(v6), lines: v6_long };
        let found = self.longest(area, long)?;
        if found != 0 {
            return Some(found);
        }
        let found = self.longest(Area { kind: Kind::V6, from, lines: v6 }, short)?;
        Some(if found != 0 { found } else { self.head.v6_any })
    }

    /// The longest prefix first: its length is the lowest bit. Lines of several
    /// lengths are on their way from memory at once, for no turn waits for the one before.
    #[inline(always)]
    fn longest(&self, area: Area, lengths: u64) -> Option<u64> {
        let mut left = lengths;
        // 64 lengths are 64 bits; the verifier wants to see that it ends.
        for _ in 0..64 {
            if left == 0 {
                break;
            }
            let end = left & left.wrapping_neg();
            left ^= end;
            let tag = self.lines.probe(area, self.address, end)?;
            if tag != 0 {
                return Some(tag);
            }
        }
        Some(0)
    }

    #[inline(always)]
    fn behind_head(&self) -> u32 {
        self.at.wrapping_add(1)
    }

    #[inline(always)]
    fn behind_v6_long(&self) -> u32 {
        let Head { v4, v6, v6_long, .. } = *self.head;
        self.behind_head().wrapping_add(v4).wrapping_add(v6).wrapping_add(v6_long)
    }

    /// One word of those that begin with line `from`.
    #[inline(always)]
    fn word(&self, from: u32, word: u32) -> Option<u64> {
        let line: L::Line<'_> = self.lines.line(from.wrapping_add(word / 8))?;
        let line: &Line = line.borrow();
        Some(line.words[word as usize % 8])
    }
}

/// What a group of IPv4 addresses has in common.
#[inline(always)]
pub(super) const fn group_v4(address: u64) -> u64 {
    address >> 16 & 0xffff
}

/// What a group of IPv6 addresses has in common.
#[inline(always)]
pub(super) const fn group_v6(high: u64) -> u64 {
    high >> 32
}

/// Lines that so many words of groups take.
#[inline(always)]
pub(super) const fn lines_of_groups(words: u32) -> u32 {
    words.div_ceil(8)
}
