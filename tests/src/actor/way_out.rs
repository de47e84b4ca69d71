//! Ways out of a cgroup and ways to the enforcement itself, as plain system
//! calls: what matters is the kernel's answer.

use nix::errno::Errno;
use nix::libc::{self, c_int, c_long};
use serde_json::json;

use super::{Done, read};

/// `socket(2)` with these numbers.
pub(super) fn socket(family: &str, kind: &str, protocol: &str) -> Done {
    let numbers: [c_int; 3] = [read(family)?, read(kind)?, read(protocol)?];
    // SAFETY: integers only.
    descriptor(unsafe { libc::socket(numbers[0], numbers[1], numbers[2]) })
}

/// `bpf(2)` with this command and an empty attribute.
pub(super) fn bpf(command: &str) -> Done {
    let attr = [0_u64; 16];
    // SAFETY: the attribute is as long as it is said to be.
    result(unsafe {
        libc::syscall(libc::SYS_bpf, read::<c_long>(command)?, attr.as_ptr(), size_of_val(&attr))
    })
}

fn result(answer: c_long) -> Done {
    Errno::result(answer).map(|answer| json!({ "result": answer }))
}

fn descriptor(answer: c_int) -> Done {
    Errno::result(answer).map(|fd| json!({ "fd": fd }))
}
