//! Foreign text made fit for logs: a provider may quote the token it was sent.

use secrecy::{ExposeSecret, SecretString};

/// Longest piece of foreign text that is kept, in characters.
const MAX_QUOTE: usize = 200;

/// Replaces every occurrence of each secret.
pub(super) fn redact(text: &str, secrets: &[&SecretString]) -> String {
    secrets.iter().fold(text.to_owned(), |text, secret| match secret.expose_secret() {
        "" => text,
        secret => text.replace(secret, "[redacted]"),
    })
}

/// One line, no control characters, at most 200 characters.
pub(super) fn quote(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut quoted: String = plain.clone().take(MAX_QUOTE).collect();
    if plain.count() > MAX_QUOTE {
        quoted.push('…');
    }
    quoted.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_secrets_are_replaced() {
        let (a, b) = (SecretString::from("tok-1"), SecretString::from(""));
        assert_eq!(redact("bad tok-1, tok-1!", &[&a, &b]), "bad [redacted], [redacted]!");
    }

    #[test]
    fn foreign_text_cannot_forge_log_lines() {
        assert_eq!(quote("a\nERROR b\x1b[31m"), "a ERROR b [31m");
        assert_eq!(quote(&"é".repeat(300)).chars().count(), MAX_QUOTE + 1);
    }
}
