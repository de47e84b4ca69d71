//! Signed assertions (JWT, RFC 7519) that stand for a client or a service
//! account (RFC 7523): RS256 with an RSA key, ES256 with one on P-256 (RFC
//! 7518, section 3.1).

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

/// How long an assertion is good for, in seconds. Servers accept a few minutes.
const LIFETIME: i64 = 120;

/// Why a key does not sign. Never holds any of it.
const NO_KEY: &str = "the private key is no PEM of an RSA key or of one on P-256; hint: \
                      `openssl pkey -in KEY` must print it";

/// A private key.
pub(super) enum SigningKey {
    Rsa(Box<RsaKeyPair>),
    P256(Box<EcdsaKeyPair>),
}

/// Who says what to whom. `exp`, `iat` and `jti` are added: a server may refuse
/// an assertion that it has seen.
#[derive(Serialize)]
pub(super) struct Assertion<'a> {
    pub(super) iss: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sub: Option<&'a str>,
    pub(super) aud: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scope: Option<&'a str>,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

#[derive(Serialize)]
struct Claims<'a> {
    #[serde(flatten)]
    assertion: &'a Assertion<'a>,
    iat: i64,
    exp: i64,
    jti: Uuid,
}

// === impl SigningKey ===

impl SigningKey {
    /// Reads PKCS#8, PKCS#1 or SEC1 in PEM.
    pub(super) fn from_pem(pem: &SecretString) -> Result<Self, String> {
        let der = PrivateKeyDer::from_pem_slice(pem.expose_secret().as_bytes());
        let key = match der.map_err(|_| NO_KEY)? {
            PrivateKeyDer::Pkcs1(der) => rsa(RsaKeyPair::from_der(der.secret_pkcs1_der())),
            PrivateKeyDer::Pkcs8(der) => {
                let der = der.secret_pkcs8_der();
                let (how, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
                let p256 = EcdsaKeyPair::from_pkcs8(how, der, &random).ok();
                p256.map(|key| Self::P256(Box::new(key)))
                    .or_else(|| rsa(RsaKeyPair::from_pkcs8(der)))
            }
            // SEC1 does not hold the public key in a way that ring reads, and
            // later kinds are none that the algorithms above sign with.
            PrivateKeyDer::Sec1(_) | _ => None,
        };
        key.ok_or_else(|| NO_KEY.to_owned())
    }

    /// The assertion in compact form (RFC 7515, section 7.1). Whoever has it is
    /// the client for two minutes.
    pub(super) fn sign(
        &self,
        key_id: Option<&str>,
        assertion: &Assertion<'_>,
    ) -> Result<SecretString, String> {
        let iat = OffsetDateTime::now_utc().unix_timestamp();
        let header = Header { alg: self.algorithm(), typ: "JWT", kid: key_id };
        let claims = Claims { assertion, iat, exp: iat + LIFETIME, jti: Uuid::now_v7() };
        let signed = format!("{}.{}", part(&header)?, part(&claims)?);
        let signature = self.signature(signed.as_bytes())?;
        Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)).into())
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(_) => "RS256",
            Self::P256(_) => "ES256",
        }
    }

    fn signature(&self, signed: &[u8]) -> Result<Vec<u8>, String> {
        let random = SystemRandom::new();
        let failed = |_| "sign the assertion: no random bytes".to_owned();
        match self {
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, signed, &mut signature).map_err(failed)?;
                Ok(signature)
            }
            Self::P256(key) => {
                let signature = key.sign(&random, signed).map_err(failed)?;
                Ok(signature.as_ref().to_vec())
            }
        }
    }
}

fn rsa(key: Result<RsaKeyPair, ring::error::KeyRejected>) -> Option<SigningKey> {
    key.ok().map(|key| SigningKey::Rsa(Box::new(key)))
}

fn part(value: &impl Serialize) -> Result<String, String> {
    let json =
        serde_json::to_vec(value).map_err(|error| format!("write the assertion: {error}"))?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(json))
}

#[cfg(test)]
mod tests {
    use ring::signature::{
        ECDSA_P256_SHA256_FIXED, KeyPair, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    };
    use serde_json::Value;

    use super::*;

    /// A key that guards nothing.
    const RSA: &str = include_str!("../../../tests/act/no-secret-rsa.pem");

    fn p256() -> String {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        let body = base64::prelude::BASE64_STANDARD.encode(der.expect("a key"));
        format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n")
    }

    fn decoded(part: &str) -> Vec<u8> {
        BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64url")
    }

    /// Header and claims, once the signature has been verified.
    fn verified(pem: &str) -> (Value, Value) {
        let key = SigningKey::from_pem(&pem.into()).expect("a key");
        let claims = Assertion { iss: "me", sub: Some("me"), aud: "https://a", scope: None };
        let signed = key.sign(Some("k1"), &claims).expect("signed");
        let (message, signature) = signed.expose_secret().rsplit_once('.').expect("three parts");
        let (message, signature) = (message.as_bytes(), decoded(signature));
        match &key {
            SigningKey::Rsa(key) => {
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public().as_ref().to_vec())
                    .verify(message, &signature)
            }
            SigningKey::P256(key) => {
                let public = key.public_key().as_ref().to_vec();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public).verify(message, &signature)
            }
        }
        .expect("the signature holds");
        let mut parts = message.split(|&byte| byte == b'.').map(|part| {
            let part = std::str::from_utf8(part).expect("ASCII");
            serde_json::from_slice(&decoded(part)).expect("JSON")
        });
        (parts.next().expect("a header"), parts.next().expect("claims"))
    }

    #[test]
    fn rsa_keys_sign_rs256_and_p256_keys_es256() {
        for (pem, algorithm) in [(RSA, "RS256"), (&p256(), "ES256")] {
            let (header, claims) = verified(pem);
            assert_eq!(header, serde_json::json!({"alg": algorithm, "typ": "JWT", "kid": "k1"}));
            assert_eq!((&claims["iss"], &claims["aud"]), (&"me".into(), &"https://a".into()));
            let time = |name: &str| claims[name].as_i64().expect("a time");
            assert_eq!(time("exp") - time("iat"), LIFETIME);
        }
    }

    #[test]
    fn no_assertion_is_like_another() {
        let (_, first) = verified(RSA);
        let (_, second) = verified(RSA);
        assert_ne!(first["jti"], second["jti"]);
    }

    #[test]
    fn what_is_no_key_is_refused_without_repeating_it() {
        for pem in
            ["hunter2", "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----"]
        {
            let error = SigningKey::from_pem(&pem.into()).err().expect("refused");
            assert!(error.contains("hint: ") && !error.contains("hunter2"), "{error}");
        }
    }
}
