//! Runs of lines against a list of prefixes that is searched from end to end.

use std::collections::HashMap;

use proptest::prelude::*;

use super::{Entry, Head, Image, Line, Lines, Unfit, find};
use crate::address::Address;
use crate::layout::PortList;

/// A table with some lines before the run, and none behind it.
struct Table(Vec<Line>);

const HEAD: u32 = 3;
const RULES: u32 = 1000;

impl Lines for Table {
    type Line<'a> = &'a Line;

    fn line(&self, index: u32) -> Option<&Line> {
        self.0.get(index as usize)
    }
}

// === impl Table ===

impl Table {
    fn of(entries: &[Entry]) -> Self {
        let image = Image::of(entries, RULES).expect("prefixes that fit");
        // What is not a run is full of what could be taken for entries.
        let mut lines = vec![Line { words: [u64::MAX; 8] }; HEAD as usize];
        lines.extend(image.lines());
        Self(lines)
    }

    fn find(&self, address: Address) -> Option<PortList> {
        find(self, HEAD, &address)
    }
}

fn masked(address: Address, length: u8) -> Address {
    let bits = u128::from_be_bytes(address.0);
    let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
    Address((bits & mask).to_be_bytes())
}

fn naive(entries: &[Entry], address: Address) -> Option<PortList> {
    let of_its_family = |entry: &&Entry| is_v4(entry) == address.is_v4();
    let holds = |entry: &&Entry| masked(address, entry.length) == entry.address;
    let longest = entries.iter().filter(of_its_family).filter(holds).max_by_key(|e| e.length)?;
    Some(PortList { first: RULES + longest.list.first, count: longest.list.count })
}

fn is_v4(entry: &Entry) -> bool {
    entry.length >= 96 && entry.address.is_v4()
}

fn entry(address: Address, length: u8, first: u32) -> Entry {
    let list = PortList { first, count: first % 64 + 1 };
    Entry { address: masked(address, length), length, list }
}

/// Few different bytes, so that prefixes nest and addresses hit them.
fn address() -> impl Strategy<Value = Address> {
    let byte = prop_oneof![Just(0_u8), Just(255), Just(0x80), any::<u8>()];
    prop_oneof![
        prop::array::uniform4(byte.clone()).prop_map(Address::v4),
        prop::array::uniform16(byte).prop_map(Address),
    ]
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let one = (address(), 0_u8..=128, 0..1_u32 << 20).prop_map(|(address, length, first)| {
        let length = if address.is_v4() { 96 + length % 33 } else { length };
        entry(address, length, first)
    });
    prop::collection::vec(one, 0..300).prop_map(|mut all| {
        all.sort_by_key(|entry| (is_v4(entry), entry.address, entry.length));
        all.dedup_by_key(|entry| (is_v4(entry), entry.address, entry.length));
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_longest_prefix_of_the_addresss_own_family_is_found(
        entries in entries(),
        strangers in prop::collection::vec(address(), 50),
    ) {
        let table = Table::of(&entries);
        let near = entries.iter().map(|entry| entry.address);
        for address in near.chain(strangers) {
            prop_assert_eq!(table.find(address), naive(&entries, address), "{:?}", address);
        }
    }

    #[test]
    fn a_run_reads_back_as_it_was_written(entries in entries()) {
        let image = Image::of(&entries, RULES).expect("prefixes that fit");
        let read = Image::read(&Table::of(&entries), HEAD).expect("a whole run");
        prop_assert_eq!(read, image);
    }

    #[test]
    fn no_line_whatever_it_holds_leads_out_of_the_table(
        lines in prop::collection::vec(prop::array::uniform8(any::<u64>()), 1..40),
        addresses in prop::collection::vec(address(), 8),
    ) {
        let table = Table(lines.into_iter().map(|words| Line { words }).collect());
        for address in addresses {
            let _ = find(&table, 0, &address);
            let _ = Image::read(&table, 0);
        }
    }
}

#[test]
fn nothing_is_found_where_there_are_no_prefixes() {
    let table = Table::of(&[]);
    assert_eq!(table.find(Address::v4([0; 4])), None);
    assert_eq!(table.find(Address([0; 16])), None);
    assert_eq!(find(&Table(Vec::new()), 0, &Address::v4([0; 4])), None);
}

#[test]
fn many_prefixes_of_one_length_are_all_found_and_none_besides() {
    let nth = |n: u32| Address::v4((n << 8).to_be_bytes());
    let entries: Vec<_> = (0..20_000).map(|n| entry(nth(n * 3), 96 + 24, n)).collect();
    let table = Table::of(&entries);
    for n in 0..60_000 {
        let wanted = (n % 3 == 0).then_some(RULES + n / 3);
        assert_eq!(table.find(nth(n)).map(|list| list.first), wanted, "{n}");
    }
}

#[test]
fn a_prefix_takes_little_more_than_its_entry() {
    let spread = |n: u32| u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let v4 = |n: u32| Address::v4(n.wrapping_mul(2_654_435_761).to_be_bytes());
    let v6 = |n: u32| Address((u128::from(spread(n)) << 64).to_be_bytes());
    let v6_long = |n: u32| Address((u128::from(spread(n)) << 64 | 1).to_be_bytes());
    let lines_of = |address: &dyn Fn(u32) -> Address, length| {
        let entries: Vec<_> = (0..100_000).map(|n| entry(address(n), length, 0)).collect();
        Image::of(&entries, RULES).expect("prefixes that fit").len()
    };
    assert_eq!(lines_of(&v4, 96 + 32), 1 + (100_000_u32 * 20).div_ceil(105));
    assert_eq!(lines_of(&v6, 64), 1 + (100_000_u32 * 20).div_ceil(58));
    assert_eq!(lines_of(&v6_long, 128), 1 + (100_000_u32 * 20).div_ceil(24));
}

#[test]
fn a_list_that_an_entry_cannot_name_is_refused() {
    let fits = entry(Address::v4([10, 0, 0, 0]), 104, 0);
    for (first, count) in [(1 << 20, 1), (0, 0), (0, 65)] {
        let unfit = Entry { list: PortList { first, count }, ..fits };
        assert_eq!(Image::of(&[fits, unfit], 0), Err(Unfit(unfit)));
    }
}

#[test]
fn the_head_says_where_the_rules_are() {
    let image = Image::of(&[entry(Address::v4([10, 0, 0, 0]), 104, 9)], RULES).expect("fits");
    assert_eq!(Head::of(&image.lines()[0]).rules, RULES);
    assert_eq!((image.prefixes(), image.rules()), (1, 9 + 10));
}

/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: u32) -> u32 {
        u32::try_from(self.next() % u64::from(bound)).expect("below a u32")
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(u32::try_from(all.len()).expect("few")) as usize]
    }

    /// Of both families; clustered, so that prefixes nest.
    fn address(&mut self) -> Address {
        let low = self.next() & self.next();
        if self.below(2) == 0 {
            return Address::v4(((low >> 32) as u32).to_be_bytes());
        }
        let high = self.next() & self.next() & self.next();
        Address(((u128::from(high) << 64) | u128::from(low)).to_be_bytes())
    }

    /// One in the neighbourhood of another.
    fn near(&mut self, Address(bytes): Address) -> Address {
        let bit = if Address(bytes).is_v4() { self.below(32) } else { self.below(128) };
        Address((u128::from_be_bytes(bytes) ^ 1 << bit).to_be_bytes())
    }
}

/// A map by family, length and masked address.
type Model = HashMap<(bool, u8, Address), PortList>;

fn expected(model: &Model, address: Address) -> Option<PortList> {
    let shortest = if address.is_v4() { 96 } else { 0 };
    let of = |length| model.get(&(address.is_v4(), length, masked(address, length))).copied();
    let list = (shortest..=128).rev().find_map(of)?;
    Some(PortList { first: RULES + list.first, count: list.count })
}

/// Ten million of them with `cargo xtask test --long`.
#[test]
fn random_look_ups_in_random_policies_agree_with_a_map_by_length() {
    let long = std::env::var("ENFORCER_LONG").is_ok_and(|value| value == "1");
    let (policies, each) = if long { (100, 100_000) } else { (10, 5000) };
    let mut random = Random(20_261_122);
    for policy in 0..policies {
        let many = 10 << random.below(12);
        let mut model = Model::new();
        for _ in 0..many {
            let address = random.address();
            let shortest = if address.is_v4() { 96 } else { 0 };
            let length = u8::try_from(128 - random.below(129 - shortest)).expect("at most 128");
            let entry = entry(address, length, random.below(1 << 20));
            model.insert((is_v4(&entry), length, entry.address), entry.list);
        }
        let of = |(&(_, length, address), &list): (&(bool, u8, Address), &PortList)| Entry {
            address,
            length,
            list,
        };
        let entries: Vec<Entry> = model.iter().map(of).collect();
        let table = Table::of(&entries);
        for _ in 0..each {
            let known = random.one_of(&entries).address;
            let address = match random.below(3) {
                0 => known,
                1 => random.near(known),
                _ => random.address(),
            };
            assert_eq!(table.find(address), expected(&model, address), "{policy}: {address:?}");
        }
    }
}
