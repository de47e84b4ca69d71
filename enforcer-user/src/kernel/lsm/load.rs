//! Loads each program by itself: what this kernel refuses is left out, and
//! said.

use aya::Btf;
use aya::programs::{Program, ProgramError};

use super::constants::Constants;
use super::hooks::{Kind, Place};
use super::means::Means;
use super::trial;
use crate::kernel::programs::Programs;

/// `BPF_TRACE_RAW_TP` of `enum bpf_attach_type` (`include/uapi/linux/bpf.h`).
const TRACEPOINT: u32 = 23;

/// What loading needs beside the programs.
pub(crate) struct Loader<'a> {
    constants: &'a Constants,
    btf: Result<Btf, String>,
    /// By which means programs at the security hooks are called; or why by none.
    pub(crate) means: Result<Means, String>,
}

// === impl Loader ===

impl<'a> Loader<'a> {
    /// Finds out by trying which means there is.
    pub(crate) fn new(constants: &'a Constants) -> Self {
        Self {
            constants,
            btf: Btf::from_sys_fs().map_err(|error| format!("no type information: {error}")),
            means: constants.types().and_then(trial::find),
        }
    }

    /// Loads the program of `place`; the refusal is for people.
    pub(crate) fn load(&self, programs: &mut Programs, place: &Place) -> Result<(), String> {
        if let Some(lacking) = self.constants.lacking(place.needs) {
            return Err(lacking);
        }
        match (place.kind, &self.means) {
            (Kind::Hook, Err(why)) => Err(why.clone()),
            (Kind::Hook, Ok(Means::ModifyReturn)) => self.modify_return(programs, place),
            (Kind::Hook, Ok(Means::Lsm)) | (Kind::Tracepoint, _) => self.listed(programs, place),
        }
    }

    /// As `attach_type` of the link that the loaded program goes into.
    pub(crate) fn attach_type(&self, place: &Place) -> u32 {
        match (place.kind, &self.means) {
            (Kind::Hook, Ok(means)) => means.attach_type(),
            _ => TRACEPOINT,
        }
    }

    /// The same program, loaded as what aya has no name for.
    fn modify_return(&self, programs: &mut Programs, place: &Place) -> Result<(), String> {
        let function = Means::ModifyReturn.function(place.name);
        let number = self.constants.types()?.function(&function);
        let number = number.ok_or_else(|| format!("this kernel has no {function}"))?;
        programs.load_as(place.program, Means::ModifyReturn.target(number))
    }

    fn listed(&self, programs: &mut Programs, place: &Place) -> Result<(), String> {
        let btf = self.btf.as_ref().map_err(Clone::clone)?;
        let loaded = match programs.ebpf.program_mut(place.program) {
            Some(Program::Lsm(program)) => program.load(place.name, btf),
            Some(Program::BtfTracePoint(program)) => program.load(place.name, btf),
            _ => Err(ProgramError::NotLoaded),
        };
        loaded.map_err(|error| sentence(place, &error))
    }
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
