//! Writes a policy's run of lines, and reads one back.

use core::borrow::Borrow;

use crate::address::Address;
use crate::layout::{MAX_PORT_RULES, PortList};
use crate::prefixes::entry::{
    COUNT_BITS, FIRST_BITS, HALF, LIST_BITS, PROBES, Wanted, list_of, mark,
};
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

/// The prefixes of one kind, and how they stand in lines.
struct Part {
    /// Words of an entry; the last one is its tag.
    words: usize,
    /// Entries in twenty lines, on average. Fewer fill fewer lines up, and so need
    /// fewer probes; more take less memory.
    density: usize,
    packed: Vec<Packed>,
}

/// A prefix as an entry has it, and the words of the entry.
struct Packed {
    /// 0 IPv4, 1 IPv6 up to /64, 2 longer ones.
    part: usize,
    /// Within the address's own family.
    length: u8,
    wanted: Wanted,
    words: [u64; 3],
}

// === impl Image ===

impl Image {
    /// A run of these prefixes; each stands there once. The policy's port rules
    /// begin at index `rules`.
    ///
    /// # Errors
    /// The first prefix that cannot stand in a run.
    pub fn of(entries: &[Entry], rules: u32) -> Result<Self, Unfit> {
        let mut parts = [Part::new(1, 100), Part::new(2, 50), Part::new(3, 25)];
        let mut lengths = [[false; 129]; 2];
        for entry in entries {
            let packed = pack(entry)?;
            lengths[usize::from(packed.part > 0)][usize::from(packed.length)] = true;
            parts[packed.part].packed.push(packed);
        }
        let [v4, v6] = lengths.map(longest_first);
        let bodies = parts.map(|part| part.fill());
        let [in_v4, in_v6, in_v6_long] = [0, 1, 2].map(|part| count(bodies[part].len()));
        let head = Head {
            rules,
            v4: in_v4,
            v6: in_v6,
            v6_long: in_v6_long,
            v4_lengths: count(v4.len()),
            v6_lengths: count(v6.len()),
            lengths: padded(&v4),
        };
        let mut lines = vec![head.into_line()];
        lines.extend(bodies.into_iter().flatten());
        lines.extend(v6.chunks(64).map(Line::of_lengths));
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
        body.checked_add(1 + self.v6_lengths.div_ceil(64))
    }

    const fn into_line(self) -> Line {
        // SAFETY: 64 bytes of integers either way; `kernel_abi` proves both.
        unsafe { core::mem::transmute(self) }
    }
}

// === impl Part ===

impl Part {
    fn new(words: usize, density: usize) -> Self {
        Self { words, density, packed: Vec::new() }
    }

    /// As few lines as the density allows, or more, until all find a place.
    fn fill(mut self) -> Vec<Line> {
        let mut many = self.packed.len().saturating_mul(20).div_ceil(self.density);
        loop {
            if let Some(lines) = self.try_fill(many) {
                return lines;
            }
            many += many / 4 + 1;
        }
    }

    fn try_fill(&mut self, many: usize) -> Option<Vec<Line>> {
        let mut lines = vec![Line::default(); many];
        for Packed { wanted, words, .. } in &mut self.packed {
            wanted.lines = count(many);
            let home = wanted.home() as usize;
            let near = (0..many.min(PROBES as usize)).map(|step| (home + step) % many);
            let free = |at: &usize| lines[*at].free(self.words);
            let (at, slot) = near.clone().find_map(|at| Some((at, free(&at)?)))?;
            lines[at].words[slot..slot + self.words].copy_from_slice(&words[..self.words]);
        }
        Some(lines)
    }
}

// === impl Line ===

impl Line {
    /// Lengths of IPv6 prefixes, at most 64 of them.
    fn of_lengths(lengths: &[u8]) -> Self {
        let bytes: [u8; 64] = padded(lengths);
        let mut words = [0; 8];
        for (word, eight) in words.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_le_bytes(*eight);
        }
        Self { words }
    }

    /// Where an entry of so many words fits; its last word is never 0.
    fn free(&self, words: usize) -> Option<usize> {
        let mut starts = (0..8 / words).map(|slot| slot * words);
        starts.find(|start| self.words[start + words - 1] == 0)
    }
}

/// How a prefix stands in a line.
fn pack(entry: &Entry) -> Result<Packed, Unfit> {
    let list = list_bits(entry.list).ok_or(Unfit(*entry))?;
    let [high, low] = entry.address.halves();
    let packed = |part, length, high, low, words| {
        let wanted = Wanted { high, low, mark: mark(length), from: 0, lines: 0 };
        Packed { part, length, wanted, words }
    };
    let tag = |length| mark(length) << LIST_BITS | list;
    if entry.address.is_v4() && entry.length >= V4_BITS {
        let (low, length) = (low & 0xffff_ffff, entry.length - V4_BITS);
        return Ok(packed(0, length, 0, low, [low << 32 | tag(length), 0, 0]));
    }
    let length = entry.length;
    if length > HALF {
        return Ok(packed(2, length, high, low, [high, low, tag(length)]));
    }
    Ok(packed(1, length, high, 0, [high, tag(length), 0]))
}

/// Lines are counted in 32 bits; what has more does not fit the table.
fn count(many: usize) -> u32 {
    u32::try_from(many).unwrap_or(u32::MAX)
}

/// The tags in a run, those of free places included.
fn tags(lines: &[Line], head: &Head) -> impl Iterator<Item = u64> {
    let parts = [(head.v4, 1), (head.v6, 2), (head.v6_long, 3)];
    let strides = parts.into_iter().flat_map(|(count, words)| (0..count).map(move |_| words));
    lines.iter().skip(1).zip(strides).flat_map(|(line, words)| {
        line.words.chunks_exact(words).filter_map(|entry| entry.last().copied())
    })
}

fn padded<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut padded = [0; N];
    padded[..bytes.len()].copy_from_slice(bytes);
    padded
}

fn list_bits(list: PortList) -> Option<u64> {
    let fits = list.first >> FIRST_BITS == 0 && (1..=MAX_PORT_RULES).contains(&list.count);
    fits.then(|| u64::from(list.first) << COUNT_BITS | u64::from(list.count - 1))
}

/// The lengths that are marked, the longest first.
fn longest_first(marked: [bool; 129]) -> Vec<u8> {
    (0..=128).rev().filter(|&length| marked[usize::from(length)]).collect()
}
