//! Foreign text made fit for logs: a provider may quote the token it was sent.

use secrecy::{ExposeSecret, SecretString};

/// Longest error text that is kept, in characters.
const MAX_TEXT: usize = 300;

/// Replaces every occurrence of each secret, plain and form-encoded, then cuts
/// to 300 characters: in this order, or a cut could leave half a secret.
pub(super) fn clean(text: &str, secrets: &[&SecretString]) -> String {
    let text = secrets.iter().fold(text.to_owned(), |text, secret| match secret.expose_secret() {
        "" => text,
        secret => text.replace(secret, "[redacted]").replace(&encoded(secret), "[redacted]"),
    });
    let mut cut: String = text.chars().take(MAX_TEXT).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

/// On one line, without control characters.
pub(super) fn quote(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.trim().to_owned()
}

/// As it stands in a form (`application/x-www-form-urlencoded`).
pub(super) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_secrets_are_replaced() {
        let (a, b) = (SecretString::from("tok/1"), SecretString::from(""));
        assert_eq!(clean("bad tok/1, tok%2F1!", &[&a, &b]), "bad [redacted], [redacted]!");
    }

    #[test]
    fn a_cut_leaves_no_half_secret() {
        let secret = SecretString::from("s3cret-s3cret");
        let text = format!("{}s3cret-s3cret{}", "x".repeat(MAX_TEXT - 12), "y".repeat(99));
        let cleaned = clean(&text, &[&secret]);
        assert!(!cleaned.contains("s3c") && cleaned.chars().count() == MAX_TEXT + 1, "{cleaned}");
    }

    #[test]
    fn foreign_text_cannot_forge_log_lines() {
        assert_eq!(quote("a\nERROR b\x1b[31m"), "a ERROR b [31m");
    }
}
