//! Printing for people and for programs.

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::cli::failure::Failure;

/// For whom to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// The `-o` of every command that prints.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct OutputArgs {
    /// Print a table for people or JSON for programs
    #[arg(short = 'o', long = "output", value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,
}

// === impl OutputArgs ===

impl OutputArgs {
    /// Prints `value` as JSON, or what `text` makes of the screen's width.
    pub(crate) fn print<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(Option<u16>) -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => print_json(value),
            Format::Table => print(&text(screen_width())),
        }
    }
}

/// Writes text to stdout, with a newline at the end.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{}", text.trim_end())?;
    Ok(stdout.flush()?)
}

fn print_json<T: Serialize>(value: &T) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| Failure::failed(format!("write the answer as JSON: {error}")))?;
    print(&text)
}

/// Columns of the terminal; `None` when stdout is none, and lines may be of
/// any length.
fn screen_width() -> Option<u16> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: TIOCGWINSZ writes one `winsize` to the pointer, which is valid
    // for the call.
    let rc = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    (rc == 0 && size.ws_col > 0).then_some(size.ws_col)
}

/// Columns side by side where they fit into `width`, else one block a row.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: &[[String; N]],
    width: Option<u16>,
) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let text = trim_lines(&table.to_string());
    let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    if width.is_none_or(|width| widest <= usize::from(width)) { text } else { blocks(header, rows) }
}

/// `NAME  value` lines, the second column aligned.
pub(crate) fn pairs(rows: &[(&str, String)]) -> String {
    let widest = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("{name:<widest$}  {value}\n")).collect()
}

fn blocks<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    let block = |row: &[String; N]| {
        let named: Vec<_> = header.into_iter().zip(row.iter().cloned()).collect();
        pairs(&named)
    };
    rows.iter().map(block).collect::<Vec<_>>().join("\n")
}

fn trim_lines(text: &str) -> String {
    text.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// Text that others chose (a process may name itself), made harmless for a
/// terminal: control characters are spelled out.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let spelled = c.is_control().then(|| c.escape_default());
            spelled.into_iter().flatten().chain((!c.is_control()).then_some(c))
        })
        .collect()
}

/// "1 agent", "2 agents".
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Names with commas between, or a dash.
pub(crate) fn list(names: &[String]) -> String {
    if names.is_empty() { "-".to_owned() } else { plain(&names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_that_does_not_fit_becomes_blocks() {
        let rows = [["a".to_owned(), "long enough".to_owned()], ["b".to_owned(), "-".to_owned()]];
        assert_eq!(table(["X", "WHAT"], &rows, Some(14)), "X  WHAT\na  long enough\nb  -\n");
        let blocks = "X     a\nWHAT  long enough\n\nX     b\nWHAT  -\n";
        assert_eq!(table(["X", "WHAT"], &rows, Some(13)), blocks);
    }

    #[test]
    fn a_process_cannot_send_control_characters_to_the_terminal() {
        assert_eq!(plain("a\x1b[2Jb\n\u{9b}"), "a\\u{1b}[2Jb\\n\\u{9b}");
        assert_eq!(plain("naïve-агент"), "naïve-агент");
    }
}
