//! Loads each program by itself: what this kernel refuses is left out, and
//! said.

use aya::programs::{Program, ProgramError};
use aya::{Btf, Ebpf};

use super::constants::Constants;
use super::hooks::{Kind, Place};

/// Loads the program of `place`; the refusal is for people.
pub(crate) fn load(
    ebpf: &mut Ebpf,
    btf: &Result<Btf, String>,
    constants: &Constants,
    place: &Place,
) -> Result<(), String> {
    if let Some(lacking) = constants.lacking(place.needs) {
        return Err(lacking);
    }
    let btf = btf.as_ref().map_err(Clone::clone)?;
    let loaded = match (place.kind, ebpf.program_mut(place.program)) {
        (Kind::Lsm, Some(Program::Lsm(program))) => program.load(place.name, btf),
        (Kind::Tracepoint, Some(Program::BtfTracePoint(program))) => program.load(place.name, btf),
        _ => Err(ProgramError::NotLoaded),
    };
    loaded.map_err(|error| sentence(place, &error))
}

/// The kernel's word; of a verifier's whole account the line that says why.
fn sentence(place: &Place, error: &ProgramError) -> String {
    if let ProgramError::Btf(_) = error {
        return format!("this kernel has no hook {}", place.name);
    }
    let ProgramError::LoadError { io_error, verifier_log } = error else {
        return error.to_string();
    };
    let account = verifier_log.to_string();
    let said = account.lines().rfind(|line| !is_statistics(line)).map(str::trim);
    said.map_or_else(|| io_error.to_string(), |line| format!("{io_error}: {line}"))
}

fn is_statistics(line: &str) -> bool {
    let beginnings = ["processed ", "verification time", "stack depth"];
    line.trim().is_empty() || beginnings.iter().any(|start| line.starts_with(start))
}
