//! Atomic read-modify-write on map values. Even per-CPU values need it: a
//! program can be interrupted by softirq, and preempted on kernels with full
//! preemption, by itself on the same CPU.

use core::intrinsics::{AtomicOrdering, atomic_cxchg, atomic_xadd, atomic_xchg};
use core::ptr;

use enforcer_common::Meter;

const SEQ_CST: AtomicOrdering = AtomicOrdering::SeqCst;

/// One 64-bit cell of a map value.
#[derive(Clone, Copy)]
pub(crate) struct Cell(*mut u64);

// === impl Cell ===

impl Cell {
    /// # Safety
    /// `cell` is a field of a map value that this program run has looked up;
    /// the kernel keeps the value alive for the whole run.
    #[inline(always)]
    pub(crate) unsafe fn new(cell: *mut u64) -> Self {
        Self(cell)
    }

    #[inline(always)]
    pub(crate) fn get(self) -> u64 {
        // SAFETY: valid and aligned by the contract of `new`.
        unsafe { ptr::read_volatile(self.0) }
    }

    #[inline(always)]
    pub(crate) fn set(self, value: u64) {
        // SAFETY: as above; a 64-bit store is one instruction on BPF.
        unsafe { ptr::write_volatile(self.0, value) }
    }

    #[inline(always)]
    pub(crate) fn add(self, value: u64) {
        // SAFETY: as above. The result is not used, which makes it `lock add`.
        unsafe { atomic_xadd::<u64, u64, SEQ_CST>(self.0, value) };
    }

    #[inline(always)]
    pub(crate) fn fetch_add(self, value: u64) -> u64 {
        // SAFETY: as above.
        unsafe { atomic_xadd::<u64, u64, SEQ_CST>(self.0, value) }
    }

    #[inline(always)]
    pub(crate) fn swap(self, value: u64) -> u64 {
        // SAFETY: as above.
        unsafe { atomic_xchg::<u64, SEQ_CST>(self.0, value) }
    }
}

impl Meter for Cell {
    #[inline(always)]
    fn load(&self) -> u64 {
        self.get()
    }

    #[inline(always)]
    fn compare_exchange(&self, old: u64, new: u64) -> Result<(), u64> {
        // SAFETY: as above.
        let (found, same) = unsafe { atomic_cxchg::<u64, SEQ_CST, SEQ_CST>(self.0, old, new) };
        if same { Ok(()) } else { Err(found) }
    }
}

/// Adds one to a 32-bit field, which wraps.
///
/// # Safety
/// `field` is a field of a map value that this program run has looked up.
#[inline(always)]
pub(crate) unsafe fn add_one(field: *mut u32) {
    // SAFETY: the caller's `field`.
    unsafe { atomic_xadd::<u32, u32, SEQ_CST>(field, 1) };
}
