//! What `enforcer exec` stands on: capabilities to take away, seccomp, Landlock.

use std::io;

use caps::Capability;

use crate::cli::doctor::Check;
use crate::cli::doctor::host::lacking;
use crate::cli::exec;

/// Without these `exec` cannot take them from an agent or change its user.
const CAPABILITIES: [Capability; 4] =
    [Capability::CAP_SETPCAP, Capability::CAP_SETUID, Capability::CAP_SETGID, Capability::CAP_KILL];

pub(super) fn checks() -> impl Iterator<Item = Check> {
    [capabilities(), seccomp(), landlock()].into_iter()
}

fn capabilities() -> Check {
    let name = "capabilities for `exec`";
    match lacking(&CAPABILITIES) {
        lacking if lacking.is_empty() => Check::ok(name, "this process may start agents"),
        lacking => Check::degraded(name, format!("this process lacks {lacking}"))
            .cost("`enforcer exec` cannot change the user or empty the bounding set")
            .remedy("run as root"),
    }
}

fn seccomp() -> Check {
    let name = "seccomp for `exec`";
    match has_seccomp() {
        Ok(()) => Check::ok(name, "filters can refuse system calls"),
        Err(error) => Check::degraded(name, error.to_string())
            .cost("`enforcer exec` starts no agent")
            .remedy("use a kernel with CONFIG_SECCOMP_FILTER=y; in a container, allow seccomp(2)"),
    }
}

/// Asks for the one action that the filters need (seccomp(2)).
fn has_seccomp() -> io::Result<()> {
    let errno: u32 = libc::SECCOMP_RET_ERRNO;
    // SAFETY: reads four bytes of ours and changes nothing.
    let answer = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const errno)
    };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn landlock() -> Check {
    let name = "Landlock for `exec`";
    let lacking = exec::not_fenced_here();
    if lacking.is_empty() {
        return Check::ok(name, "files, devices, signals and abstract sockets are fenced");
    }
    Check::degraded(name, "incomplete").cost(lacking.join("; ")).remedy(
        "use Linux 6.12 or newer with CONFIG_SECURITY_LANDLOCK=y and `landlock` in `lsm=`; \
             until then, give each agent a user of its own (`--user`)",
    )
}
