//! Reads of the kernel's own structs. Where each field is on this kernel is a
//! constant for the verifier, written by the loader.

use core::ptr::{addr_of, null, read_volatile};

use aya_ebpf::helpers::bpf_probe_read_kernel;
use enforcer_common::{Field, FieldOffsets};

/// A program whose fields are not all known is not loaded.
#[unsafe(no_mangle)]
static FIELD_OFFSETS: FieldOffsets = [0; Field::COUNT];

/// Address of a kernel object; null where there is none, or it could not be
/// read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Object(*const u8);

// === impl Object ===

impl Object {
    #[inline(always)]
    pub(crate) fn at(address: *const u8) -> Self {
        Self(address)
    }

    #[inline(always)]
    pub(crate) fn of_address(address: u64) -> Self {
        Self(address as *const u8)
    }

    #[inline(always)]
    pub(crate) fn address(self) -> u64 {
        self.0 as u64
    }

    #[inline(always)]
    pub(crate) fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// Address of a field.
    #[inline(always)]
    pub(crate) fn field(self, field: Field) -> *const u8 {
        self.0.wrapping_add(offset(field))
    }

    /// The object that has this one embedded as `field`.
    #[inline(always)]
    pub(crate) fn containing(self, field: Field) -> Self {
        Self(self.0.wrapping_sub(offset(field)))
    }

    /// A field's value; `None` where memory cannot be read.
    #[inline(always)]
    pub(crate) fn read<T: Copy>(self, field: Field) -> Option<T> {
        // SAFETY: the helper checks the address.
        unsafe { bpf_probe_read_kernel(self.field(field).cast::<T>()) }.ok()
    }

    /// What a pointer field leads to.
    #[inline(always)]
    pub(crate) fn follow(self, field: Field) -> Self {
        Self(self.read::<*const u8>(field).unwrap_or(null()))
    }
}

/// A field of an object that the verifier knows the type of: a plain load, and
/// the only way to a pointer that helpers take.
///
/// # Safety
/// `object` is an argument of the program, or was loaded from one in this way,
/// of the struct that `field` is in; `T` is the field's type.
#[inline(always)]
pub(crate) unsafe fn load<T: Copy>(object: *const u8, field: Field) -> T {
    // SAFETY: the kernel makes loads through its typed pointers safe.
    unsafe { read_volatile(object.wrapping_add(offset(field)).cast::<T>()) }
}

#[inline(always)]
fn offset(field: Field) -> usize {
    // SAFETY: within the array; volatile because the loader writes it.
    unsafe { read_volatile(addr_of!(FIELD_OFFSETS).cast::<u32>().add(field as usize)) as usize }
}
