//! A provider of the test's own: a program that revokes by leaving a mark, and
//! that fails until it is told to answer.

use std::fs;

use crate::lab::Lab;
use crate::{TRIPWIRE, eventually};

/// Writes a policy for `agent` whose third violation quarantines and revokes,
/// and its credential, whose revocation leaves the mark of [`done`].
pub fn equip(lab: &Lab, agent: &str, rules: &str) {
    let respond = TRIPWIRE.replace("[\"quarantine\"]", "[\"quarantine\", \"revoke\"]");
    assert_ne!(respond, TRIPWIRE);
    lab.write_policy(agent, &format!("{rules}{respond}"));
    let (secret, mark) = (lab.path("secret"), lab.path(&format!("revoked-{agent}")));
    write_private(&secret, "a secret of this test\n");
    let script = format!("test -e {} && echo once >> {}", answers(lab), mark.display());
    let text = format!(
        "version = 1\n[[credential]]\nid = \"key-{agent}\"\nagent = \"{agent}\"\n\
         kind = \"api-key\"\nscopes = [\"all\"]\nsecret = {{ file = \"{}\" }}\n\
         [credential.revoke]\nvia = \"command\"\nargv = [\"/bin/sh\", \"-c\", \"{script}\"]\n",
        secret.display()
    );
    lab.write_credentials(agent, &text);
}

/// Whether the provider answers from now on.
pub fn answer(lab: &Lab, up: bool) {
    if up {
        fs::write(answers(lab), "").expect("make the provider answer");
    } else {
        eventually("the provider to be down", || fs::remove_file(answers(lab)).ok());
    }
}

/// Whether the agent's credential has been revoked.
pub fn done(lab: &Lab, agent: &str) -> bool {
    lab.path(&format!("revoked-{agent}")).exists()
}

fn answers(lab: &Lab) -> String {
    lab.path("provider-answers").display().to_string()
}

fn write_private(path: &std::path::Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, text).expect("write a secret");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("for its owner alone");
}
