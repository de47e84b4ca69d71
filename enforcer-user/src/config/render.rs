//! Diagnostics for people: `file:line:col`, the offending line, a hint.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

use crate::config::diagnostic::{Diagnostic, Diagnostics};

/// More errors than this are only counted.
const MAX_SHOWN: usize = 200;

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl Diagnostics {
    /// As text; `colour` for terminals that want it.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut shown: Vec<_> =
            self.iter().take(MAX_SHOWN).map(|one| renderer.render(&one.groups())).collect();
        if let Some(more) = self.len().checked_sub(MAX_SHOWN).filter(|more| *more > 0) {
            shown.push(format!("error: and {more} more errors"));
        }
        shown.join("\n\n")
    }

    /// As a JSON list, for `-o json`.
    pub fn to_json(&self) -> Value {
        self.iter().map(Diagnostic::to_json).collect()
    }
}

impl Diagnostic {
    fn to_json(&self) -> Value {
        let other = self.other.as_ref().map(|other| {
            json!({
                "message": other.message, "file": other.file.to_string_lossy(),
                "line": other.line, "col": other.col, "excerpt": other.excerpt,
            })
        });
        json!({
            "file": self.file.as_ref().map(|file| file.to_string_lossy()),
            "line": self.line, "col": self.col, "span": [self.span.start, self.span.end],
            "message": self.message, "hint": self.hint, "excerpt": self.excerpt, "other": other,
        })
    }

    fn groups(&self) -> Vec<Group<'_>> {
        let mut group = Group::with_title(Level::ERROR.primary_title(&self.message));
        if let Some(file) = &self.file {
            let path = file.to_string_lossy().into_owned();
            group = match &self.excerpt {
                Some(text) => group.element(snippet(path, self.line, text, &self.mark, None)),
                None => group.element(origin(path, self.line, self.col)),
            };
        }
        if let Some(other) = &self.other {
            let path = other.file.to_string_lossy().into_owned();
            let label = Some(other.message.as_str());
            group = group.element(snippet(path, other.line, &other.excerpt, &other.mark, label));
        }
        if let Some(hint) = &self.hint {
            group = group.element(Level::HELP.message(hint));
        }
        vec![group]
    }
}

fn snippet<'a>(
    path: String,
    line: u32,
    text: &'a str,
    mark: &Range<usize>,
    label: Option<&'a str>,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let kind = if label.is_some() { AnnotationKind::Context } else { AnnotationKind::Primary };
    Snippet::source(text)
        .path(path)
        .line_start(line as usize)
        .annotation(kind.span(mark.clone()).label(label))
}

fn origin(path: String, line: u32, col: u32) -> Origin<'static> {
    let origin = Origin::path(path);
    if line == 0 {
        return origin;
    }
    let origin = origin.line(line as usize);
    if col == 0 { origin } else { origin.char_column(col as usize) }
}
