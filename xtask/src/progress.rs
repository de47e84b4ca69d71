//! What a person sees while something long runs: a spinner on a terminal,
//! plain lines anywhere else.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

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
        eprintln!("  {}: {outcome} in {:.1} s", self.title, self.started.elapsed().as_secs_f64());
    }
}

fn spinner(title: &str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_prefix(title.to_owned());
    let template = "  {spinner} {prefix} ({elapsed}) {wide_msg:.dim}";
    bar.set_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}
