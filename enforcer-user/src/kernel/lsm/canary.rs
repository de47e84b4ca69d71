//! Whether the programs are called at all: they load, and attach, on kernels
//! that were started without `bpf` in `lsm=`, and then nothing happens.

use std::io;

use enforcer_common::CANARY_COMMAND;

use super::calls;

/// The program that answers.
pub(super) const PROGRAM: &str = "lsm_bpf";

/// What is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runs {
    /// The kernel calls them.
    Yes,
    /// It does not.
    No,
    /// There is none that could answer.
    Unknown,
}

/// Asks for a command of `bpf(2)` that no kernel has. Without the program it is
/// `EINVAL`; the program's own answer is one that nothing else gives.
pub(super) fn ask() -> Runs {
    let answer = calls::command(CANARY_COMMAND).err().as_ref().and_then(io::Error::raw_os_error);
    if answer == Some(libc::ENOANO) { Runs::Yes } else { Runs::No }
}
