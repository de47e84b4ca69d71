//! Which lengths occur where. A policy of many lengths has few of them around any
//! one address, and a look-up need not try the others.

use crate::prefixes::entry::{hash, spread};
use crate::prefixes::image::{Packed, Part, count};
use crate::prefixes::lookup::{group_v4, group_v6};
use crate::prefixes::{Head, Line};

/// With so many lengths of one family all of them are tried: asking which occur takes as
/// long.
const ALL_TRIED: u32 = 3;
/// Prefixes that share a group, on average, where there are many.
const SHARED: usize = 4;
/// IPv4 addresses differ in so many ways as groups tell them apart.
const MOST_V4: usize = 1 << 16;
/// Bits of lengths that are as long as what a group has in common, or longer: /16 and
/// on of IPv4, /32 and on of IPv6 up to /64.
const GROUPED_V4: u64 = (1 << 17) - 1;
const GROUPED_V6: u64 = (1 << 33) - 1;

/// The lengths of a policy's prefixes.
pub(super) struct Groups {
    /// A head with the lengths that hold for all addresses, and the numbers of groups.
    pub(super) head: Head,
    v4: Vec<u64>,
    v6: Vec<u64>,
}

// === impl Groups ===

impl Groups {
    /// The groups for IPv4 prefixes, IPv6 prefixes up to /64, and longer ones.
    pub(super) fn of([v4, v6, v6_long]: &[Part; 3]) -> Self {
        let lengths =
            [v4, v6, v6_long].map(|part| part.packed.iter().fold(0, |all, p| all | p.end));
        let [in_v4, in_v6, in_v6_long] = lengths;
        let mut groups = Self { head: Head::with_lengths(lengths), v4: Vec::new(), v6: Vec::new() };
        if in_v4.count_ones() > ALL_TRIED {
            groups.group_v4(&v4.packed);
        }
        if in_v6.count_ones() + in_v6_long.count_ones() > ALL_TRIED {
            groups.group_v6(&v6.packed, &v6_long.packed);
        }
        groups
    }

    /// Their lines: first those of IPv4.
    pub(super) fn lines(&self) -> impl Iterator<Item = Line> {
        [&self.v4, &self.v6].into_iter().flat_map(|words| words.chunks(8)).map(|chunk| {
            let mut line = Line::default();
            line.words[..chunk.len()].copy_from_slice(chunk);
            line
        })
    }

    fn group_v4(&mut self, prefixes: &[Packed]) {
        let many = prefixes.len().div_ceil(SHARED).min(MOST_V4);
        self.v4 = vec![0; many];
        for Packed { address: [_, low], end, .. } in prefixes {
            self.v4[place(group_v4(*low), many)] |= end & GROUPED_V4;
        }
        self.head.v4_groups = count(many);
        self.head.v4_lengths &= !GROUPED_V4;
    }

    fn group_v6(&mut self, short: &[Packed], long: &[Packed]) {
        let many = (short.len() + long.len()).div_ceil(SHARED);
        self.v6 = vec![0; 2 * many];
        for Packed { address: [high, _], end, .. } in short {
            self.v6[2 * place(group_v6(*high), many)] |= end & GROUPED_V6;
        }
        for Packed { address: [high, _], end, .. } in long {
            self.v6[2 * place(group_v6(*high), many) + 1] |= end;
        }
        self.head.v6_groups = count(many);
        self.head.v6_lengths &= !GROUPED_V6;
        self.head.v6_long_lengths = 0;
    }
}

/// Which of the groups.
fn place(group: u64, many: usize) -> usize {
    spread(hash(group, 0, 0), count(many)) as usize
}

// === impl Head ===

impl Head {
    const fn with_lengths([v4_lengths, v6_lengths, v6_long_lengths]: [u64; 3]) -> Self {
        Self {
            rules: 0,
            v4: 0,
            v6: 0,
            v6_long: 0,
            v4_groups: 0,
            v6_groups: 0,
            v4_lengths,
            v6_lengths,
            v6_long_lengths,
            v6_any: 0,
            reserved: 0,
        }
    }
}
