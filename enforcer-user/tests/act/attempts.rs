//! One attempt, and the word for its outcome.

use enforcer_user::act::outbox::Row;
use enforcer_user::act::revoke::{Job, Outcome, attempt, client};
use enforcer_user::policy::Credential;
use secrecy::SecretString;

use crate::inventory::TOKEN;

pub(crate) async fn attempted(credential: &Credential, row: &Row, asked_before: bool) -> Outcome {
    let token = SecretString::from(TOKEN);
    let job = Job { row, credential, secret: Some(&token), asked_before };
    attempt(&client().expect("a client"), job).await
}

pub(crate) fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Done(_) => "done",
        Outcome::Retry { .. } => "retry",
        Outcome::Fail { .. } => "fail",
    }
}
