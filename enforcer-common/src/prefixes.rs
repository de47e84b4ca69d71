//! The prefix table: each policy has a run of cache lines, hashed by prefix, and
//! a look-up reads one line for each length that a prefix around the address may
//! have. Which policy it is stands in no key, so nothing is compared for it; and a
//! policy's size is nothing to another's packets.
//!
//! A run begins with its [`Head`]; then come the lines of IPv4 prefixes, of IPv6
//! prefixes up to /64, and of longer ones. Where prefixes have many lengths, words
//! follow that say for groups of addresses which of the lengths occur there.

use core::borrow::Borrow;

use crate::address::Address;

mod entry;
mod lookup;
#[cfg(any(test, feature = "user"))]
mod groups;
#[cfg(any(test, feature = "user"))]
mod image;
#[cfg(test)]
mod tests;

pub use entry::{Area, Kind, PROBES};
#[cfg(any(test, feature = "user"))]
pub use image::{Entry, Image, Unfit};
pub use lookup::{Step, find, find_further, probe, step};

/// One cache line of the table.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Entries, or what [`Head`] says; all zero where there are none.
    pub words: [u64; 8],
}
kernel_abi!(Line, size = 64, { words: [u64; 8] = 0 });

/// The first line of a run. In sets of lengths the lowest bit is the longest one: /32 of
/// IPv4, /64 and /128 of IPv6.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Where the policy's port rules begin; lists count from there.
    pub rules: u32,
    /// How many lines the IPv4 prefixes have.
    pub v4: u32,
    /// How many the IPv6 prefixes up to /64 have.
    pub v6: u32,
    /// How many the longer ones have.
    pub v6_long: u32,
    /// In how many groups IPv4 addresses are, each with a word for the lengths from /16
    /// on; 0 where one set is for all.
    pub v4_groups: u32,
    /// In how many IPv6 addresses are, each with a word for the lengths from /32 to
    /// /64 and one for the longer ones.
    pub v6_groups: u32,
    /// The lengths of IPv4 prefixes that are in no group.
    pub v4_lengths: u64,
    /// Of IPv6 prefixes up to /64.
    pub v6_lengths: u64,
    /// Of longer ones.
    pub v6_long_lengths: u64,
    /// The tag of `::/0`; 0 where there is none.
    pub v6_any: u64,
    /// 0.
    pub reserved: u64,
}
kernel_abi!(Head, size = 64, {
    rules: u32 = 0, v4: u32 = 4, v6: u32 = 8, v6_long: u32 = 12, v4_groups: u32 = 16,
    v6_groups: u32 = 20, v4_lengths: u64 = 24, v6_lengths: u64 = 32, v6_long_lengths: u64 = 40,
    v6_any: u64 = 48, reserved: u64 = 56,
});

/// The lines as the kernel programs, the daemon and tests have them.
pub trait Lines {
    /// A line in place, or a copy where others write meanwhile.
    type Line<'a>: Borrow<Line>
    where
        Self: 'a;
    /// One line; `None` is outside the table, and finds nothing.
    fn line(&self, index: u32) -> Option<Self::Line<'_>>;

    /// [`probe`]; the kernel programs have it apart, since the verifier would follow it from
    /// each turn of each look-up.
    #[inline(always)]
    fn probe(&self, area: Area, address: &Address, end: u64) -> Option<u64>
    where
        Self: Sized,
    {
        probe(self, area, address, end)
    }

    /// [`find_further`]; apart for the same reason.
    #[inline(always)]
    fn find_further(&self, area: Area, address: &Address, end: u64) -> Option<u64>
    where
        Self: Sized,
    {
        find_further(self, area, address, end)
    }
}

// === impl Head ===

impl Head {
    /// The head in a run's first line.
    #[inline(always)]
    pub fn of(line: &Line) -> &Self {
        // SAFETY: two views of the same 64 bytes, integers only, and the line's
        // alignment is the stricter one.
        unsafe { &*core::ptr::from_ref(line).cast() }
    }
}
