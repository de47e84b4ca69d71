//! The parts of `bpf(2)` that only this layer uses.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use crate::kernel::load::{BPF_PROG_LOAD, LoadAs, ProgLoad};
use crate::kernel::sys::{BPF_LINK_CREATE, LinkCreate, bpf, fd_of};

/// Of `enum bpf_cmd`.
const BPF_MAP_UPDATE_ELEM: libc::c_long = 2;

/// A command that takes nothing.
pub(crate) fn command(command: u32) -> io::Result<()> {
    bpf(command.into(), &mut 0_u64).map(|_| ())
}

/// Attaches a program to the hook or tracepoint it was loaded for.
pub(crate) fn link_create_tracing(
    program: BorrowedFd<'_>,
    attach_type: u32,
) -> io::Result<OwnedFd> {
    let prog_fd = program.as_raw_fd().cast_unsigned();
    let mut attr = LinkCreate { prog_fd, target_fd: 0, attach_type, flags: 0 };
    fd_of(bpf(BPF_LINK_CREATE, &mut attr)?)
}

#[repr(C)]
struct Element {
    map_fd: u32,
    reserved: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Writes an element of a map; key and value are as large as the map's.
pub(crate) fn map_update<K: aya::Pod, V: aya::Pod>(
    map: BorrowedFd<'_>,
    key: &K,
    value: &V,
) -> io::Result<()> {
    let mut attr = Element {
        map_fd: map.as_raw_fd().cast_unsigned(),
        reserved: 0,
        key: ptr::from_ref(key).expose_provenance() as u64,
        value: ptr::from_ref(value).expose_provenance() as u64,
        flags: 0,
    };
    bpf(BPF_MAP_UPDATE_ELEM, &mut attr).map(|_| ())
}

/// Loads a nameless program of a few instructions.
pub(crate) fn load(instructions: &[u64], target: LoadAs) -> io::Result<OwnedFd> {
    let license = c"GPL";
    let mut attr = ProgLoad {
        insn_cnt: u32::try_from(instructions.len()).map_err(io::Error::other)?,
        insns: instructions.as_ptr().expose_provenance() as u64,
        license: license.as_ptr().expose_provenance() as u64,
        ..target.into()
    };
    fd_of(bpf(BPF_PROG_LOAD, &mut attr)?)
}
