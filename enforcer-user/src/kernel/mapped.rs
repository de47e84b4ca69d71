//! Values of an array map as memory shared with the kernel programs. Fields are
//! atomic 64-bit cells or are written while no program reads them.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use aya::Pod;

/// An array map's values, mapped. Indexes are checked.
#[derive(Debug)]
pub(crate) struct Mapped<T> {
    base: NonNull<u8>,
    bytes: usize,
    len: u32,
    writable: bool,
    values: PhantomData<T>,
}

// SAFETY: the memory is shared with the kernel anyway; all access is volatile
// or atomic, and never through references to values.
unsafe impl<T: Pod> Send for Mapped<T> {}
// SAFETY: as above.
unsafe impl<T: Pod> Sync for Mapped<T> {}

// === impl Mapped ===

impl<T: Pod> Mapped<T> {
    /// Values stand at multiples of eight bytes (kernel: `array_map_alloc`).
    const STRIDE: usize = size_of::<T>().next_multiple_of(8);

    /// Maps `len` values of an array map made with `BPF_F_MMAPABLE`.
    pub(crate) fn new(map: BorrowedFd<'_>, len: u32, writable: bool) -> io::Result<Self> {
        let bytes = Self::STRIDE * len as usize;
        let protection = libc::PROT_READ | if writable { libc::PROT_WRITE } else { 0 };
        // SAFETY: a fresh mapping of a descriptor we hold; checked below.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                protection,
                libc::MAP_SHARED,
                map.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or_else(|| io::Error::other("mmap gave null"))?;
        Ok(Self { base, bytes, len, writable, values: PhantomData })
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    fn at(&self, index: u32) -> Option<NonNull<T>> {
        // SAFETY: within the mapping, whose length is STRIDE times `len`.
        (index < self.len).then(|| unsafe { self.base.add(index as usize * Self::STRIDE).cast() })
    }

    /// Copies a value; fields that programs write may be from different moments.
    pub(crate) fn get(&self, index: u32) -> Option<T> {
        // SAFETY: in bounds, aligned to eight bytes, and `T: Pod`.
        self.at(index).map(|value| unsafe { value.read_volatile() })
    }

    /// Overwrites a value that no running program reads. `false`: out of bounds.
    #[must_use = "a value out of bounds is not written"]
    pub(crate) fn set(&self, index: u32, value: T) -> bool {
        let Some(place) = self.at(index).filter(|_| self.writable) else { return false };
        // SAFETY: as in `get`, and the mapping is writable.
        unsafe { place.write_volatile(value) };
        true
    }

    /// A 64-bit field at `offset` bytes into a value, shared with the kernel.
    pub(crate) fn cell(&self, index: u32, offset: usize) -> Option<&AtomicU64> {
        let value = self.at(index).filter(|_| self.writable)?.cast::<u8>();
        if !offset.is_multiple_of(8) || offset + 8 > size_of::<T>() {
            return None;
        }
        // SAFETY: in bounds, aligned, alive as long as the mapping, and only
        // ever accessed atomically or by volatile copies.
        Some(unsafe { AtomicU64::from_ptr(value.add(offset).cast().as_ptr()) })
    }
}

impl<T> Drop for Mapped<T> {
    fn drop(&mut self) {
        // SAFETY: our own mapping, unmapped once; nothing borrows from it any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}
