//! Fingerprints: they tell one value of a secret from the next, and nobody who
//! reads them can test a guess, because the key stays in the state directory.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

const KEY_LEN: usize = 32;
const FINGERPRINT_BYTES: usize = 8;

/// The random key behind all fingerprints of this host.
pub struct FingerprintKey(Zeroizing<[u8; KEY_LEN]>);

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Reading or writing it failed.
    #[error("fingerprint key {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The operating system gave no random bytes.
    #[error("no random bytes for the fingerprint key")]
    NoRandom,
    /// The file does not hold a key.
    #[error(
        "fingerprint key {} is damaged; hint: move it away, a new one is made, and credentials \
         revoked before may be revoked once more", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

// === impl FingerprintKey ===

impl FingerprintKey {
    /// Reads `fingerprint.key` of the state directory; makes it if missing.
    pub fn open(state_dir: &Path) -> Result<Self, KeyError> {
        let path = state_dir.join("fingerprint.key");
        match File::open(&path) {
            Ok(file) => Self::read(file, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::make(path),
            Err(source) => Err(KeyError::Io { path, source }),
        }
    }

    /// First 16 hexadecimal digits of the HMAC-SHA256 of the secret.
    pub fn of(&self, secret: &SecretString) -> String {
        let tag = sign(&*self.0, &[secret.expose_secret().as_bytes()]);
        hex(&tag[..FINGERPRINT_BYTES])
    }

    fn read(file: File, path: PathBuf) -> Result<Self, KeyError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(KEY_LEN + 1));
        let limit = KEY_LEN as u64 + 1;
        if let Err(source) = file.take(limit).read_to_end(&mut bytes) {
            return Err(KeyError::Io { path, source });
        }
        let key = bytes.as_slice().try_into().map_err(|_| KeyError::Damaged { path })?;
        Ok(Self(Zeroizing::new(key)))
    }

    fn make(path: PathBuf) -> Result<Self, KeyError> {
        let mut key = Zeroizing::new([0; KEY_LEN]);
        let random = rustls::crypto::ring::default_provider().secure_random;
        random.fill(&mut *key).map_err(|_| KeyError::NoRandom)?;
        write_whole(&path, &*key).map_err(|source| KeyError::Io { path, source })?;
        Ok(Self(key))
    }
}

/// Beside the path first, then renamed: a crash leaves no half key.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// HMAC-SHA256 (RFC 2104) over the parts, one after the other.
pub(super) fn sign(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(key) else {
        unreachable!("HMAC takes keys of any length (RFC 2104, section 2)");
    };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_outlives_the_process_and_is_roots_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().expect("a directory");
        let secret = SecretString::from("tok-1");
        let first = FingerprintKey::open(dir.path()).expect("made").of(&secret);
        let again = FingerprintKey::open(dir.path()).expect("read").of(&secret);
        assert_eq!((first.len(), &first), (16, &again));
        let mode = std::fs::metadata(dir.path().join("fingerprint.key")).expect("there");
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn other_secrets_and_other_hosts_have_other_fingerprints() {
        let (one, two) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
        let key = FingerprintKey::open(one.path()).expect("made");
        let other = FingerprintKey::open(two.path()).expect("made");
        let secret = SecretString::from("tok-1");
        assert_ne!(key.of(&secret), key.of(&"tok-2".into()));
        assert_ne!(key.of(&secret), other.of(&secret));
    }

    #[test]
    fn a_damaged_key_is_an_error_with_a_hint() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("fingerprint.key"), b"short").expect("written");
        let error = FingerprintKey::open(dir.path()).err().expect("refused").to_string();
        assert!(error.contains("hint: move it away"), "{error}");
    }

    #[test]
    fn the_signature_is_hmac_sha256() {
        // RFC 4231, test case 2.
        let tag = sign(b"Jefe", &[b"what do ya want ", b"for nothing?"]);
        let want = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex(&tag), want);
    }
}
