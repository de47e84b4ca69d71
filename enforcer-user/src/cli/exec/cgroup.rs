//! Which cgroup is the agent's, and whether the kernel enforces it. Asked of
//! the kernel's own maps and links, so it holds with the daemon dead.

use std::fs;
use std::path::{Path, PathBuf};

use enforcer_common::MAX_DEPTH;

use crate::cli::failure::{Code, Failure};
use crate::config::Settings;
use crate::config::words::nearest;
use crate::kernel::{self, KernelError, Pins};

/// The agent's cgroup, absolute.
///
/// # Errors
/// [`Code::CannotEnforce`] unless programs are attached to the enforced root
/// and a cgroup that exists is bound to the agent; [`Code::Usage`] for an agent
/// that nobody knows.
pub(super) fn enforced(settings: &Settings, agent: &str) -> Result<PathBuf, Failure> {
    let root = kernel::cgroup2_mount()?.join(&settings.root);
    let pins = Pins::open(&settings.bpf_dir)?;
    let problems = pins.links_attached(&root);
    if !problems.is_empty() {
        return Err(refused(format!("nothing is started: {}", problems.join("; ")))
            .hint("start the daemon: `enforcer run`; `enforcer status` shows how it is"));
    }
    if pins.slot_of_agent(agent)?.is_none() {
        return Err(unknown(agent, &pins.agents()));
    }
    find(&root, agent, |folder| owner(&pins, folder))?.ok_or_else(|| {
        refused(format!("no cgroup below {} is bound to agent {agent}", root.display()))
            .hint("is its cgroup there, and is `enforcer run` up to bind it?")
    })
}

/// The agent whose rules hold in a cgroup.
fn owner(pins: &Pins, folder: &Path) -> Result<Option<String>, KernelError> {
    // A cgroup that has gone in the meantime is nobody's.
    let Ok(id) = kernel::cgroup_id(folder) else { return Ok(None) };
    Ok(pins.agent_of_cgroup(id)?.map(|(_, agent)| agent))
}

/// The cgroup named like the agent comes first: it is the default. Then the
/// others, shallow before deep, by name.
fn find(
    root: &Path,
    agent: &str,
    owner: impl Fn(&Path) -> Result<Option<String>, KernelError>,
) -> Result<Option<PathBuf>, KernelError> {
    let mut level = vec![root.join(agent)];
    level.extend(children(root).into_iter().filter(|folder| *folder != root.join(agent)));
    for _ in 0..MAX_DEPTH {
        for folder in &level {
            if owner(folder)?.as_deref() == Some(agent) {
                return Ok(Some(folder.clone()));
            }
        }
        level = level.iter().flat_map(|folder| children(folder)).collect();
    }
    Ok(None)
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut paths: Vec<_> = folders.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

/// The caller's mistake, not the host's: another code than "cannot enforce".
fn unknown(agent: &str, known: &[String]) -> Failure {
    let failure = Failure::new(Code::Usage, format!("no policy in force names agent {agent}"));
    let names: Vec<_> = known.iter().map(String::as_str).collect();
    failure.hint(match (nearest(agent, &names), &names[..]) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, []) => "no policy is in force: write one and `enforcer reload`".to_owned(),
        (None, names) => format!("agents with a policy: {}", names.join(", ")),
    })
}

fn refused(message: String) -> Failure {
    Failure::new(Code::CannotEnforce, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_in(folders: &[&str], bound: &str) -> Option<String> {
        let root = tempfile::tempdir().expect("a folder");
        for folder in folders {
            fs::create_dir_all(root.path().join(folder)).expect("made");
        }
        let owner = |folder: &Path| {
            let ours = folder.exists() && folder.ends_with(bound);
            Ok(ours.then(|| "bot".to_owned()))
        };
        let found = find(root.path(), "bot", owner).expect("no error");
        let relative = |path: PathBuf| {
            path.strip_prefix(root.path()).expect("below").to_string_lossy().into_owned()
        };
        found.map(relative)
    }

    #[test]
    fn the_default_cgroup_is_preferred() {
        assert_eq!(find_in(&["a", "bot", "a/bot"], "bot").as_deref(), Some("bot"));
    }

    #[test]
    fn another_cgroup_is_found_below_the_root() {
        assert_eq!(find_in(&["bot", "pool/one/two"], "two").as_deref(), Some("pool/one/two"));
    }

    #[test]
    fn an_unknown_agent_is_told_of_those_there_are() {
        let hint = |agent: &str, known: &[&str]| {
            let known: Vec<_> = known.iter().map(|name| (*name).to_owned()).collect();
            let failure = unknown(agent, &known);
            let Failure::Error { code: Code::Usage, hint: Some(hint), .. } = failure else {
                panic!("{failure:?}")
            };
            hint
        };
        assert_eq!(
            hint("lead-enrich", &["coder", "lead-enricher"]),
            "did you mean `lead-enricher`?"
        );
        assert_eq!(hint("x", &["coder", "mailer"]), "agents with a policy: coder, mailer");
        assert_eq!(hint("x", &[]), "no policy is in force: write one and `enforcer reload`");
    }

    #[test]
    fn an_unbound_or_missing_cgroup_is_not_found() {
        assert_eq!(find_in(&["bot", "other"], "missing"), None);
        assert_eq!(find_in(&[], "bot"), None);
    }
}
