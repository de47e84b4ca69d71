//! Foreign text made fit for logs: a provider may quote the token it was sent.

use secrecy::{ExposeSecret, SecretString};

/// Longest error text that is kept, in characters.
const MAX_TEXT: usize = 300;

/// Replaces every occurrence of each secret, plain and form-encoded, what an
/// `Authorization` header holds, and every signed token, then cuts to 300 characters: in this order, or a cut could
/// leave half a secret.
pub(super) fn clean(text: &str, secrets: &[&SecretString]) -> String {
    let text = secrets.iter().fold(text.to_owned(), |text, secret| match secret.expose_secret() {
        "" => text,
        secret => text.replace(secret, "[redacted]").replace(&encoded(secret), "[redacted]"),
    });
    let text = without_jwt(&without_authorization(&text));
    let mut cut: String = text.chars().take(MAX_TEXT).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut
}

/// Basic authentication is base64, in which no secret is found (RFC 7617).
fn without_authorization(text: &str) -> String {
    let mut after_scheme = false;
    let word = |word: &str| {
        let hide = std::mem::replace(&mut after_scheme, matches!(word, "Basic " | "Bearer "));
        let end = word.trim_end().len();
        if hide { format!("[redacted]{}", &word[end..]) } else { word.to_owned() }
    };
    text.split_inclusive(char::is_whitespace).map(word).collect()
}

/// A JSON object in base64url begins with `eyJ`, so every JWT does (RFC 7515,
/// section 3.1). Ours are made anew for each call, so they are known by shape.
fn without_jwt(text: &str) -> String {
    let outside = |c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c));
    let word = |word: &str| {
        let end = word.find(outside).unwrap_or(word.len());
        if word.starts_with("eyJ") {
            format!("[redacted]{}", &word[end..])
        } else {
            word.to_owned()
        }
    };
    text.split_inclusive(outside).map(word).collect()
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
    fn signed_tokens_are_known_by_their_shape() {
        let text = "assertion eyJhbGciOi.eyJpc3Mi.c2ln, replayed";
        assert_eq!(clean(text, &[]), "assertion [redacted], replayed");
        assert_eq!(clean("jwt=eyJhbGciOi.eyJpc3Mi.c2ln", &[]), "jwt=[redacted]");
    }

    #[test]
    fn what_authorizes_is_not_repeated() {
        let text = "Authorization: Basic YTpi is wrong, Bearer x";
        assert_eq!(clean(text, &[]), "Authorization: Basic [redacted] is wrong, Bearer [redacted]");
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
