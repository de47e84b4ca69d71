//! The prefix table: each policy has a run of cache lines, hashed by prefix, and
//! a look-up reads one line for each length that the policy's prefixes have.
//! Which policy it is stands in no key, so nothing is compared for it; and a
//! policy's size is nothing to another's packets.
//!
//! A run begins with its [`Head`]; then come the lines of IPv4 prefixes, of IPv6
//! prefixes up to /64, of longer ones, and the lengths of the IPv6 prefixes.

use core::borrow::Borrow;

mod entry;
mod lookup;
#[cfg(any(test, feature = "user"))]
mod image;
#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "user"))]
pub use image::{Entry, Image, Unfit};
pub use lookup::{Lookup, MAX_LENGTHS, find};

/// One cache line of the table.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Entries, or what [`Head`] says; all zero where there are none.
    pub words: [u64; 8],
}
kernel_abi!(Line, size = 64, { words: [u64; 8] = 0 });

/// The first line of a run.
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
    /// How many lengths the IPv4 prefixes have, at most 33.
    pub v4_lengths: u32,
    /// How many the IPv6 prefixes have, at most 129.
    pub v6_lengths: u32,
    /// The former, the longest first.
    pub lengths: [u8; 40],
}
kernel_abi!(Head, size = 64, {
    rules: u32 = 0, v4: u32 = 4, v6: u32 = 8, v6_long: u32 = 12, v4_lengths: u32 = 16,
    v6_lengths: u32 = 20, lengths: [u8; 40] = 24,
});

/// The lines as the kernel programs, the daemon and tests have them.
pub trait Lines {
    /// A line in place, or a copy where others write meanwhile.
    type Line<'a>: Borrow<Line>
    where
        Self: 'a;
    /// One line; `None` is outside the table, and finds nothing.
    fn line(&self, index: u32) -> Option<Self::Line<'_>>;
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
