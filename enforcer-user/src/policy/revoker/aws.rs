//! `via = "aws-iam"`.

use super::fields::{endpoint, id, optional_id};
use super::types::{AwsIam, AwsKey, AwsTarget, Revoker};
use crate::config::reader::Table;
use crate::config::words::Problem;
use crate::policy::secret::secret;

/// <https://docs.aws.amazon.com/general/latest/gr/iam-service.html>
const PUBLIC: &str = "https://iam.amazonaws.com";
/// IAM has one control plane a partition; that of the public one signs so.
const REGION: &str = "us-east-1";

const KEYS: &[&str] = &[
    "via",
    "endpoint",
    "region",
    "user",
    "key_id",
    "role",
    "access_key_id",
    "secret_access_key",
    "session_token",
];
const WHAT: &str = "an access key is named by `user` and `key_id`, a role's sessions by `role`";

pub(super) fn read(table: &Table<'_>) -> Option<Revoker> {
    table.only(KEYS);
    let endpoint = endpoint(table, PUBLIC);
    let region = optional_id(table, "region", "such as `us-gov-west-1`");
    let target = target(table);
    let key = own_key(table);
    Some(Revoker::AwsIam(AwsIam {
        endpoint: endpoint?,
        region: region?.unwrap_or_else(|| REGION.into()),
        key: key?,
        target: target?,
    }))
}

fn target(table: &Table<'_>) -> Option<AwsTarget> {
    let given = |key| table.get(key).is_some();
    match (given("role"), given("user") || given("key_id")) {
        (true, false) => id(table, "role", "the role's name, not its ARN").map(AwsTarget::Role),
        (false, true) => {
            let user = id(table, "user", "the name of the user whose key it is");
            let key_id = id(table, "key_id", "the access key id that is killed: `AKIA…`");
            Some(AwsTarget::Key { user: user?, key_id: key_id? })
        }
        (true, true) => {
            table.error(Problem::new("`role` is given beside a user's key").hint(WHAT));
            None
        }
        (false, false) => {
            table.error(Problem::new("nothing says what AWS is to kill").hint(WHAT));
            None
        }
    }
}

fn own_key(table: &Table<'_>) -> Option<AwsKey> {
    let id = id(table, "access_key_id", "the enforcer's own access key id");
    let secret_key = secret(table, "secret_access_key");
    let session = match table.get("session_token") {
        Some(_) => secret(table, "session_token").map(Some),
        None => Some(None),
    };
    Some(AwsKey { id: id?, secret: secret_key?, session: session? })
}
