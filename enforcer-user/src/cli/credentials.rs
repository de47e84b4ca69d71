//! `enforcer credentials`.

use std::path::Path;

use time::OffsetDateTime;

use crate::cli::client::{self, Client};
use crate::cli::failure::Failure;
use crate::cli::output::{OutputArgs, list, plain, table};
use crate::cli::{settings, when};
use crate::daemon::protocol::{CredentialStatus, Reply, Request};

const HEADER: [&str; 7] =
    ["CREDENTIAL", "HELD BY", "STATE", "AGE", "ROTATE", "EXPIRES", "REVOKED BY"];

pub(crate) fn run(config: Option<&Path>, output: OutputArgs) -> Result<(), Failure> {
    let settings = settings::load(config)?;
    let reply = Client::connect(&settings.control_socket)?.ask(&Request::Credentials)?;
    let Reply::Credentials { credentials } = &reply else {
        return Err(client::unexpected(&reply));
    };
    output.print(credentials, |width| render(credentials, width, OffsetDateTime::now_utc()))
}

fn render(credentials: &[CredentialStatus], width: Option<u16>, now: OffsetDateTime) -> String {
    if credentials.is_empty() {
        return "no credential is in the inventory: none can be revoked\n".to_owned();
    }
    let rows: Vec<_> = credentials.iter().map(|credential| row(credential, now)).collect();
    table(HEADER, &rows, width)
}

fn row(credential: &CredentialStatus, now: OffsetDateTime) -> [String; 7] {
    [
        plain(&credential.credential),
        list(&credential.agents),
        plain(&credential.state),
        credential.age_seconds.map_or("-".to_owned(), |seconds| days(seconds / 86_400)),
        rotate(credential),
        expires(credential, now),
        credential.revoker.as_deref().map_or("nothing".to_owned(), plain),
    ]
}

fn rotate(credential: &CredentialStatus) -> String {
    match credential.rotate_in_days {
        None => "-".to_owned(),
        Some(left) if left < 0 => format!("{} OVERDUE", days(left.saturating_neg())),
        Some(left) => format!("in {}", days(left)),
    }
}

fn expires(credential: &CredentialStatus, now: OffsetDateTime) -> String {
    match credential.expires {
        None => "-".to_owned(),
        Some(end) if end <= now => "EXPIRED".to_owned(),
        Some(end) => when::day(end),
    }
}

fn days(days: i64) -> String {
    format!("{days}d")
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-11-22 10:00 UTC);

    fn credentials() -> Vec<CredentialStatus> {
        let hubspot = CredentialStatus {
            credential: "hubspot-crm".into(),
            agents: vec!["lead-enricher".into()],
            kind: "oauth2".into(),
            state: "active".into(),
            age_seconds: Some(52 * 86_400 + 5),
            rotate_in_days: Some(38),
            expires: Some(datetime!(2026-12-31 0:00 UTC)),
            last_used: None,
            revoker: Some("oauth2".into()),
        };
        let key = CredentialStatus {
            credential: "mail-key".into(),
            state: "revocation-failed".into(),
            rotate_in_days: Some(-3),
            expires: Some(NOW),
            revoker: None,
            ..hubspot.clone()
        };
        vec![hubspot, key]
    }

    #[test]
    fn credentials_have_a_line_each() {
        insta::assert_snapshot!(render(&credentials(), Some(100), NOW));
    }

    #[test]
    fn credentials_are_readable_in_40_columns() {
        let text = render(&credentials(), Some(40), NOW);
        assert!(text.lines().all(|line| line.len() <= 40), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn an_empty_inventory_is_said_in_words() {
        insta::assert_snapshot!(render(&[], Some(80), NOW));
    }
}
