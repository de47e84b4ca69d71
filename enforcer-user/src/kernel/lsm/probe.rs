//! What this kernel takes, for `doctor`: tried by loading, and by calling.

use std::path::Path;

use super::calls;
use super::constants::BTF;
use super::hooks::{Kind, PLACES, Place};
use super::means::Means;
use super::trial;
use super::types::Types;

/// `r0 = 0` (which permits), `exit`.
const PERMIT: [u64; 2] = [0x0000_0000_0000_00b7, 0x95];

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// By which means programs are called; or why by none.
    pub means: Result<Means, String>,
    /// Hooks that take a program.
    pub loads: usize,
    /// Hooks that are wanted.
    pub wanted: usize,
    /// The first refusal, in the kernel's words.
    pub refusal: Option<String>,
}

/// Tries every hook. Nothing is left behind.
pub fn probe() -> Probe {
    let wanted: Vec<_> = PLACES.iter().filter(|place| place.kind == Kind::Hook).collect();
    let types = Types::read(Path::new(BTF)).map_err(|error| error.to_string());
    let found = types.and_then(|types| trial::find(&types).map(|means| (types, means)));
    let refusals: Vec<_> = match &found {
        Ok((types, means)) => wanted.iter().filter_map(|p| refusal(types, *means, p)).collect(),
        Err(why) => vec![why.clone(); wanted.len()],
    };
    Probe {
        means: found.map(|(_, means)| means),
        loads: wanted.len() - refusals.len(),
        wanted: wanted.len(),
        refusal: refusals.into_iter().next(),
    }
}

fn refusal(types: &Types, means: Means, place: &Place) -> Option<String> {
    let function = means.function(place.name);
    let Some(number) = types.function(&function) else {
        return Some(format!("this kernel has no {function}"));
    };
    let error = calls::load(&PERMIT, means.target(number)).err()?;
    Some(format!("{function}: {error}"))
}
