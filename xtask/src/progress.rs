//! What a person sees while something long runs: a spinner on a terminal,
//! plain lines anywhere else.

use std::io::IsTerminal;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Steps that run side by side have a line each.
static LINES: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// One long step.
pub(crate) struct Progress {
    title: String,
    started: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(crate) fn start(title: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| spinner(title));
        if bar.is_none() {
            eprintln!("  {title} …");
        }
        Self { title: title.to_owned(), started: Instant::now(), bar }
    }

    /// The newest line of the running command.
    pub(crate) fn line(&self, text: &str) {
        if let (Some(bar), false) = (&self.bar, text.is_empty()) {
            bar.set_message(text.to_owned());
        }
    }

    pub(crate) fn finish(self, success: bool) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let outcome = if success { "done" } else { "FAILED" };
        let seconds = self.started.elapsed().as_secs_f64();
        LINES.suspend(|| eprintln!("  {}: {outcome} in {seconds:.1} s", self.title));
    }
}

fn spinner(title: &str) -> ProgressBar {
    let bar = LINES.add(ProgressBar::new_spinner().with_prefix(title.to_owned()));
    let template = "  {spinner} {prefix} ({elapsed}) {wide_msg:.dim}";
    bar.set_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
