//! Whether this kernel takes a kind of program: tried by loading the smallest
//! one, for `doctor`.

use std::io;

use aya_obj::btf::{Btf, BtfKind};

use super::load::{BPF_PROG_LOAD, LoadAs, ProgLoad};
use super::sys;

/// Instructions of `linux/bpf.h`: `r0 = 1` (which permits), `exit`.
const PERMIT: [u64; 2] = [0x0000_0001_0000_00b7, 0x95];
/// As [`PERMIT`], for programs that may only answer 0.
const WATCH: [u64; 2] = [0x0000_0000_0000_00b7, 0x95];
/// `BPF_PROG_TYPE_TRACING` and `BPF_TRACE_RAW_TP`.
const TRACING: u32 = 26;
const RAW_TRACEPOINT: u32 = 23;

/// Loads a program of this type (`enum bpf_prog_type`) for this hook
/// (`enum bpf_attach_type`), and lets it go.
///
/// # Errors
/// The kernel's own.
pub fn try_program(program: u32, attach: u32) -> io::Result<()> {
    load(&PERMIT, LoadAs { prog_type: program, attach_type: attach, attach_btf_id: 0 })
}

/// Loads a program for a tracepoint, and lets it go.
///
/// # Errors
/// The kernel has no type information, or no such tracepoint, or refuses.
pub fn try_tracepoint(name: &str) -> io::Result<()> {
    let types = Btf::from_sys_fs().map_err(io::Error::other)?;
    let number = types
        .id_by_type_name_kind(&format!("btf_trace_{name}"), BtfKind::Typedef)
        .map_err(io::Error::other)?;
    let target = LoadAs { prog_type: TRACING, attach_type: RAW_TRACEPOINT, attach_btf_id: number };
    load(&WATCH, target)
}

fn load(instructions: &[u64; 2], target: LoadAs) -> io::Result<()> {
    let mut attr = ProgLoad {
        insn_cnt: 2,
        insns: instructions.as_ptr().expose_provenance() as u64,
        license: c"GPL".as_ptr().expose_provenance() as u64,
        ..target.into()
    };
    sys::fd_of(sys::bpf(BPF_PROG_LOAD, &mut attr)?).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_that_does_not_exist_does_not_load() {
        assert!(try_program(9999, 0).is_err());
        assert!(try_tracepoint("nothing_of_this_name").is_err());
    }
}
