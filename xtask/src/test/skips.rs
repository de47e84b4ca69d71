//! A skipped test is legal only where the kernel lacks what it tests, or the
//! guest the peer it needs; `tests/allowed-skips.txt` names each with its reason.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::test::libtest::Outcome;
use crate::test::tier::Tier;
use crate::workspace::Workspace;

/// The list, one entry a line: `TIER TEST JUSTIFICATION`.
const LIST: &str = "tests/allowed-skips.txt";

struct Entry {
    tier: String,
    test: String,
    justification: String,
}

/// Marks the skips that the list allows; each other one becomes a failure.
pub(crate) fn judge(workspace: &Workspace, tier: Tier, outcome: &mut Outcome) -> Result<()> {
    let path = workspace.root().join(LIST);
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let entries = parse(&text)?;
    apply(&entries, tier, outcome);
    Ok(())
}

fn apply(entries: &[Entry], tier: Tier, outcome: &mut Outcome) {
    for skip in &mut outcome.skipped {
        let entry =
            entries.iter().find(|entry| entry.tier == tier.to_string() && entry.test == skip.test);
        skip.allowed = entry.map(|entry| entry.justification.clone());
        if entry.is_none() {
            outcome.failed.push(format!(
                "{}: skipped ({}), which {LIST} does not allow",
                skip.test, skip.reason
            ));
        }
    }
}

fn parse(text: &str) -> Result<Vec<Entry>> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| entry(number, line))
        .collect()
}

fn entry(number: usize, line: &str) -> Result<Entry> {
    let mut words = line.splitn(3, ' ');
    let (Some(tier), Some(test), Some(justification)) = (words.next(), words.next(), words.next())
    else {
        bail!("{LIST}:{number}: wanted `TIER TEST JUSTIFICATION`, found `{line}`");
    };
    Ok(Entry {
        tier: tier.to_owned(),
        test: test.to_owned(),
        justification: justification.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test::libtest::Skip;

    fn skipped(test: &str) -> Outcome {
        let skip = Skip { test: test.to_owned(), reason: "r".to_owned(), allowed: None };
        Outcome { passed: 0, failed: Vec::new(), skipped: vec![skip] }
    }

    #[test]
    fn a_listed_skip_is_explained_and_an_unlisted_one_fails() {
        let entries = parse("# why\nvm a 6.1 has no such hook\n").expect("a good list");
        let (mut listed, mut unlisted, mut elsewhere) = (skipped("a"), skipped("b"), skipped("a"));
        apply(&entries, Tier::Vm, &mut listed);
        apply(&entries, Tier::Vm, &mut unlisted);
        apply(&entries, Tier::Lab, &mut elsewhere);
        assert_eq!(listed.skipped[0].allowed.as_deref(), Some("6.1 has no such hook"));
        assert!(listed.failed.is_empty());
        assert_eq!((unlisted.failed.len(), elsewhere.failed.len()), (1, 1));
    }

    #[test]
    fn an_entry_without_a_justification_is_refused() {
        let error = parse("vm a").err().map(|error| error.to_string());
        assert_eq!(
            error.as_deref(),
            Some("tests/allowed-skips.txt:1: wanted `TIER TEST JUSTIFICATION`, found `vm a`")
        );
    }
}
