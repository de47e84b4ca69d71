//! What an entry looks like, and which line it belongs into.

use crate::layout::{MAX_PORT_RULES, PortList};
use crate::prefixes::Line;

/// How many lines a prefix may be away from its own when that one is full.
pub(super) const PROBES: u32 = 8;
/// Longer IPv6 prefixes need their other half compared as well.
pub(super) const HALF: u8 = 64;
/// Bits of an entry's tag that name the list: where it begins, counted from
/// [`Head::rules`], and how many rules it has, less one.
pub(super) const LIST_BITS: u32 = FIRST_BITS + COUNT_BITS;
pub(super) const FIRST_BITS: u32 = 20;
pub(super) const COUNT_BITS: u32 = 6;
const _: () = assert!(MAX_PORT_RULES == 1 << COUNT_BITS);

/// Which lines a prefix can be in, and what it looks like there.
pub(super) struct Wanted {
    pub(super) high: u64,
    pub(super) low: u64,
    /// The length, plus one.
    pub(super) mark: u64,
    /// Index of the first of its lines, and how many there are.
    pub(super) from: u32,
    pub(super) lines: u32,
}

// === impl Wanted ===

impl Wanted {
    /// The line that it is in unless that one is full.
    #[inline(always)]
    pub(super) fn home(&self) -> u32 {
        // Fibonacci hashing (Knuth, TAOCP 3, 6.4), each word with a factor of its own;
        // the upper half of the product is then spread over the lines.
        let mixed = self
            .low
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .wrapping_add(self.high.wrapping_mul(0xc2b2_ae3d_27d4_eb4f))
            .wrapping_add(self.mark.wrapping_mul(0x1656_67b1_9e37_79f9));
        let hash = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32;
        ((hash * u64::from(self.lines)) >> 32) as u32
    }
}

/// The upper `length` bits, at most 64 of them.
#[inline(always)]
pub(super) const fn high_bits(length: u8) -> u64 {
    if length == 0 { 0 } else { u64::MAX << (0_u8.wrapping_sub(length) & 63) }
}

#[inline(always)]
pub(super) const fn mark(length: u8) -> u64 {
    length as u64 + 1
}

/// The list that a tag names, counted from the policy's first rule.
#[inline(always)]
pub(super) const fn list_of(tag: u64) -> PortList {
    let list = (tag & 0xffff_ffff) as u32;
    let first = list >> COUNT_BITS & ((1 << FIRST_BITS) - 1);
    PortList { first, count: (list & ((1 << COUNT_BITS) - 1)) + 1 }
}

/// An entry is the address, then the mark (6 bits) and the list.
#[inline(always)]
pub(super) fn tag_v4(line: &Line, wanted: &Wanted) -> u64 {
    let same = wanted.low << 32 | wanted.mark << LIST_BITS;
    for &entry in &line.words {
        if (entry ^ same) >> LIST_BITS == 0 {
            return entry & 0xffff_ffff;
        }
    }
    0
}

/// An entry is the upper half of the address, and the tag: mark and list.
#[inline(always)]
pub(super) fn tag_v6(line: &Line, wanted: &Wanted) -> u64 {
    for entry in 0..4 {
        let [high, tag] = [line.words[2 * entry], line.words[2 * entry + 1]];
        if high == wanted.high && tag >> LIST_BITS == wanted.mark {
            return tag;
        }
    }
    0
}

/// An entry is both halves, and the tag.
#[inline(always)]
pub(super) fn tag_v6_long(line: &Line, wanted: &Wanted) -> u64 {
    for entry in 0..2 {
        let [high, low, tag] =
            [line.words[3 * entry], line.words[3 * entry + 1], line.words[3 * entry + 2]];
        if high == wanted.high && low == wanted.low && tag >> LIST_BITS == wanted.mark {
            return tag;
        }
    }
    0
}
