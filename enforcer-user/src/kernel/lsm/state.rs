//! The layer in words for `status`.

use super::hooks::{Kind, PLACES, Place};
use super::means::Means;

/// What of the layer holds on this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerState {
    held: Vec<&'static str>,
    absent: Vec<(&'static str, String)>,
    unwatched: Vec<(&'static str, String)>,
    ends_children: bool,
    means: Result<Means, String>,
}

// === impl LayerState ===

impl LayerState {
    pub(super) fn new(
        held: impl Iterator<Item = Place>,
        absent: Vec<(Place, String)>,
        means: Result<Means, String>,
        ends_children: bool,
    ) -> Self {
        let held: Vec<_> = held.collect();
        let names = |absent: &[(Place, String)], kind| {
            let of_kind = absent.iter().filter(|(place, _)| place.kind == kind);
            of_kind.map(|(place, why)| (place.name, why.clone())).collect()
        };
        Self {
            held: held.iter().filter(|p| p.kind == Kind::Hook).map(|p| p.name).collect(),
            absent: names(&absent, Kind::Hook),
            unwatched: names(&absent, Kind::Tracepoint),
            ends_children,
            means,
        }
    }

    /// Whether calls are refused by this layer.
    pub fn refuses(&self) -> bool {
        self.means.is_ok()
    }

    /// Whether connections and datagrams to Unix sockets are judged by the
    /// cgroup of the peer.
    pub fn judges_unix(&self) -> bool {
        let holds = |name: &str| self.held.contains(&name);
        self.refuses() && holds("unix_stream_connect") && holds("unix_may_send")
    }

    /// `28 of 28 hooks by BPF LSM`, likewise by fmod_ret, or why there is none.
    pub fn security(&self) -> String {
        let all = PLACES.iter().filter(|place| place.kind == Kind::Hook).count();
        match &self.means {
            Ok(means) => {
                let missing: String = self.absent.iter().map(not).collect();
                format!("{} of {all} hooks by {means}{missing}", self.held.len())
            }
            Err(why) => {
                format!("none ({why}): what they refuse is closed by `enforcer exec` only")
            }
        }
    }

    /// `on`, or why it is not.
    pub fn watch(&self) -> String {
        match self.unwatched.first() {
            None if self.ends_children => "on".to_owned(),
            None => "on, but this kernel (older than 6.13) cannot end a child that clone3 starts elsewhere: its parent is ended".to_owned(),
            Some(_) => {
                let missing: String = self.unwatched.iter().map(not).collect();
                format!("incomplete{missing}")
            }
        }
    }
}

fn not((name, why): &(&'static str, String)) -> String {
    format!("; not {name}: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(means: Result<Means, String>, absent: Vec<(Place, String)>) -> String {
        let held = PLACES.into_iter().filter(|p| !absent.iter().any(|(a, _)| a.name == p.name));
        let held: Vec<_> = held.collect();
        LayerState::new(held.into_iter(), absent, means, true).security()
    }

    #[test]
    fn status_says_by_which_means_the_hooks_hold() {
        assert_eq!(said(Ok(Means::Lsm), vec![]), "28 of 28 hooks by BPF LSM");
        assert_eq!(said(Ok(Means::ModifyReturn), vec![]), "28 of 28 hooks by fmod_ret");
    }

    #[test]
    fn a_hook_that_is_missing_is_named_with_its_reason() {
        let absent = vec![(PLACES[0], "no such function".to_owned())];
        let text = said(Ok(Means::ModifyReturn), absent);
        assert_eq!(text, "27 of 28 hooks by fmod_ret; not bpf: no such function");
    }

    #[test]
    fn without_any_means_nothing_is_refused_and_the_reason_is_said() {
        let text = said(Err("BPF LSM: refused; fmod_ret: refused".to_owned()), vec![]);
        assert!(text.starts_with("none (BPF LSM: refused; fmod_ret: refused)"), "{text}");
        let state = LayerState::new(PLACES.into_iter(), vec![], Err(String::new()), true);
        assert!(!state.refuses() && !state.judges_unix());
    }
}
