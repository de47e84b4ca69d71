//! What an entry looks like, and which line it belongs into.

use crate::layout::{MAX_PORT_RULES, PortList};
use crate::prefixes::Line;

/// In how many lines a prefix can be: its own, and others where that is full.
pub const PROBES: u32 = 16;
/// Bits of an entry that name the list: where it begins, counted from
/// [`Head::rules`](crate::Head), and how many rules it has, less one.
pub(super) const LIST_BITS: u32 = FIRST_BITS + COUNT_BITS;
pub(super) const FIRST_BITS: u32 = 20;
pub(super) const COUNT_BITS: u32 = 6;
const _: () = assert!(MAX_PORT_RULES == 1 << COUNT_BITS);
/// Each six bits in a row of this number are others (a de Bruijn sequence), so
/// that its product with a power of two begins with bits that name the power.
const DE_BRUIJN: u64 = 0x03f7_9d71_b4cb_0a89;

/// What sort of prefix: each has lines of its own.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IPv4.
    V4,
    /// IPv6 up to /64.
    V6,
    /// Longer ones.
    V6Long,
}

/// Lines of one kind: index of the first one, and how many there are.
#[derive(Clone, Copy, Debug)]
pub struct Area {
    /// What is in them.
    pub kind: Kind,
    /// Index of the first one.
    pub from: u32,
    /// How many there are.
    pub lines: u32,
}

/// A prefix that is looked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// IPv4: the address, and a one behind its last bit. IPv6: the upper half.
    pub(super) high: u64,
    /// The lower half, of [`Kind::V6Long`].
    pub(super) low: u64,
    /// What tells IPv6 lengths apart; never 0.
    pub(super) mark: u64,
    hash: u64,
    pub(super) kind: Kind,
}

// === impl Kind ===

impl Kind {
    /// Entries of a line.
    pub(super) const fn slots(self) -> usize {
        match self {
            Self::V4 => 7,
            Self::V6 => 4,
            Self::V6Long => 2,
        }
    }
}

// === impl Wanted ===

impl Wanted {
    /// The prefix of this address whose last bit is `end`.
    #[inline(always)]
    pub(super) const fn of(kind: Kind, [high, low]: [u64; 2], end: u64) -> Self {
        let mask = end.wrapping_neg();
        let (high, low, mark) = match kind {
            Kind::V4 => ((low & 0xffff_ffff & mask) << 1 | end, 0, 0),
            Kind::V6 => (high & mask, 0, mark(end)),
            Kind::V6Long => (high, low & mask, mark(end)),
        };
        Self { high, low, mark, hash: hash(high, low, mark), kind }
    }

    /// Index of the line that it is in unless that one is full, and of those that it
    /// is in then. They lie scattered: full lines that are neighbours fill each other up.
    #[inline(always)]
    pub(super) const fn line(&self, area: Area, step: u32) -> u32 {
        let hash = self.hash.wrapping_mul(2 * step as u64 + 1);
        area.from.wrapping_add(spread(hash, area.lines))
    }

    /// Its tag in this line; 0 where it is not.
    #[inline(always)]
    pub(super) fn tag_in(&self, line: &Line) -> u64 {
        match self.kind {
            Kind::V4 => self.tag_v4(line),
            Kind::V6 => self.tag_v6(line),
            Kind::V6Long => self.tag_v6_long(line),
        }
    }

    /// An entry is what is looked for, and the list.
    #[inline(always)]
    fn tag_v4(&self, line: &Line) -> u64 {
        for slot in 0..Kind::V4.slots() {
            let entry = line.words[slot];
            if entry >> LIST_BITS == self.high {
                return entry;
            }
        }
        0
    }

    /// An entry is the upper half of the address, and the tag: mark and list.
    #[inline(always)]
    fn tag_v6(&self, line: &Line) -> u64 {
        for slot in 0..Kind::V6.slots() {
            let [high, tag] = [line.words[2 * slot], line.words[2 * slot + 1]];
            if high == self.high && is_mark(tag, self.mark) {
                return tag;
            }
        }
        0
    }

    /// An entry is both halves, and the tag.
    #[inline(always)]
    fn tag_v6_long(&self, line: &Line) -> u64 {
        for slot in 0..Kind::V6Long.slots() {
            let [high, low] = [line.words[3 * slot], line.words[3 * slot + 1]];
            let tag = line.words[3 * slot + 2];
            if low == self.low && high == self.high && is_mark(tag, self.mark) {
                return tag;
            }
        }
        0
    }

    /// Whether it may be in its next line, where it is not in this one.
    #[inline(always)]
    pub(super) fn may_be_further(&self, line: &Line) -> bool {
        let (word, bit) = self.passed_on();
        line.words[word] & bit != 0
    }

    /// Word and bit of a full line that say that it was passed on to its next one.
    #[inline(always)]
    pub(super) const fn passed_on(&self) -> (usize, u64) {
        match self.kind {
            Kind::V4 | Kind::V6Long => (7, 1 << (self.hash >> 26 & 63)),
            // There is room in the first entry's tag.
            Kind::V6 => (1, 1 << (48 + (self.hash >> 26 & 15))),
        }
    }
}

/// The list that a tag names, counted from the policy's first rule.
#[inline(always)]
pub(super) const fn list_of(tag: u64) -> PortList {
    let first = (tag >> COUNT_BITS & ((1 << FIRST_BITS) - 1)) as u32;
    PortList { first, count: (tag & ((1 << COUNT_BITS) - 1)) as u32 + 1 }
}

/// One of `many` places.
#[inline(always)]
pub(super) const fn spread(hash: u64, many: u32) -> u32 {
    (((hash >> 32) * many as u64) >> 32) as u32
}

/// Fibonacci hashing (Knuth, TAOCP 3, 6.4), each word with a factor of its own.
#[inline(always)]
pub(super) const fn hash(high: u64, low: u64, mark: u64) -> u64 {
    let mixed = high
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(low.wrapping_mul(0xc2b2_ae3d_27d4_eb4f))
        .wrapping_add(mark.wrapping_mul(0x1656_67b1_9e37_79f9));
    (mixed ^ mixed >> 32).wrapping_mul(0xbf58_476d_1ce4_e5b9)
}

/// Seven bits, the first of them set.
#[inline(always)]
const fn mark(end: u64) -> u64 {
    1 << 6 | end.wrapping_mul(DE_BRUIJN) >> 58
}

#[inline(always)]
const fn is_mark(tag: u64, mark: u64) -> bool {
    tag >> LIST_BITS & 0x7f == mark
}
