//! `docs/PERFORMANCE.md`: what is between the marks is written by the bench,
//! the rest by people.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::report::Report;
use crate::{chart, table};

const BEGIN: &str = "<!-- written by `cargo xtask bench --write-docs` from here -->";
const END: &str = "<!-- to here -->";
const CHART: &str = "performance.svg";
/// What the file says where there is none yet.
const FRAME: &str =
    "# Performance\n\nWhat enforcement costs, measured, beside other firewalls.\n\n";

/// Writes the figures and the chart into this folder.
///
/// # Errors
/// The files cannot be written, or the marks are not there.
pub fn write(report: &Report, docs: &Path) -> Result<()> {
    let path = docs.join("PERFORMANCE.md");
    let old = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            format!("{FRAME}{BEGIN}\n{END}\n")
        }
        Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
    };
    let new = replaced(&old, &figures(report)).with_context(|| path.display().to_string())?;
    fs::write(docs.join(CHART), chart::svg(report)?).context("write the chart")?;
    fs::write(&path, new).with_context(|| format!("write {}", path.display()))
}

/// The text with `figures` between the marks.
fn replaced(text: &str, figures: &str) -> Result<String> {
    let Some((before, rest)) = text.split_once(BEGIN) else {
        bail!("the line `{BEGIN}` is missing");
    };
    let Some((_, after)) = rest.split_once(END) else {
        bail!("the line `{END}` is missing");
    };
    Ok(format!("{before}{BEGIN}\n{figures}{END}{after}"))
}

fn figures(report: &Report) -> String {
    let machine = &report.machine;
    let mitigations = if machine.mitigations.is_empty() {
        "none in effect".to_owned()
    } else {
        machine.mitigations.join("; ")
    };
    format!(
        "Measured on {date} with `{command}` in {seconds:.0} s.\n\n\
         | | |\n|---|---|\n| processor | {cpu}, {cpus} CPUs |\n| memory | {memory} MiB |\n\
         | kernel | Linux {kernel} |\n| mitigations | {mitigations} |\n\n\
         ![packets per CPU second over the size of the policy]({CHART})\n\n\
         ```text\n{table}```\n",
        date = machine.date,
        command = report.command,
        seconds = report.seconds,
        cpu = machine.cpu,
        cpus = machine.cpus,
        memory = machine.memory_mib,
        kernel = machine.kernel,
        table = table::of_report(report),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_stays() {
        let text = format!("# Title\n{BEGIN}\nold figures\n{END}\n## Why\n");
        let new = replaced(&text, "new figures\n").expect("marks are there");
        assert_eq!(new, format!("# Title\n{BEGIN}\nnew figures\n{END}\n## Why\n"));
        assert!(replaced("# Title\n", "x").is_err());
        assert!(replaced(BEGIN, "x").is_err());
    }

    #[test]
    fn the_first_writing_makes_text_and_chart_and_the_second_changes_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let report = crate::table::tests_report();
        write(&report, folder.path()).expect("written");
        let first = fs::read_to_string(folder.path().join("PERFORMANCE.md")).expect("readable");
        assert!(first.contains("cargo xtask bench") && first.contains("| processor |"));
        assert!(folder.path().join(CHART).is_file());
        write(&report, folder.path()).expect("written");
        let second = fs::read_to_string(folder.path().join("PERFORMANCE.md")).expect("readable");
        assert_eq!(first, second);
    }
}
