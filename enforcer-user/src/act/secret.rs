//! Secrets, read at the moment they are needed and at no other.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::policy::SecretRef;

/// Longest secret file that is read, in bytes.
pub const MAX_SECRET: u64 = 64 * 1024;

/// Permission bits that let anybody but the owner in.
const OTHERS: u32 = 0o077;

/// Why a secret cannot be had. Never holds any of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be opened or read.
    #[error("read secret {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// It is a directory, a pipe, a device.
    #[error("secret {} is not a regular file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Somebody besides root can read it, so it is no secret.
    #[error("secret {} can be read by others (mode {mode:04o}); hint: chmod 600 it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Its owner could replace it.
    #[error("secret {} belongs to uid {uid}; hint: chown it to root", path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// Longer than [`MAX_SECRET`].
    #[error("secret {} is longer than {MAX_SECRET} bytes", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
    },
    /// The first line is empty.
    #[error("secret {from} is empty")]
    Empty {
        /// The file or the variable.
        from: String,
    },
    /// Not UTF-8.
    #[error("secret {from} is not UTF-8 text")]
    NotText {
        /// The file or the variable.
        from: String,
    },
    /// The daemon's environment lacks the variable.
    #[error("environment variable {name}, which holds a secret, is not set")]
    NoVariable {
        /// Its name.
        name: String,
    },
}

/// The same, all lines of it: a key in PEM or JSON.
pub fn resolve_whole(reference: &SecretRef) -> Result<SecretString, SecretError> {
    match reference {
        SecretRef::File(path) => whole_file(path),
        SecretRef::Env(name) => from_env(name),
    }
}

/// Reads a secret: the first line of a file that only its owner (root, or the
/// daemon's own user) can read, or a variable of the daemon's environment.
pub fn resolve(reference: &SecretRef) -> Result<SecretString, SecretError> {
    match reference {
        SecretRef::File(path) => from_file(path),
        SecretRef::Env(name) => from_env(name),
    }
}

fn from_env(name: &str) -> Result<SecretString, SecretError> {
    match std::env::var(name) {
        Ok(value) if value.is_empty() => Err(SecretError::Empty { from: name.into() }),
        Ok(value) => Ok(value.into()),
        Err(std::env::VarError::NotPresent) => Err(SecretError::NoVariable { name: name.into() }),
        Err(std::env::VarError::NotUnicode(_)) => Err(SecretError::NotText { from: name.into() }),
    }
}

fn from_file(path: &Path) -> Result<SecretString, SecretError> {
    match whole_file(path)?.expose_secret().lines().next().map(str::trim_end) {
        Some(line) if !line.is_empty() => Ok(line.into()),
        _ => Err(SecretError::Empty { from: path.display().to_string() }),
    }
}

fn whole_file(path: &Path) -> Result<SecretString, SecretError> {
    let failed = |source| SecretError::Read { path: path.into(), source };
    let file = File::open(path).map_err(failed)?;
    // The open file is asked, not the path: a swap in between changes nothing.
    guarded(path, &file.metadata().map_err(failed)?)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    let read = file.take(MAX_SECRET + 1).read_to_end(&mut bytes).map_err(failed)?;
    if read as u64 > MAX_SECRET {
        return Err(SecretError::TooLong { path: path.into() });
    }
    let from = || path.display().to_string();
    let text = std::str::from_utf8(&bytes).map_err(|_| SecretError::NotText { from: from() })?;
    if text.trim().is_empty() {
        return Err(SecretError::Empty { from: from() });
    }
    Ok(text.into())
}

fn guarded(path: &Path, metadata: &std::fs::Metadata) -> Result<(), SecretError> {
    let path = path.to_owned();
    if !metadata.is_file() {
        return Err(SecretError::NotAFile { path });
    }
    if metadata.mode() & OTHERS != 0 {
        return Err(SecretError::Exposed { path, mode: metadata.mode() & 0o7777 });
    }
    if metadata.uid() != 0 && metadata.uid() != geteuid().as_raw() {
        return Err(SecretError::Owner { path, uid: metadata.uid() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn written(text: &[u8], mode: u32) -> (tempfile::TempDir, SecretRef) {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("secret");
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set");
        (dir, SecretRef::File(path))
    }

    #[test]
    fn the_first_line_is_the_secret() {
        let (_dir, file) = written(b"s3cret\r\nsecond line\n", 0o600);
        assert_eq!(resolve(&file).expect("readable").expose_secret(), "s3cret");
    }

    #[test]
    fn a_key_has_all_its_lines() {
        let (_dir, file) = written(b"first\nsecond\n", 0o600);
        assert_eq!(resolve_whole(&file).expect("readable").expose_secret(), "first\nsecond\n");
    }

    #[test]
    fn a_secret_that_others_can_read_is_refused_with_a_hint() {
        for mode in [0o640, 0o604, 0o620, 0o601] {
            let (_dir, file) = written(b"s3cret\n", mode);
            let error = resolve(&file).expect_err("refused").to_string();
            assert!(error.contains("chmod 600") && !error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn empty_missing_binary_and_endless_secrets_are_refused() {
        for text in [&b""[..], b"\nlater\n", &[0xff, 0xfe], &[b'x'; 70_000]] {
            let (_dir, file) = written(text, 0o600);
            assert!(resolve(&file).is_err());
        }
        assert!(resolve(&SecretRef::File("/nonexistent/secret".into())).is_err());
        assert!(resolve(&SecretRef::Env("ENFORCER_TEST_NO_SUCH_VARIABLE".into())).is_err());
        assert!(matches!(from_file(Path::new("/")), Err(SecretError::NotAFile { .. })));
    }
}
