//! CMD as `execve(2)` takes it. Made before the fork: after it nothing may
//! allocate.

use std::ffi::{CString, NulError, OsString, c_char};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::ptr;

use crate::cli::exec::identity::Account;

/// As `execvp(3)` has it where `PATH` is not set.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

const RUNTIME_DIR: &str = "XDG_RUNTIME_DIR";

/// A program with its arguments and environment.
pub(super) struct Image {
    /// Files to try, in order.
    pub(super) programs: Vec<CString>,
    /// Its arguments, from its name on.
    pub(super) argv: Strings,
    /// `NAME=value`.
    pub(super) envp: Strings,
}

/// Strings with the null-terminated table of pointers to them.
pub(super) struct Strings {
    /// Null-terminated; points into `owner`.
    pub(super) table: Vec<*const c_char>,
    /// Never changed after the table is made, so that it stays true.
    _owner: Vec<CString>,
}

// === impl Image ===

impl Image {
    /// `command` is never empty; its first word is looked up in `PATH` unless
    /// it has a slash.
    ///
    /// # Errors
    /// A NUL byte in a word.
    pub(super) fn new(
        command: &[OsString],
        environment: impl Iterator<Item = (OsString, OsString)>,
        account: Option<&Account>,
        own_folder: Option<&Path>,
    ) -> Result<Self, NulError> {
        let environment = with_account(environment.collect(), account);
        let environment = with_folder(environment, own_folder);
        let path = environment.iter().find(|(name, _)| name == "PATH");
        let path = path.map_or(OsString::from(DEFAULT_PATH), |(_, value)| value.clone());
        Ok(Self {
            programs: candidates(&command[0], &path)?,
            argv: Strings::new(command.iter().cloned())?,
            envp: Strings::new(environment.into_iter().map(assignment))?,
        })
    }
}

// === impl Strings ===

impl Strings {
    fn new(words: impl Iterator<Item = OsString>) -> Result<Self, NulError> {
        let owner: Vec<_> =
            words.map(|word| CString::new(word.into_vec())).collect::<Result<_, _>>()?;
        let pointers = owner.iter().map(|word| word.as_ptr());
        Ok(Self { table: pointers.chain([ptr::null()]).collect(), _owner: owner })
    }
}

fn candidates(program: &OsString, path: &OsString) -> Result<Vec<CString>, NulError> {
    let files = if program.as_bytes().contains(&b'/') {
        vec![Path::new(program).to_owned()]
    } else {
        std::env::split_paths(path).map(|folder| folder.join(program)).collect()
    };
    files.into_iter().map(|file| CString::new(file.into_os_string().into_vec())).collect()
}

/// The caller's environment, with the variables that name a user naming this
/// one.
fn with_account(
    environment: Vec<(OsString, OsString)>,
    account: Option<&Account>,
) -> Vec<(OsString, OsString)> {
    let Some(Account { name, home }) = account else { return environment };
    let set = [("HOME", home), ("USER", name), ("LOGNAME", name)];
    let kept = environment.into_iter().filter(|(name, _)| set.iter().all(|(set, _)| name != set));
    kept.chain(set.map(|(name, value)| (name.into(), value.into()))).collect()
}

/// The caller's folder for sockets is another user's, or open to the agent's
/// neighbours: only its own one is passed on (XDG Base Directory Specification).
fn with_folder(
    mut environment: Vec<(OsString, OsString)>,
    folder: Option<&Path>,
) -> Vec<(OsString, OsString)> {
    environment.retain(|(name, _)| name != RUNTIME_DIR);
    environment.extend(folder.map(|folder| (RUNTIME_DIR.into(), folder.into())));
    environment
}

fn assignment((mut name, value): (OsString, OsString)) -> OsString {
    name.push("=");
    name.push(value);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(command: &str, environment: &[(&str, &str)], account: Option<&Account>) -> Image {
        let environment = environment.iter().map(|&(n, v)| (n.into(), v.into()));
        let folder = Path::new("/run/enforcer/agents/bot");
        Image::new(&[command.into()], environment, account, Some(folder)).expect("no NUL")
    }

    #[test]
    fn a_name_is_looked_up_in_path_and_a_path_is_not() {
        let found = image("curl", &[("PATH", "/a:/b")], None).programs;
        assert_eq!(found, [c"/a/curl".to_owned(), c"/b/curl".to_owned()]);
        assert_eq!(image("./curl", &[("PATH", "/a")], None).programs, [c"./curl".to_owned()]);
        assert_eq!(image("curl", &[], None).programs.len(), 3);
    }

    #[test]
    fn the_environment_names_the_new_user() {
        let account = Account { name: "bot".into(), home: "/srv/bot".into() };
        let envp =
            image("x", &[("HOME", "/root"), ("A", "b"), (RUNTIME_DIR, "/x")], Some(&account)).envp;
        let words: Vec<_> = envp._owner.iter().map(|word| word.to_str().expect("text")).collect();
        let folder = "XDG_RUNTIME_DIR=/run/enforcer/agents/bot";
        assert_eq!(words, ["A=b", "HOME=/srv/bot", "USER=bot", "LOGNAME=bot", folder]);
    }
}
