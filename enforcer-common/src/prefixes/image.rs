//! Writes a policy's run of lines, and reads one back.

use core::borrow::Borrow;

use crate::address::Address;
use crate::layout::{MAX_PORT_RULES, PortList};
use crate::prefixes::entry::{
    Area, COUNT_BITS, FIRST_BITS, Kind, LIST_BITS, PROBES, Wanted, list_of,
};
use crate::prefixes::groups::Groups;
use crate::prefixes::lookup::lines_of_groups;
use crate::prefixes::{Head, Line, Lines};

/// One prefix of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// First address; bits behind `length` are zero.
    pub address: Address,
    /// Length in the common form, 0–128; 96 and more where the address is IPv4.
    pub length: u8,
    /// Its port rules, counted from the policy's first one.
    pub list: PortList,
}

/// A prefix that no run can have: its list is empty, too long, or further behind
/// the policy's first rule than an entry can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit(pub Entry);

/// A policy's run of lines, to be copied into the table as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    lines: Vec<Line>,
    prefixes: u32,
    /// Behind the last port rule that a prefix names.
    rules: u32,
}

/// Bits of the v4-mapped prefix.
const V4_BITS: u8 = Address::v4_prefix_len(0);

/// The prefixes of one kind.
pub(super) struct Part {
    kind: Kind,
    /// Entries in twenty lines, on average. Fewer fill fewer lines up, and so need
    /// fewer probes; more take less memory.
    density: usize,
    pub(super) packed: Vec<Packed>,
}

/// A prefix as it is looked for, and its entry.
pub(super) struct Packed {
    pub(super) address: [u64; 2],
    /// Its last bit.
    pub(super) end: u64,
    entry: [u64; 3],
}

// === impl Image ===

impl Image {
    /// A run of these prefixes; each stands there once. The policy's port rules
    /// begin at index `rules`.
    ///
    /// # Errors
    /// The first prefix that cannot stand in a run.
    pub fn of(entries: &[Entry], rules: u32) -> Result<Self, Unfit> {
        let mut parts = [(Kind::V4, 105), (Kind::V6, 58), (Kind::V6Long, 24)].map(Part::new);
        let mut v6_any = 0;
        for entry in entries {
            let ((kind, end), address) = (kind_and_end(entry), entry.address.halves());
            let words = Wanted::of(kind, address, end).entry(entry.list).ok_or(Unfit(*entry))?;
            if entry.length == 0 {
                v6_any = words[1];
                continue;
            }
            parts[kind as usize].packed.push(Packed { address, end, entry: words });
        }
        let groups = Groups::of(&parts);
        let bodies = parts.map(Part::fill);
        let [v4, v6, v6_long] = [0, 1, 2].map(|part| count(bodies[part].len()));
        let head = Head { rules, v4, v6, v6_long, v6_any, ..groups.head };
        let mut lines = vec![head.into_line()];
        lines.extend(bodies.into_iter().flatten());
        lines.extend(groups.lines());
        let ends = entries.iter().map(|entry| entry.list.first + entry.list.count);
        Ok(Self { lines, prefixes: count(entries.len()), rules: ends.max().unwrap_or(0) })
    }

    /// Its lines, in order.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// How many lines it has.
    #[expect(clippy::len_without_is_empty, reason = "a run has a first line")]
    pub fn len(&self) -> u32 {
        count(self.lines.len())
    }

    /// How many prefixes it has.
    pub fn prefixes(&self) -> u32 {
        self.prefixes
    }

    /// Index of the policy's first port rule.
    pub fn first_rule(&self) -> u32 {
        self.lines.first().map_or(0, |head| Head::of(head).rules)
    }

    /// How many port rules it names, from the policy's first one on.
    pub fn rules(&self) -> u32 {
        self.rules
    }

    /// The run whose first line has index `head`; `None` where the table ends before
    /// the run does.
    pub fn read(lines: &impl Lines, head: u32) -> Option<Self> {
        let first = *Head::of(lines.line(head)?.borrow());
        let end = head.checked_add(first.run()?)?;
        let lines: Vec<Line> = (head..end)
            .map(|at| lines.line(at).map(|line| *line.borrow()))
            .collect::<Option<_>>()?;
        let ends: Vec<u32> = tags(&lines, &first)
            .filter(|&tag| tag != 0)
            .map(list_of)
            .map(|list| list.first + list.count)
            .collect();
        let (prefixes, rules) = (count(ends.len()), ends.iter().copied().max().unwrap_or(0));
        Some(Self { lines, prefixes, rules })
    }
}

// === impl Head ===

impl Head {
    /// How many lines the run has, this one included.
    fn run(&self) -> Option<u32> {
        let body = self.v4.checked_add(self.v6)?.checked_add(self.v6_long)?;
        let groups = lines_of_groups(self.v4_groups);
        let groups = groups.checked_add(lines_of_groups(self.v6_groups.checked_mul(2)?))?;
        body.checked_add(groups)?.checked_add(1)
    }

    const fn into_line(self) -> Line {
        // SAFETY: 64 bytes of integers either way; `kernel_abi` proves both.
        unsafe { core::mem::transmute(self) }
    }
}

// === impl Kind, Wanted ===

impl Kind {
    /// Words of an entry; the last one is its tag: what tells lengths apart, and the
    /// list.
    const fn words(self) -> usize {
        self as usize + 1
    }

    /// The length whose prefixes end with the last bit that is looked at.
    const fn longest(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 64,
            Self::V6Long => 128,
        }
    }
}

impl Wanted {
    /// The entry of a prefix with this list; `None` where it cannot name it.
    fn entry(&self, list: PortList) -> Option<[u64; 3]> {
        let fits = list.first >> FIRST_BITS == 0 && (1..=MAX_PORT_RULES).contains(&list.count);
        let list = u64::from(list.first) << COUNT_BITS | u64::from(list.count.wrapping_sub(1));
        let tag = self.mark << LIST_BITS | list;
        let entry = match self.kind {
            Kind::V4 => [self.high << LIST_BITS | list, 0, 0],
            Kind::V6 => [self.high, tag, 0],
            Kind::V6Long => [self.high, self.low, tag],
        };
        fits.then_some(entry)
    }
}

// === impl Part ===

impl Part {
    fn new((kind, density): (Kind, usize)) -> Self {
        Self { kind, density, packed: Vec::new() }
    }

    /// As few lines as the density allows, or more, until all find a place.
    fn fill(self) -> Vec<Line> {
        let mut many = self.packed.len().saturating_mul(20).div_ceil(self.density);
        loop {
            if let Some(lines) = self.try_fill(many) {
                return lines;
            }
            many += many / 8 + 1;
        }
    }

    /// Full lines on the way to a free one note what was passed on.
    fn try_fill(&self, many: usize) -> Option<Vec<Line>> {
        let mut lines = vec![Line::default(); many];
        let area = Area { kind: self.kind, from: 0, lines: count(many) };
        for Packed { address, end, entry } in &self.packed {
            let wanted = Wanted::of(self.kind, *address, *end);
            let (word, bit) = wanted.passed_on();
            let place = (0..PROBES).find_map(|step| {
                let at = wanted.line(area, step) as usize;
                let free = lines[at].free(self.kind);
                if free.is_none() {
                    lines[at].words[word] |= bit;
                }
                Some((at, free?))
            });
            let (at, start) = place?;
            let words = self.kind.words();
            lines[at].words[start..start + words].copy_from_slice(&entry[..words]);
        }
        Some(lines)
    }
}

// === impl Line ===

impl Line {
    /// Where an entry fits; its last word is never 0.
    fn free(&self, kind: Kind) -> Option<usize> {
        let mut starts = (0..kind.slots()).map(|slot| slot * kind.words());
        starts.find(|start| self.words[start + kind.words() - 1] == 0)
    }
}

/// What sort of prefix it is, and its last bit in the word that is masked.
fn kind_and_end(entry: &Entry) -> (Kind, u64) {
    let (kind, length) = match entry.length {
        length if entry.address.is_v4() && length >= V4_BITS => (Kind::V4, length - V4_BITS),
        length if length > Kind::V6.longest() => (Kind::V6Long, length),
        length => (Kind::V6, length),
    };
    // Of ::/0 nothing is left, and it stands in the head.
    (kind, 1_u64.checked_shl(u32::from(kind.longest() - length)).unwrap_or(0))
}

/// Lines are counted in 32 bits; what has more does not fit the table.
pub(super) fn count(many: usize) -> u32 {
    u32::try_from(many).unwrap_or(u32::MAX)
}

/// The tags in a run, those of free places included.
fn tags<'a>(lines: &'a [Line], head: &'a Head) -> impl Iterator<Item = u64> + 'a {
    let parts = [(head.v4, Kind::V4), (head.v6, Kind::V6), (head.v6_long, Kind::V6Long)];
    let kinds = parts.into_iter().flat_map(|(count, kind)| (0..count).map(move |_| kind));
    let in_line = |(line, kind): (&'a Line, Kind)| {
        (1..=kind.slots()).map(move |slot| line.words[slot * kind.words() - 1])
    };
    lines.iter().skip(1).zip(kinds).flat_map(in_line).chain([head.v6_any])
}
