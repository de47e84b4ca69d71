//! Words that values are written in, and what to say when they are not.

use std::time::Duration;

/// What is wrong with a value, before its place is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, with the value.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Longest part of a value repeated in a message, in characters.
const MAX_QUOTED: usize = 80;

/// Longest duration accepted, in days.
const MAX_DAYS: u64 = 3650;

// === impl Problem ===

impl Problem {
    /// A problem without a hint yet.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// A value as a message repeats it: quoted, escaped, cut.
pub fn quoted(text: &str) -> String {
    let mut chars = text.chars();
    let start: String = chars.by_ref().take(MAX_QUOTED).collect();
    let more = if chars.next().is_some() { "…" } else { "" };
    format!("`{}{more}`", start.escape_debug().to_string().replace("\\\"", "\""))
}

/// "`x` is no known key", with the nearest known word or all of them.
pub fn one_of(what: &str, found: &str, known: &[&str]) -> Problem {
    let problem = Problem::new(format!("unknown {what} {}", quoted(found)));
    match nearest(found, known) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem.hint(format!("known: {}", known.join(", "))),
    }
}

/// The known word that `found` was most likely meant to be.
pub fn nearest<'k>(found: &str, known: &[&'k str]) -> Option<&'k str> {
    // Comparing costs the product of both lengths.
    if found.len() > 64 {
        return None;
    }
    let found = found.to_lowercase();
    let distance = |word: &str| strsim::osa_distance(&found, word);
    let best = known.iter().copied().min_by_key(|word| distance(word))?;
    (distance(best) <= 1 + best.len() / 4).then_some(best)
}

/// A word of a closed list.
///
/// # Errors
/// It is none of them.
pub fn word<T: Copy>(what: &str, text: &str, known: &[(&str, T)]) -> Result<T, Problem> {
    let found = known.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    let words: Vec<_> = known.iter().map(|(word, _)| *word).collect();
    found.ok_or_else(|| one_of(what, text, &words))
}

/// A duration such as `10s`, `5m`, `90d`: more than nothing, at most ten years.
///
/// # Errors
/// It is none.
pub fn duration(text: &str) -> Result<Duration, Problem> {
    let hint = "write a number and a unit: `10s`, `5m`, `2h`, `90d`";
    let parsed = humantime::parse_duration(text)
        .map_err(|_| Problem::new(format!("{} is not a duration", quoted(text))).hint(hint))?;
    let longest = Duration::from_secs(MAX_DAYS * 86_400);
    if parsed.is_zero() || parsed > longest {
        let problem = Problem::new(format!("{} is out of range", quoted(text)));
        return Err(problem.hint(format!("write more than nothing and at most `{MAX_DAYS}d`")));
    }
    Ok(parsed)
}

const SIZES: [(&str, u64); 3] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// A number of bytes such as `64MiB`.
///
/// # Errors
/// It is none.
pub fn size(text: &str) -> Result<u64, Problem> {
    let bytes = SIZES.iter().find_map(|(unit, bytes)| {
        text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*bytes)
    });
    bytes.ok_or_else(|| {
        Problem::new(format!("{} is not a size", quoted(text)))
            .hint("write a number and a unit: `512KiB`, `64MiB`, `4GiB`")
    })
}
