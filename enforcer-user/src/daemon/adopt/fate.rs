//! What becomes of each socket.

use std::path::PathBuf;

use super::look::{Found, Look};
use crate::daemon::core::Core;
use crate::daemon::judge::Judge;
use crate::daemon::protocol::SocketResult;
use crate::policy::AgentName;
use crate::sockets::{Grip, Kind, SocketsError, Subtree, raised};

/// Why a socket has its fate, when it is no reason of a verdict.
pub(super) const OUTSIDE: &str = "made outside";
pub(super) const ALLOWED_OUTSIDE: &str = "allowed, made outside";
pub(super) const ENFORCED: &str = "enforced";
pub(super) const NOT_JUDGED: &str = "not judged";
pub(super) const NO_END: &str = "cannot be ended";

/// What becomes of a socket.
#[derive(Debug)]
pub(super) struct Fate {
    pub(super) result: SocketResult,
    pub(super) why: String,
    /// Made outside the agent's cgroups: no program would see it used again.
    is_foreign: bool,
}

/// Who judges, by what.
pub(super) struct Judged<'a> {
    pub(super) core: &'a Core,
    pub(super) agent: &'a AgentName,
    pub(super) judge: Judge,
    pub(super) keep_allowed: bool,
}

// === impl Judged ===

impl Judged<'_> {
    /// Decides each socket's fate and carries it out; what cannot be done is a
    /// problem of `look`'s, and the socket stays open.
    pub(super) fn carry_out(mut self, look: &mut Look) -> Vec<Fate> {
        let cgroups = self.core.cgroups().into_iter().filter(|c| c.agent == *self.agent);
        let own: Vec<PathBuf> = cgroups.map(|c| self.core.mount.join(c.path)).collect();
        let own = Subtree::of(&own);
        let mut fates: Vec<Fate> = look.found.iter().map(|found| self.fate(found, &own)).collect();
        let passing = self.core.kernel.let_resets_pass();
        for index in 0..look.netns.len() {
            destroy(look, index, &mut fates);
        }
        drop(passing);
        raised(|| silence(look, &mut fates));
        fates
    }

    fn fate(&mut self, found: &Found, own: &Subtree) -> Fate {
        let socket = found.socket.as_ref();
        if socket.is_none() && found.kind.and_then(Kind::transport).is_none() {
            let harmless =
                found.kind.is_some_and(|k| matches!(k.family, libc::AF_UNIX | libc::AF_NETLINK));
            return Fate::open(if harmless { NOT_JUDGED } else { NO_END });
        }
        let is_foreign = socket.is_none_or(|s| !own.cgroups.contains_key(&s.cgroup_id));
        if let Some(reason) = socket.and_then(|socket| self.judge.denial(self.agent, socket)) {
            let why = reason.as_str().to_owned();
            return Fate { result: SocketResult::Destroyed, why, is_foreign };
        }
        if !is_foreign {
            return Fate { result: SocketResult::Kept, why: ENFORCED.to_owned(), is_foreign };
        }
        if self.keep_allowed && socket.is_some_and(|socket| socket.remote.is_some()) {
            let why = ALLOWED_OUTSIDE.to_owned();
            return Fate { result: SocketResult::Kept, why, is_foreign };
        }
        Fate { result: SocketResult::Destroyed, why: OUTSIDE.to_owned(), is_foreign }
    }
}

impl Fate {
    fn open(why: &str) -> Self {
        Self { result: SocketResult::Open, why: why.to_owned(), is_foreign: true }
    }

    fn is_end(&self) -> bool {
        self.result == SocketResult::Destroyed
    }

    /// It was tried.
    fn fail(&mut self) {
        (self.result, self.why) = (SocketResult::Open, NO_END.to_owned());
    }
}

/// Ends the sockets of one network namespace whose fate that is.
fn destroy(look: &mut Look, index: usize, fates: &mut [Fate]) {
    let mut condemned: Vec<_> = look
        .found
        .iter()
        .zip(fates)
        .filter(|(found, fate)| found.netns == Some(index) && fate.is_end())
        .filter_map(|(found, fate)| Some((found.socket.as_ref()?, fate)))
        .collect();
    if condemned.is_empty() {
        return;
    }
    let failed = look.netns[index].visit(|diag| {
        let end = condemned.iter_mut().filter_map(|(socket, fate)| {
            let error = diag.destroy(socket).err()?;
            fate.fail();
            Some(error)
        });
        Ok(end.collect::<Vec<SocketsError>>())
    });
    let errors = failed.unwrap_or_else(|error| {
        condemned.iter_mut().for_each(|(_, fate)| fate.fail());
        vec![error]
    });
    look.problems.extend(errors.iter().map(ToString::to_string));
}

/// A destroyed socket is as good as new to its holder, who could connect it
/// again. One of the agent's own making would be judged; one made outside is
/// made useless.
fn silence(look: &mut Look, fates: &mut [Fate]) {
    let ended = look.found.iter().zip(fates).filter(|(_, fate)| fate.is_foreign && fate.is_end());
    for (found, fate) in ended {
        let done = found.holders.iter().map(|&holder| Grip::on(holder, found.inode)?.silence());
        // Any descriptor of it will do.
        if let Err(error) = done.reduce(Result::or).unwrap_or(Ok(())) {
            let holder = found.holders[0];
            let (pid, fd) = (holder.pid, holder.fd);
            look.problems.push(format!("make descriptor {fd} of process {pid} useless: {error}"));
            fate.fail();
        }
    }
}
