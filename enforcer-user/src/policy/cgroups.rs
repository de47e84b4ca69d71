//! `cgroups`: which cgroups are the agent's.

use std::path::Path;

use enforcer_common::MAX_DEPTH;

use crate::config::source::Spot;
use crate::config::value::Value;
use crate::config::words::{Problem, quoted};
use crate::policy::AgentName;

/// Characters that make a component a glob.
const GLOB: [char; 8] = ['*', '?', '[', ']', '{', '}', '\\', '!'];

/// A cgroup pattern, relative to the cgroup2 mount, that is below the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(String);

// === impl Pattern ===

impl Pattern {
    /// A pattern as written.
    ///
    /// # Errors
    /// It is not a clean relative path strictly below `root`, too deep below
    /// it, or no valid glob.
    pub(super) fn parse(text: &str, root: &Path) -> Result<Self, Problem> {
        let bad = |why: String| Problem::new(format!("cgroup {} {why}", quoted(text)));
        let root = root.to_string_lossy();
        let example = || format!("write it relative to the cgroup2 mount: `{root}/name`");
        let clean =
            !text.contains('\0') && text.split('/').all(|part| !matches!(part, "" | "." | ".."));
        if !clean {
            return Err(bad("is not a clean relative path".into()).hint(example()));
        }
        let below = text.strip_prefix(&*root).and_then(|rest| rest.strip_prefix('/'));
        let below = below.ok_or_else(|| {
            bad(format!("is not below the enforced root `{root}`")).hint(example())
        })?;
        let depth = below.split('/').count();
        if depth > MAX_DEPTH as usize {
            let why = format!("is {depth} levels below the enforced root, more than {MAX_DEPTH}");
            return Err(bad(why).hint("a nested cgroup belongs to its agent: name the outer one"));
        }
        if below.contains("**") {
            let hint = "a nested cgroup belongs to its agent: `*` for one level is enough";
            return Err(bad("has `**`".into()).hint(hint));
        }
        globset::GlobBuilder::new(text).literal_separator(true).build().map_err(|error| {
            bad(format!("is not a valid glob: {}", error.kind())).hint("`*` matches one level")
        })?;
        Ok(Self(text.to_owned()))
    }

    /// The pattern as written.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// Whether it names exactly one cgroup.
    pub(super) fn is_literal(&self) -> bool {
        !self.0.contains(GLOB)
    }

    /// Whether a cgroup of `other` may be one of these, or lie inside one.
    /// Two globs that cannot be told apart by their ends count as meeting.
    pub(super) fn may_hold(&self, other: &Self) -> bool {
        let (outer, inner) = (self.0.split('/'), other.0.split('/'));
        outer.clone().count() <= inner.clone().count()
            && outer.zip(inner).all(|(a, b)| components_may_meet(a, b))
    }
}

fn components_may_meet(a: &str, b: &str) -> bool {
    match (a.contains(GLOB), b.contains(GLOB)) {
        (false, false) => a == b,
        (true, false) => glob_matches(a, b),
        (false, true) => glob_matches(b, a),
        (true, true) => ends_agree(a, b),
    }
}

fn glob_matches(glob: &str, name: &str) -> bool {
    globset::Glob::new(glob).is_ok_and(|glob| glob.compile_matcher().is_match(name))
}

fn ends_agree(a: &str, b: &str) -> bool {
    let head = |text: &str| text.split(GLOB).next().unwrap_or_default().to_owned();
    let tail = |text: &str| text.rsplit(GLOB).next().unwrap_or_default().to_owned();
    let (head_a, head_b, tail_a, tail_b) = (head(a), head(b), tail(a), tail(b));
    (head_a.starts_with(&head_b) || head_b.starts_with(&head_a))
        && (tail_a.ends_with(&tail_b) || tail_b.ends_with(&tail_a))
}

/// Reads `cgroups`.
pub(super) fn written(list: Value<'_>, root: &Path) -> Vec<(Pattern, Spot)> {
    let items = list.list().unwrap_or_default();
    let parsed = items.iter().map(|item| (item.parse(|text| Pattern::parse(text, root)), item));
    parsed.filter_map(|(pattern, item)| Some((pattern?, item.spot()))).collect()
}

/// `<root>/<agent>`, where the policy names none.
pub(super) fn default(agent: &AgentName, root: &Path, spot: Spot) -> Vec<(Pattern, Spot)> {
    vec![(Pattern(format!("{}/{agent}", root.to_string_lossy())), spot)]
}
