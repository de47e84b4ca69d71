//! The layer in words for `status`.

use super::canary::Runs;
use super::hooks::{Kind, PLACES, Place};

/// What of the layer holds on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerState {
    held: Vec<&'static str>,
    absent: Vec<(&'static str, String)>,
    unwatched: Vec<(&'static str, String)>,
    ends_children: bool,
    pub(super) runs: Runs,
}

// === impl LayerState ===

impl LayerState {
    pub(super) fn new(
        held: impl Iterator<Item = Place>,
        absent: Vec<(Place, String)>,
        runs: Runs,
        ends_children: bool,
    ) -> Self {
        let held: Vec<_> = held.collect();
        let names = |absent: &[(Place, String)], kind| {
            let of_kind = absent.iter().filter(|(place, _)| place.kind == kind);
            of_kind.map(|(place, why)| (place.name, why.clone())).collect()
        };
        Self {
            held: held.iter().filter(|p| p.kind == Kind::Lsm).map(|p| p.name).collect(),
            absent: names(&absent, Kind::Lsm),
            unwatched: names(&absent, Kind::Tracepoint),
            ends_children,
            runs,
        }
    }

    /// Whether calls are refused by this layer.
    pub fn refuses(&self) -> bool {
        self.runs == Runs::Yes
    }

    /// Whether connections and datagrams to Unix sockets are judged by the
    /// cgroup of the peer.
    pub fn judges_unix(&self) -> bool {
        let holds = |name: &str| self.held.contains(&name);
        self.refuses() && holds("unix_stream_connect") && holds("unix_may_send")
    }

    /// How many hooks of the security modules are held.
    pub fn hooks(&self) -> usize {
        if self.refuses() { self.held.len() } else { 0 }
    }

    /// `20 of 20 hooks`, or why there is none.
    pub fn lsm(&self) -> String {
        let all = PLACES.iter().filter(|place| place.kind == Kind::Lsm).count();
        match (self.runs, self.absent.first()) {
            (Runs::Yes, None) => format!("{all} of {all} hooks"),
            (Runs::Yes, Some(_)) => {
                format!("{} of {all} hooks; {}", self.held.len(), list(&self.absent))
            }
            (Runs::No, _) => no_lsm("its programs load and are never called: add `bpf` to `lsm=`"),
            (Runs::Unknown, absent) => no_lsm(absent.map_or("no hook answers", |(_, why)| why)),
        }
    }

    /// `on`, or why it is not.
    pub fn watch(&self) -> String {
        match self.unwatched.first() {
            None if self.ends_children => "on".to_owned(),
            None => "on, but this kernel (older than 6.13) cannot end a child that clone3 starts elsewhere: its parent is ended".to_owned(),
            Some(_) => format!("incomplete; {}", list(&self.unwatched)),
        }
    }
}

fn no_lsm(why: &str) -> String {
    format!("none ({why}): its paths are closed by `enforcer exec` only")
}

fn list(absent: &[(&'static str, String)]) -> String {
    let each: Vec<_> = absent.iter().map(|(name, why)| format!("not {name}: {why}")).collect();
    each.join("; ")
}
