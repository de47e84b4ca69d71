//! What this kernel takes, for `doctor`: tried by loading, and by calling.

use std::os::fd::AsFd;
use std::path::Path;

use enforcer_common::CANARY_COMMAND;

use super::calls;
use super::canary::{self, Runs};
use super::constants::BTF;
use super::hooks::{Kind, PLACES};
use super::types::Types;

/// `r0 = 0` (which permits), `exit`.
const PERMIT: [u64; 2] = [0x0000_0000_0000_00b7, 0x95];
/// `r1 = *(u64 *)(ctx + 0)`, the command of `bpf(2)`; unless it is the canary's
/// permit it, else answer `-ENOANO`.
const ANSWER: [u64; 5] = [
    0x0000_0000_0000_1179,
    0x0000_0000_0000_00b7,
    (CANARY_COMMAND as u64) << 32 | 0x0000_0000_0001_0156,
    ((-libc::ENOANO).cast_unsigned() as u64) << 32 | 0x0000_0000_0000_00b7,
    0x95,
];

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Hooks that take a program.
    pub loads: usize,
    /// Hooks that are wanted.
    pub wanted: usize,
    /// The first refusal, in the kernel's words.
    pub refusal: Option<String>,
    /// A program was called; `false` where none could be attached.
    pub runs: bool,
}

/// Tries every hook. Nothing is left behind.
pub fn probe() -> Probe {
    let wanted: Vec<_> = PLACES.iter().filter(|place| place.kind == Kind::Lsm).collect();
    let types = match Types::read(Path::new(BTF)) {
        Ok(types) => types,
        Err(error) => {
            let refusal = Some(error.to_string());
            return Probe { loads: 0, wanted: wanted.len(), refusal, runs: false };
        }
    };
    let refusals: Vec<_> = wanted.iter().filter_map(|p| refusal(&types, p.name)).collect();
    Probe {
        loads: wanted.len() - refusals.len(),
        wanted: wanted.len(),
        refusal: refusals.into_iter().next(),
        runs: runs(&types),
    }
}

fn refusal(types: &Types, hook: &str) -> Option<String> {
    let Some(number) = types.function(&format!("bpf_lsm_{hook}")) else {
        return Some(format!("this kernel has no hook {hook}"));
    };
    let error = calls::load_lsm(&PERMIT, number).err()?;
    Some(format!("{hook}: {error}"))
}

/// Attaches a program that only knows the canary, for one call.
fn runs(types: &Types) -> bool {
    let answering = || {
        let program = calls::load_lsm(&ANSWER, types.function("bpf_lsm_bpf")?).ok()?;
        calls::link_create_tracing(program.as_fd(), Kind::Lsm.attach_type()).ok()
    };
    // Held while it is asked.
    answering().is_some_and(|_link| canary::ask() == Runs::Yes)
}
