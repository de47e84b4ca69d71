//! Fakes of the providers' APIs, each with one credential: they replay the
//! documented answers. Sources stand in `src/act/revoke/providers/`.

use std::path::Path;

use enforcer_user::policy::{
    Anthropic, AwsIam, AwsKey, AwsTarget, ClientAuth, Gcp, GitHub, GitLab, OpenAi, Revoker, Slack,
    Vault, VaultTarget,
};

use crate::fakes::{Asked, answer, json};
use crate::inventory::{CLIENT_SECRET, TOKEN, oauth2, secret};

/// A key that guards nothing.
pub(crate) const RSA: &str = include_str!("no-secret-rsa.pem");
/// A token that GitHub gives to an installation.
const INSTALLATION: &str = "ghs_no-such-token-8f3a";

/// The life of a fake's one credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FakeLife {
    Active,
    Disabled,
    Dead,
}

/// A provider, as the contract sees it.
pub(crate) struct FakeApi {
    pub(crate) name: &'static str,
    /// The credential's secret.
    pub(crate) token: &'static str,
    /// The enforcer's own secret there, if it has one.
    pub(crate) own: &'static str,
    /// The revoker for this fake, at this address.
    pub(crate) revoker: fn(&Path, &str) -> Revoker,
    /// Whether this is a call that kills.
    pub(crate) kills: fn(&Asked) -> bool,
    /// The documented answer, and what it does to the credential.
    pub(crate) answers: fn(&mut FakeLife, &Asked) -> Vec<u8>,
    /// An error body of this provider, with this text.
    pub(crate) error: fn(&str) -> String,
}

pub(crate) const ALL: &[FakeApi] = &[
    FakeApi {
        name: "oauth2",
        token: TOKEN,
        own: CLIENT_SECRET,
        revoker: oauth2,
        kills: |asked| asked.path == "/revoke",
        answers: token_server,
        error: |text| format!(r#"{{"error":"x","error_description":{text:?}}}"#),
    },
    FakeApi {
        name: "oauth2 with a private key",
        token: TOKEN,
        own: "",
        revoker: |dir, base| {
            let Revoker::OAuth2 { endpoint, introspect, client_id, .. } = oauth2(dir, base) else {
                unreachable!("it is one")
            };
            let key = secret(dir, "key.pem", RSA);
            let audience = "https://issuer.example".into();
            let client_auth = ClientAuth::PrivateKey { key, key_id: Some("k1".into()), audience };
            Revoker::OAuth2 { endpoint, introspect, client_id, client_auth }
        },
        kills: |asked| asked.path == "/revoke",
        answers: token_server,
        error: |text| format!(r#"{{"error":"x","error_description":{text:?}}}"#),
    },
    FakeApi {
        name: "vault lease",
        token: TOKEN,
        own: CLIENT_SECRET,
        revoker: |dir, base| {
            vault(dir, base, VaultTarget::Lease(secret(dir, "lease", "database/creds/a/1")))
        },
        kills: |asked| asked.path.contains("/revoke"),
        answers: vault_server,
        error: vault_error,
    },
    FakeApi {
        name: "vault prefix",
        token: TOKEN,
        own: CLIENT_SECRET,
        revoker: |dir, base| vault(dir, base, VaultTarget::Prefix("database/creds/a".into())),
        kills: |asked| asked.path.contains("/revoke"),
        answers: vault_server,
        error: vault_error,
    },
    FakeApi {
        name: "vault accessor",
        token: TOKEN,
        own: CLIENT_SECRET,
        revoker: |dir, base| {
            vault(dir, base, VaultTarget::Accessor(secret(dir, "accessor", "acc3ss0r-1")))
        },
        kills: |asked| asked.path.contains("/revoke"),
        answers: vault_server,
        error: vault_error,
    },
    FakeApi {
        name: "aws access key",
        token: TOKEN,
        own: CLIENT_SECRET,
        revoker: |dir, base| {
            aws(dir, base, AwsTarget::Key { user: "agent".into(), key_id: "AKIAKILLED".into() })
        },
        kills: |asked| !asked.body.contains("Action=ListAccessKeys"),
        answers: aws_keys,
        error: aws_error,
    },
    FakeApi {
        name: "aws role sessions",
        token: TOKEN,
        own: CLIENT_SECRET,
        revoker: |dir, base| aws(dir, base, AwsTarget::Role("agent-role".into())),
        kills: |asked| asked.body.contains("Action=PutRolePolicy"),
        answers: aws_roles,
        error: aws_error,
    },
    FakeApi {
        name: "gcp",
        token: TOKEN,
        own: "ya29.t",
        revoker: |dir, base| {
            let file = serde_json::json!({ "type": "service_account", "private_key": RSA,
                "private_key_id": "k1", "client_email": "enforcer@p.example" });
            Revoker::Gcp(Gcp {
                endpoint: base.into(),
                token_endpoint: format!("{base}/token"),
                service_account: "agent@p.iam.gserviceaccount.com".into(),
                key_id: "0a1b2c".into(),
                credentials: secret(dir, "gcp.json", &file.to_string()),
            })
        },
        kills: |asked| asked.method == "DELETE" || asked.path.ends_with(":disable"),
        answers: gcp_server,
        error: |text| format!(r#"{{"error":{{"code":1,"message":{text:?},"status":"X"}}}}"#),
    },
    FakeApi {
        name: "github by anybody",
        token: TOKEN,
        own: "",
        revoker: |_, base| Revoker::GitHub(GitHub { endpoint: base.into(), app: None }),
        kills: |asked| asked.path != "/rate_limit",
        answers: github_server,
        error: message,
    },
    FakeApi {
        name: "github by the app",
        token: TOKEN,
        own: CLIENT_SECRET,
        revoker: |dir, base| {
            let app = Some(("Iv1.app".into(), secret(dir, "app", CLIENT_SECRET)));
            Revoker::GitHub(GitHub { endpoint: base.into(), app })
        },
        kills: |asked| asked.path != "/rate_limit",
        answers: github_server,
        error: message,
    },
    FakeApi {
        name: "github by the installation",
        token: INSTALLATION,
        own: "",
        revoker: |_, base| Revoker::GitHub(GitHub { endpoint: base.into(), app: None }),
        kills: |asked| asked.path != "/rate_limit",
        answers: github_server,
        error: message,
    },
    FakeApi {
        name: "gitlab by itself",
        token: TOKEN,
        own: "",
        revoker: |_, base| Revoker::GitLab(GitLab { endpoint: base.into(), by_id: None }),
        kills: |asked| asked.method == "DELETE",
        answers: gitlab_server,
        error: message,
    },
    FakeApi {
        name: "gitlab by id",
        token: TOKEN,
        own: CLIENT_SECRET,
        revoker: |dir, base| {
            let by_id = Some((42, secret(dir, "admin", CLIENT_SECRET)));
            Revoker::GitLab(GitLab { endpoint: base.into(), by_id })
        },
        kills: |asked| asked.method == "DELETE",
        answers: gitlab_server,
        error: message,
    },
    FakeApi {
        name: "slack",
        token: TOKEN,
        own: "",
        revoker: |_, base| Revoker::Slack(Slack { endpoint: base.into() }),
        kills: |asked| asked.path == "/api/auth.revoke",
        answers: slack_server,
        error: |text| format!(r#"{{"ok":false,"error":{text:?}}}"#),
    },
    FakeApi {
        name: "openai",
        token: TOKEN,
        own: CLIENT_SECRET,
        revoker: |dir, base| {
            Revoker::OpenAi(OpenAi {
                endpoint: base.into(),
                project: "proj_abc".into(),
                key_id: "key_abc".into(),
                admin_key: secret(dir, "admin", CLIENT_SECRET),
            })
        },
        kills: |asked| asked.method == "DELETE",
        answers: openai_server,
        error: |text| format!(r#"{{"error":{{"message":{text:?},"type":"x","code":null}}}}"#),
    },
    FakeApi {
        name: "anthropic",
        token: TOKEN,
        own: CLIENT_SECRET,
        revoker: |dir, base| {
            Revoker::Anthropic(Anthropic {
                endpoint: base.into(),
                key_id: "apikey_01".into(),
                admin_key: secret(dir, "admin", CLIENT_SECRET),
            })
        },
        kills: |asked| asked.method == "POST",
        answers: anthropic_server,
        error: |text| format!(r#"{{"type":"error","error":{{"type":"x","message":{text:?}}}}}"#),
    },
];

pub(crate) fn api(name: &str) -> &'static FakeApi {
    ALL.iter().find(|api| api.name == name).expect("a fake of that name")
}

fn message(text: &str) -> String {
    format!(r#"{{"message":{text:?}}}"#)
}

// Authorization servers: RFC 7009, RFC 7662.

fn token_server(life: &mut FakeLife, asked: &Asked) -> Vec<u8> {
    if asked.path == "/revoke" {
        *life = FakeLife::Dead;
        return answer(200, "", "");
    }
    json(200, &format!(r#"{{"active":{}}}"#, *life == FakeLife::Active))
}

// OpenBao 2.7, as tests/openbao.rs sees it.

fn vault(dir: &Path, base: &str, target: VaultTarget) -> Revoker {
    let token = secret(dir, "own", CLIENT_SECRET);
    Revoker::Vault(Vault { endpoint: base.into(), namespace: None, token, target })
}

fn vault_error(text: &str) -> String {
    format!(r#"{{"errors":[{text:?}]}}"#)
}

fn vault_server(life: &mut FakeLife, asked: &Asked) -> Vec<u8> {
    let alive = *life == FakeLife::Active;
    if asked.headers["x-vault-token"] != CLIENT_SECRET {
        return json(403, &vault_error("permission denied"));
    }
    match asked.path.as_str() {
        "/v1/sys/leases/revoke" | "/v1/sys/leases/revoke-prefix/database/creds/a" => {
            *life = FakeLife::Dead;
            answer(204, "", "")
        }
        "/v1/auth/token/revoke-accessor" if alive => {
            *life = FakeLife::Dead;
            answer(204, "", "")
        }
        "/v1/auth/token/revoke-accessor" => {
            json(200, r#"{"data":null,"warnings":["No token found with this accessor"]}"#)
        }
        "/v1/sys/leases/lookup/database/creds/a?list=true" if alive => {
            json(200, r#"{"data":{"keys":["1"]}}"#)
        }
        "/v1/sys/leases/lookup/database/creds/a?list=true" => json(404, r#"{"errors":[]}"#),
        "/v1/sys/leases/lookup" if alive => json(200, r#"{"data":{"id":"database/creds/a/1"}}"#),
        "/v1/sys/leases/lookup" => json(400, &vault_error("invalid lease")),
        "/v1/auth/token/lookup-accessor" if alive => json(200, r#"{"data":{"accessor":"x"}}"#),
        "/v1/auth/token/lookup-accessor" => {
            json(400, &vault_error("1 error occurred:\n\t* invalid accessor\n\n"))
        }
        _ => json(404, &vault_error("no handler for route")),
    }
}

// AWS IAM's query API.

fn aws(dir: &Path, base: &str, target: AwsTarget) -> Revoker {
    let (endpoint, region) = (base.into(), "us-east-1".into());
    let secret = secret(dir, "own", CLIENT_SECRET);
    let key = AwsKey { id: "AKIAENFORCER".into(), secret, session: None };
    Revoker::AwsIam(AwsIam { endpoint, region, key, target })
}

fn aws_error(text: &str) -> String {
    aws_refusal("AccessDenied", text)
}

fn aws_refusal(code: &str, text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error>\
         <Type>Sender</Type><Code>{code}</Code><Message>{text}</Message></Error>\
         <RequestId>r</RequestId></ErrorResponse>"
    )
}

fn xml(status: u16, body: &str) -> Vec<u8> {
    answer(status, "content-type: text/xml\r\n", body)
}

fn done(action: &str, result: &str) -> Vec<u8> {
    let meta = "<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>";
    xml(200, &format!("<{action}Response xmlns=\"x\">{result}{meta}</{action}Response>"))
}

fn parameter(asked: &Asked, name: &str) -> Option<String> {
    let mut form = form_urlencoded::parse(asked.body.as_bytes());
    form.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn aws_keys(life: &mut FakeLife, asked: &Asked) -> Vec<u8> {
    assert!(
        asked.headers["authorization"].starts_with("AWS4-HMAC-SHA256 Credential=AKIAENFORCER/")
    );
    let gone = "The Access Key with id AKIAKILLED cannot be found.";
    let action = parameter(asked, "Action").expect("an action");
    assert_eq!(parameter(asked, "UserName").as_deref(), Some("agent"));
    if action == "ListAccessKeys" {
        return done(&action, &listed(*life));
    }
    assert_eq!(parameter(asked, "AccessKeyId").as_deref(), Some("AKIAKILLED"));
    match (action.as_str(), *life) {
        (_, FakeLife::Dead) => return xml(404, &aws_refusal("NoSuchEntity", gone)),
        ("UpdateAccessKey", _) => *life = FakeLife::Disabled,
        ("DeleteAccessKey", _) => *life = FakeLife::Dead,
        (other, _) => panic!("the fake knows no {other}"),
    }
    done(&action, "")
}

/// A second key lives on.
fn listed(life: FakeLife) -> String {
    let member = |id: &str, status: &str| {
        format!(
            "<member><UserName>agent</UserName><AccessKeyId>{id}</AccessKeyId>\
             <Status>{status}</Status><CreateDate>2026-10-01T00:00:00Z</CreateDate></member>"
        )
    };
    let ours = match life {
        FakeLife::Active => member("AKIAKILLED", "Active"),
        FakeLife::Disabled => member("AKIAKILLED", "Inactive"),
        FakeLife::Dead => String::new(),
    };
    format!(
        "<ListAccessKeysResult><IsTruncated>false</IsTruncated><AccessKeyMetadata>{}{ours}\
         </AccessKeyMetadata></ListAccessKeysResult>",
        member("AKIAOTHER", "Active")
    )
}

/// A dead role's policy is of the year 9999: later than any decision.
fn aws_roles(life: &mut FakeLife, asked: &Asked) -> Vec<u8> {
    let action = parameter(asked, "Action").expect("an action");
    assert_eq!(parameter(asked, "RoleName").as_deref(), Some("agent-role"));
    if action == "PutRolePolicy" {
        let document = parameter(asked, "PolicyDocument").expect("a document");
        assert!(document.contains(r#""aws:TokenIssueTime":"20"#), "{document}");
        *life = FakeLife::Dead;
        return done(&action, "");
    }
    if *life == FakeLife::Active {
        return xml(404, &aws_refusal("NoSuchEntity", "The role policy cannot be found."));
    }
    let document = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["*"],"Resource":["*"],"Condition":{"DateLessThan":{"aws:TokenIssueTime":"9999-01-01T00:00:00Z"}}}]}"#;
    let encoded: String = form_urlencoded::byte_serialize(document.as_bytes()).collect();
    done(
        &action,
        &format!(
            "<GetRolePolicyResult><PolicyName>AWSRevokeOlderSessions</PolicyName><PolicyDocument>{encoded}</PolicyDocument></GetRolePolicyResult>"
        ),
    )
}

fn gcp_server(life: &mut FakeLife, asked: &Asked) -> Vec<u8> {
    if asked.path == "/token" {
        return json(200, r#"{"access_token":"ya29.t","expires_in":3599,"token_type":"Bearer"}"#);
    }
    assert_eq!(asked.headers["authorization"], "Bearer ya29.t");
    let url = "/v1/projects/-/serviceAccounts/agent@p.iam.gserviceaccount.com/keys/0a1b2c";
    assert!(asked.path.starts_with(url), "{}", asked.path);
    if *life == FakeLife::Dead {
        let text = "Service account key 0a1b2c does not exist.";
        return json(
            404,
            &format!(r#"{{"error":{{"code":404,"message":"{text}","status":"NOT_FOUND"}}}}"#),
        );
    }
    match (asked.method.as_str(), asked.path.ends_with(":disable")) {
        ("POST", true) => *life = FakeLife::Disabled,
        ("DELETE", false) => *life = FakeLife::Dead,
        ("GET", false) => {
            let disabled = if *life == FakeLife::Disabled { r#","disabled":true"# } else { "" };
            let name = "projects/p/serviceAccounts/agent@p.iam.gserviceaccount.com/keys/0a1b2c";
            return json(
                200,
                &format!(r#"{{"name":"{name}","keyType":"USER_MANAGED"{disabled}}}"#),
            );
        }
        other => panic!("the fake knows no {other:?}"),
    }
    json(200, "{}")
}

fn github_server(life: &mut FakeLife, asked: &Asked) -> Vec<u8> {
    let alive = *life == FakeLife::Active;
    match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", "/rate_limit") if alive => json(200, r#"{"resources":{}}"#),
        ("GET", "/rate_limit") => json(401, &message("Bad credentials")),
        ("POST", "/credentials/revoke") => {
            // "Any authenticated requests will return a 403."
            assert!(!asked.headers.contains_key("authorization"));
            assert_eq!(asked.body, format!(r#"{{"credentials":["{TOKEN}"]}}"#));
            *life = FakeLife::Dead;
            json(202, "{}")
        }
        ("DELETE", "/applications/Iv1.app/token") => {
            assert!(asked.headers["authorization"].starts_with("Basic "));
            assert_eq!(asked.body, format!(r#"{{"access_token":"{TOKEN}"}}"#));
            *life = FakeLife::Dead;
            if alive { answer(204, "", "") } else { json(404, &message("Not Found")) }
        }
        ("DELETE", "/installation/token") => {
            assert_eq!(asked.headers["authorization"], format!("Bearer {INSTALLATION}"));
            *life = FakeLife::Dead;
            if alive { answer(204, "", "") } else { json(401, &message("Bad credentials")) }
        }
        other => panic!("the fake knows no {other:?}"),
    }
}

fn gitlab_server(life: &mut FakeLife, asked: &Asked) -> Vec<u8> {
    let alive = *life == FakeLife::Active;
    match (asked.method.as_str(), asked.path.as_str()) {
        (_, "/api/v4/personal_access_tokens/self") if !alive => {
            json(401, &message("401 Unauthorized"))
        }
        ("GET", "/api/v4/personal_access_tokens/self") => {
            assert_eq!(asked.headers["private-token"], TOKEN);
            json(200, r#"{"id":42,"revoked":false,"active":true}"#)
        }
        ("DELETE", "/api/v4/personal_access_tokens/self") => {
            assert_eq!(asked.headers["private-token"], TOKEN);
            *life = FakeLife::Dead;
            answer(204, "", "")
        }
        ("DELETE", "/api/v4/personal_access_tokens/42") => {
            assert_eq!(asked.headers["private-token"], CLIENT_SECRET);
            *life = FakeLife::Dead;
            if alive { answer(204, "", "") } else { json(404, &message("404 Not Found")) }
        }
        ("GET", "/api/v4/personal_access_tokens/42") => {
            json(200, &format!(r#"{{"id":42,"revoked":{},"active":{alive}}}"#, !alive))
        }
        other => panic!("the fake knows no {other:?}"),
    }
}

fn slack_server(life: &mut FakeLife, asked: &Asked) -> Vec<u8> {
    assert_eq!(asked.headers["authorization"], format!("Bearer {TOKEN}"));
    match (asked.path.as_str(), *life) {
        (_, FakeLife::Disabled | FakeLife::Dead) => {
            json(200, r#"{"ok":false,"error":"token_revoked"}"#)
        }
        ("/api/auth.revoke", FakeLife::Active) => {
            *life = FakeLife::Dead;
            json(200, r#"{"ok":true,"revoked":true}"#)
        }
        _ => json(200, r#"{"ok":true,"team":"t","user_id":"U1"}"#),
    }
}

fn openai_server(life: &mut FakeLife, asked: &Asked) -> Vec<u8> {
    let alive = *life == FakeLife::Active;
    match (asked.method.as_str(), asked.path.as_str()) {
        ("GET", "/v1/models") if alive => json(200, r#"{"object":"list","data":[]}"#),
        ("GET", "/v1/models") => {
            assert_eq!(asked.headers["authorization"], format!("Bearer {TOKEN}"));
            json(
                401,
                r#"{"error":{"message":"Incorrect API key provided: sk-x.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}"#,
            )
        }
        (method, "/v1/organization/projects/proj_abc/api_keys/key_abc") => {
            assert_eq!(asked.headers["authorization"], format!("Bearer {CLIENT_SECRET}"));
            if !alive {
                return json(
                    404,
                    r#"{"error":{"message":"No such key.","type":"invalid_request_error","code":null}}"#,
                );
            }
            if method == "GET" {
                return json(200, r#"{"object":"organization.project.api_key","id":"key_abc"}"#);
            }
            *life = FakeLife::Dead;
            json(
                200,
                r#"{"object":"organization.project.api_key.deleted","id":"key_abc","deleted":true}"#,
            )
        }
        other => panic!("the fake knows no {other:?}"),
    }
}

fn anthropic_server(life: &mut FakeLife, asked: &Asked) -> Vec<u8> {
    assert_eq!(asked.path, "/v1/organizations/api_keys/apikey_01");
    assert_eq!(asked.headers["x-api-key"], CLIENT_SECRET);
    assert_eq!(asked.headers["anthropic-version"], "2023-06-01");
    if asked.method == "POST" {
        assert_eq!(asked.body, r#"{"status":"inactive"}"#);
        *life = FakeLife::Dead;
    }
    let status = if *life == FakeLife::Active { "active" } else { "inactive" };
    json(200, &format!(r#"{{"type":"api_key","id":"apikey_01","name":"k","status":"{status}"}}"#))
}
