//! Whether the programs are called at all: they load, and attach, on kernels
//! that were started without `bpf` in `lsm=`, and then nothing happens.

use std::io;

use enforcer_common::CANARY_COMMAND;

use super::calls;

/// The program that answers.
pub(super) const PROGRAM: &str = "lsm_bpf";

/// Asks the layer's own program.
pub(super) fn is_called() -> bool {
    answers(CANARY_COMMAND)
}

/// Asks for a command of `bpf(2)` that no kernel has. Without a program it is
/// `EINVAL`; the program's own answer is one that nothing else gives.
pub(super) fn answers(command: u32) -> bool {
    let answer = calls::command(command).err().as_ref().and_then(io::Error::raw_os_error);
    answer == Some(libc::ENOANO)
}
