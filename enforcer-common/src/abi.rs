//! Proof, at build time, that both sides see the same bytes.

/// Version of every layout in this crate. The daemon writes it into the
/// `CONTROL` map and refuses to adopt pins that carry another one.
pub const ABI_VERSION: u32 = 5;

/// Proves size, offsets and the absence of padding of a `repr(C)` struct, and
/// (feature `user`) declares it safe to copy byte by byte.
macro_rules! kernel_abi {
    ($ty:ty, size = $size:literal, { $($field:ident: $fty:ty = $off:literal),+ $(,)? }) => {
        const _: () = {
            assert!(size_of::<$ty>() == $size, "size changed: bump ABI_VERSION");
            assert!(0 $(+ size_of::<$fty>())+ == $size, "implicit padding");
            $(assert!(core::mem::offset_of!($ty, $field) == $off, "field moved: bump ABI_VERSION");)+
        };
        #[cfg(feature = "user")]
        // SAFETY: `repr(C)`, `Copy`, integers and integer arrays only (no
        // `bool`, enum, pointer or `Option`), and the sum above proves that
        // there are no padding bytes; the macro's caller keeps the former.
        unsafe impl aya::Pod for $ty {}
    };
}
