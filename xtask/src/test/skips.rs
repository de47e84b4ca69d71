//! A skipped test is legal only where the kernel lacks what it tests, or the
//! guest the peer it needs; `tests/allowed-skips.txt` names each with its reason.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::test::libtest::Outcome;
use crate::test::place::{Place, Places};
use crate::workspace::Workspace;

/// The list, one entry a line: `PLACE TEST JUSTIFICATION`, where the place is a
/// tier or, as `vm<6.7`, the virtual machine with an older kernel than that.
const LIST: &str = "tests/allowed-skips.txt";

struct Entry {
    places: Places,
    test: String,
    justification: String,
}

/// Marks the skips that the list allows; each other one becomes a failure.
pub(crate) fn judge(workspace: &Workspace, place: Place, outcome: &mut Outcome) -> Result<()> {
    let path = workspace.root().join(LIST);
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let entries = parse(&text)?;
    apply(&entries, place, outcome);
    Ok(())
}

fn apply(entries: &[Entry], place: Place, outcome: &mut Outcome) {
    for skip in &mut outcome.skipped {
        let entry =
            entries.iter().find(|entry| entry.places.contains(place) && entry.test == skip.test);
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
    let (Some(place), Some(test), Some(justification)) = (words.next(), words.next(), words.next())
    else {
        bail!("{LIST}:{number}: wanted `PLACE TEST JUSTIFICATION`, found `{line}`");
    };
    let Some(places) = Places::parse(place) else {
        bail!("{LIST}:{number}: `{place}` is neither a tier nor like `vm<6.7`");
    };
    Ok(Entry { places, test: test.to_owned(), justification: justification.to_owned() })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::setup::kernels::Version;
    use crate::test::libtest::Skip;
    use crate::test::tier::Tier;

    fn skipped(test: &str) -> Outcome {
        let skip = Skip { test: test.to_owned(), reason: "r".to_owned(), allowed: None };
        Outcome { passed: 0, failed: Vec::new(), skipped: vec![skip] }
    }

    fn guest(version: &str) -> Place {
        Place { kernel: Version::parse(version), ..Tier::Vm.into() }
    }

    #[test]
    fn a_listed_skip_is_explained_and_an_unlisted_one_fails() {
        let entries = parse("# why\nvm<6.7 a no connect_unix\n").expect("a good list");
        let (mut listed, mut unlisted) = (skipped("a"), skipped("b"));
        apply(&entries, guest("6.1"), &mut listed);
        apply(&entries, guest("6.1"), &mut unlisted);
        assert_eq!(listed.skipped[0].allowed.as_deref(), Some("no connect_unix"));
        assert_eq!((listed.failed.len(), unlisted.failed.len()), (0, 1));
    }

    #[test]
    fn a_skip_is_a_failure_on_a_kernel_that_is_not_too_old() {
        let entries = parse("vm<6.7 a no connect_unix\n").expect("a good list");
        for place in [guest("6.12"), Tier::Lab.into()] {
            let mut outcome = skipped("a");
            apply(&entries, place, &mut outcome);
            assert_eq!(outcome.failed.len(), 1, "{place}");
        }
    }

    #[test]
    fn each_test_that_needs_the_security_hooks_may_be_skipped_on_a_host() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let list = fs::read_to_string(root.join(LIST)).expect("the list");
        let entries = parse(&list).expect("a good list");
        let mut found = 0;
        for file in fs::read_dir(root.join("tests/tests")).expect("the tests") {
            let source = fs::read_to_string(file.expect("an entry").path()).expect("its source");
            for test in source.split("\n}\n").filter(|test| test.contains("needs_lsm(TEST")) {
                let name = test.split("const TEST: &str = \"").nth(1);
                let name = name.and_then(|rest| rest.split('"').next()).expect("its name");
                let mut outcome = skipped(name);
                apply(&entries, Tier::Lab.into(), &mut outcome);
                assert_eq!(outcome.failed, [""; 0]);
                found += 1;
            }
        }
        assert!(found > 5, "{found}");
    }

    #[test]
    fn an_entry_without_a_justification_is_refused() {
        let error = parse("vm a").err().map(|error| error.to_string());
        assert_eq!(
            error.as_deref(),
            Some("tests/allowed-skips.txt:1: wanted `PLACE TEST JUSTIFICATION`, found `vm a`")
        );
    }
}
