//! The checks as text.

use crate::cli::doctor::{Check, State};

/// Wrapped at this column where the terminal is wider or there is none.
const WIDEST: usize = 100;

pub(super) fn render(checks: &[Check], can_enforce: bool, width: Option<u16>) -> String {
    let width = width.map_or(WIDEST, |width| usize::from(width).min(WIDEST));
    let lines: String = checks.iter().map(|check| block(check, width)).collect();
    let verdict = if can_enforce {
        "This host can enforce."
    } else {
        "This host CANNOT enforce: see the lines marked missing."
    };
    format!("{lines}\n{verdict}\n")
}

/// `STATE  NAME: FOUND`, then what it costs and what to do, indented.
fn block(check: &Check, width: usize) -> String {
    let state = match check.state {
        State::Ok => "ok",
        State::Degraded => "degraded",
        State::Missing => "missing",
    };
    let mut text = wrap(&format!("{}: {}", check.name, check.found), state, width);
    for (label, sentence) in [("  costs", &check.cost), ("  do", &check.remedy)] {
        if let Some(sentence) = sentence {
            text += &wrap(sentence, label, width);
        }
    }
    text
}

/// Words after a label of ten columns, going on below themselves.
fn wrap(text: &str, label: &str, width: usize) -> String {
    let room = width.saturating_sub(10).max(20);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let labels = [label].into_iter().chain(std::iter::repeat(""));
    labels.zip(lines).map(|(label, line)| format!("{label:<10}{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks() -> Vec<Check> {
        vec![
            Check::ok("kernel", "6.18.5 (6.1 or newer is needed)"),
            Check::missing("bpffs", "/sys/fs/bpf is not a BPF file system")
                .cost("what is enforced would end with the daemon")
                .remedy("mount -t bpf bpf /sys/fs/bpf"),
            Check::degraded("BPF LSM", "does not load: Operation not permitted")
                .cost("packet sockets and other address families stay open to an agent that keeps its capabilities")
                .remedy("start agents with `enforcer exec`, which takes them"),
        ]
    }

    #[test]
    fn the_report_fits_into_80_columns() {
        let text = render(&checks(), false, Some(80));
        assert!(text.lines().all(|line| line.len() <= 80), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn the_report_is_readable_in_40_columns() {
        insta::assert_snapshot!(render(&checks()[..1], true, Some(40)));
    }
}
