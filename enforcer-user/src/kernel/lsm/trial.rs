//! By which means the kernel calls programs: tried with one that does nothing
//! but answer. They load, and attach, where they are never called as well.

use std::os::fd::AsFd;

use super::calls;
use super::canary;
use super::means::Means;
use super::types::Types;

/// What a trial's program answers to, with this process's number below: trials
/// side by side do not answer each other, nor do the programs of a daemon that
/// runs already. No kernel has such a command of `bpf(2)`.
const COMMANDS: u32 = 0x4500_0000;

/// The first that works; or why none does.
pub(super) fn find(types: &Types) -> Result<Means, String> {
    let mut refusals = Vec::new();
    for means in Means::ALL {
        match try_out(types, means) {
            Ok(()) => return Ok(means),
            Err(why) => refusals.push(format!("{means}: {why}")),
        }
    }
    Err(refusals.join("; "))
}

fn try_out(types: &Types, means: Means) -> Result<(), String> {
    let function = means.function("bpf");
    let number = types.function(&function);
    let number = number.ok_or_else(|| format!("this kernel has no {function}"))?;
    let command = COMMANDS | std::process::id();
    let said = |error: std::io::Error| error.to_string();
    let program = calls::load(&answer(command), means.target(number)).map_err(said)?;
    // Held while it is asked.
    let _link = calls::link_create_tracing(program.as_fd(), means.attach_type()).map_err(said)?;
    match (canary::answers(command), means) {
        (true, _) => Ok(()),
        (false, Means::Lsm) => Err("loads and is never called: `bpf` is not in `lsm=`".to_owned()),
        (false, Means::ModifyReturn) => Err("loads and is never called".to_owned()),
    }
}

/// `r1 = *(u64 *)(ctx + 0)`, the command of `bpf(2)`; `r0 = 0`, which permits;
/// with this command `r0 = -ENOANO`; `exit`.
fn answer(command: u32) -> [u64; 5] {
    let error = u64::from((-libc::ENOANO).cast_unsigned());
    [
        0x0000_0000_0000_1179,
        0x0000_0000_0000_00b7,
        u64::from(command) << 32 | 0x0000_0000_0001_0156,
        error << 32 | 0x0000_0000_0000_00b7,
        0x95,
    ]
}
