//! `BPF_PROG_LOAD` and `BPF_BTF_LOAD`, for programs that aya does not load.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use aya_obj::Function;

use super::sys::{bpf, fd_of};

/// Commands of `enum bpf_cmd` (`include/uapi/linux/bpf.h`).
pub(super) const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_BTF_LOAD: libc::c_long = 18;

/// `union bpf_attr` for `BPF_PROG_LOAD`, to the type a program attaches to.
#[repr(C)]
#[derive(Default)]
pub(super) struct ProgLoad {
    pub(super) prog_type: u32,
    pub(super) insn_cnt: u32,
    pub(super) insns: u64,
    pub(super) license: u64,
    pub(super) log_level: u32,
    pub(super) log_size: u32,
    pub(super) log_buf: u64,
    pub(super) kern_version: u32,
    pub(super) prog_flags: u32,
    pub(super) prog_name: [u8; 16],
    pub(super) prog_ifindex: u32,
    pub(super) expected_attach_type: u32,
    pub(super) prog_btf_fd: u32,
    pub(super) func_info_rec_size: u32,
    pub(super) func_info: u64,
    pub(super) func_info_cnt: u32,
    pub(super) line_info_rec_size: u32,
    pub(super) line_info: u64,
    pub(super) line_info_cnt: u32,
    pub(super) attach_btf_id: u32,
}

/// What a program is loaded as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LoadAs {
    /// `enum bpf_prog_type`.
    pub(crate) prog_type: u32,
    /// `enum bpf_attach_type`.
    pub(crate) attach_type: u32,
    /// Number of the kernel's function among its types; 0 for none.
    pub(crate) attach_btf_id: u32,
}

impl From<LoadAs> for ProgLoad {
    fn from(LoadAs { prog_type, attach_type, attach_btf_id }: LoadAs) -> Self {
        Self { prog_type, expected_attach_type: attach_type, attach_btf_id, ..Self::default() }
    }
}

/// Loads the program `code`, and what is linked to it, of a kind that aya does not
/// know. With its `types` the verifier looks at each global function once.
/// Names are at most 15 bytes; longer ones are cut.
pub(crate) fn load_program(
    name: &str,
    code: &Function,
    license: &CStr,
    types: Option<BorrowedFd<'_>>,
    target: LoadAs,
) -> io::Result<OwnedFd> {
    let instructions = &code.instructions;
    let mut prog_name = [0; 16];
    for (to, from) in prog_name[..15].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    let mut attr = ProgLoad {
        insn_cnt: u32::try_from(instructions.len()).map_err(io::Error::other)?,
        insns: instructions.as_ptr().expose_provenance() as u64,
        license: license.as_ptr().expose_provenance() as u64,
        prog_name,
        ..target.into()
    };
    let functions = code.func_info.func_info_bytes();
    if let Some(types) = types {
        attr.prog_btf_fd = types.as_raw_fd().cast_unsigned();
        attr.func_info_rec_size =
            u32::try_from(code.func_info_rec_size).map_err(io::Error::other)?;
        attr.func_info = functions.as_ptr().expose_provenance() as u64;
        attr.func_info_cnt = u32::try_from(code.func_info.len()).map_err(io::Error::other)?;
    }
    match bpf(BPF_PROG_LOAD, &mut attr) {
        Ok(fd) => fd_of(fd),
        Err(error) => Err(explained(error, attr)),
    }
}

/// The verifier's last words, from a second attempt that asks for them.
fn explained(error: io::Error, mut attr: ProgLoad) -> io::Error {
    // Older kernels keep the beginning of what does not fit, and not the end.
    let mut log = vec![0_u8; 1 << 24];
    attr.log_level = 1;
    attr.log_size = 1 << 24;
    attr.log_buf = log.as_mut_ptr().expose_provenance() as u64;
    let _refused = bpf(BPF_PROG_LOAD, &mut attr);
    let end = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
    let said = String::from_utf8_lossy(&log[..end]);
    let last: Vec<&str> = said.lines().rev().filter(|l| !l.starts_with("processed ")).collect();
    match last.first() {
        Some(words) => io::Error::new(error.kind(), format!("{error}: the verifier: {words}")),
        None => error,
    }
}

#[repr(C)]
struct BtfLoad {
    btf: u64,
    log_buf: u64,
    size: u32,
    log_size: u32,
    log_level: u32,
    /// Written out: the kernel wants it zero.
    reserved: u32,
}

/// Loads an object's type information (BTF).
pub(crate) fn load_types(types: &[u8]) -> io::Result<OwnedFd> {
    let mut attr = BtfLoad {
        btf: types.as_ptr().expose_provenance() as u64,
        log_buf: 0,
        size: u32::try_from(types.len()).map_err(io::Error::other)?,
        log_size: 0,
        log_level: 0,
        reserved: 0,
    };
    fd_of(bpf(BPF_BTF_LOAD, &mut attr)?)
}
