//! Loads the smallest program of a kind: the only way to know that the kernel
//! takes it.

use std::ffi::c_long;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// `BPF_PROG_LOAD` of `linux/bpf.h`.
const BPF_PROG_LOAD: c_long = 5;
/// Instructions of `linux/bpf.h`: `r0 = 1` (which permits), `exit`.
const PROGRAM: [u64; 2] = [0x0000_0001_0000_00b7, 0x95];

/// A kind of program, in the numbers of `linux/bpf.h`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// What people call it.
    pub(super) name: &'static str,
    /// `enum bpf_prog_type`.
    pub(super) program: u32,
    /// `enum bpf_attach_type`.
    pub(super) attach: u32,
}

/// `union bpf_attr` as far as `BPF_PROG_LOAD` needs it; the kernel takes what
/// is behind as zero.
#[repr(C)]
#[derive(Default)]
struct ProgLoad {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
}

/// Loads it and lets it go.
///
/// # Errors
/// The kernel's own.
pub(super) fn load(kind: Kind) -> io::Result<()> {
    let license = c"GPL";
    let attr = ProgLoad {
        prog_type: kind.program,
        insn_cnt: 2,
        insns: PROGRAM.as_ptr().expose_provenance() as u64,
        license: license.as_ptr().expose_provenance() as u64,
        expected_attach_type: kind.attach,
        ..ProgLoad::default()
    };
    // SAFETY: `attr` is the head of `union bpf_attr` with its length given,
    // and what it points to outlives the call.
    let fd =
        unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_LOAD, &raw const attr, size_of_val(&attr)) };
    match i32::try_from(fd) {
        Ok(fd) if fd >= 0 => {
            // SAFETY: the kernel has just given us this descriptor.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
            Ok(())
        }
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_does_not_exist_does_not_load() {
        let nonsense = Kind { name: "nonsense", program: 9999, attach: 0 };
        assert!(load(nonsense).is_err());
    }
}
