//! Kernel programs of the agent's own, which allow everything.

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc::{self, c_long};
use serde_json::json;

use super::{Done, Streams, errno};

/// Commands and types of `include/uapi/linux/bpf.h`.
const PROG_LOAD: c_long = 5;
const PROG_ATTACH: c_long = 8;
const LINK_CREATE: c_long = 28;
const CGROUP_SKB: u32 = 8;
const EGRESS: u32 = 1;
/// `r0 = 1; exit`.
const ALLOW: [u64; 2] = [0x0000_0001_0000_00b7, 0x0000_0000_0000_0095];

/// Attaches it to the packets of a cgroup: as a `link`, `alone`, so that a
/// child's program may `override` it, or beside others (`multi`).
pub(super) fn attach(streams: &mut Streams, how: &str, cgroup: &str) -> Done {
    let folder = File::open(cgroup).map_err(|error| errno(&error))?;
    let (program, folder) = (load()?, OwnedFd::from(folder));
    let [program_fd, folder_fd] = [&program, &folder].map(|fd| fd.as_raw_fd().cast_unsigned());
    let flags = match how {
        "link" => {
            let link = call(LINK_CREATE, &[program_fd, folder_fd, EGRESS, 0])?;
            // SAFETY: ours, just made.
            streams.others.push(unsafe { OwnedFd::from_raw_fd(link) });
            return Ok(json!({}));
        }
        "alone" => 0,
        "override" => 1,
        _ => 2,
    };
    call(PROG_ATTACH, &[folder_fd, program_fd, EGRESS, flags])?;
    Ok(json!({}))
}

fn load() -> Result<OwnedFd, Errno> {
    let license = c"GPL";
    let [code, license] = [ALLOW.as_ptr() as u64, license.as_ptr() as u64].map(u64::to_ne_bytes);
    let words = [code, license].map(|pointer| {
        let [a, b, c, d, e, f, g, h] = pointer;
        [u32::from_ne_bytes([a, b, c, d]), u32::from_ne_bytes([e, f, g, h])]
    });
    // Type, instructions, licence, log, version, flags, name, device, hook.
    let mut attribute = [0_u32; 18];
    attribute[..2].copy_from_slice(&[CGROUP_SKB, 2]);
    attribute[2..6].copy_from_slice(words.as_flattened());
    attribute[17] = EGRESS;
    let program = call(PROG_LOAD, &attribute)?;
    // SAFETY: ours, just made.
    Ok(unsafe { OwnedFd::from_raw_fd(program) })
}

fn call(command: c_long, attribute: &[u32]) -> Result<RawFd, Errno> {
    let size = size_of_val(attribute);
    // SAFETY: the attribute is as long as it is said to be, and what it points
    // to lives as long as the program.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, attribute.as_ptr(), size) };
    let answer = Errno::result(answer)?;
    RawFd::try_from(answer).map_err(|_| Errno::EOVERFLOW)
}
