//! What the handle and the worker both use.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use secrecy::SecretString;

use super::clock;
use super::fingerprint::FingerprintKey;
use super::outbox::{Outbox, Violation};
use super::secret::{SecretError, resolve};
use crate::config::StormBudget;
use crate::policy::Credential;

/// The inventory in force.
#[derive(Debug)]
pub(super) struct Inventory {
    credentials: HashMap<String, Arc<Credential>>,
    storm: StormBudget,
}

/// Everything that does not change but the inventory.
pub(super) struct Shared {
    pub(super) outbox: Outbox,
    pub(super) key: FingerprintKey,
    pub(super) client: reqwest::Client,
    pub(super) boot_id: String,
    pub(super) inventory: RwLock<Inventory>,
}

// === impl Inventory ===

impl Inventory {
    pub(super) fn new(credentials: Vec<Credential>, storm: StormBudget) -> Self {
        let by_id = |c: Credential| (c.id.as_str().to_owned(), Arc::new(c));
        Self { credentials: credentials.into_iter().map(by_id).collect(), storm }
    }
}

// === impl Shared ===

impl Shared {
    pub(super) fn credential(&self, id: &str) -> Option<Arc<Credential>> {
        self.inventory().credentials.get(id).cloned()
    }

    pub(super) fn storm(&self) -> StormBudget {
        self.inventory().storm
    }

    pub(super) fn replace(&self, inventory: Inventory) {
        *self.inventory.write().unwrap_or_else(PoisonError::into_inner) = inventory;
    }

    /// The secret as it is now, and its fingerprint.
    pub(super) fn secret(
        &self,
        credential: &Credential,
    ) -> Result<(SecretString, String), SecretError> {
        let secret = resolve(&credential.secret)?;
        let fingerprint = self.key.of(&secret);
        Ok((secret, fingerprint))
    }

    /// The moment of a command by hand stands in for a violation.
    pub(super) fn violation_now(&self) -> Violation {
        Violation {
            ktime_ns: clock::monotonic_ns(),
            boot_id: self.boot_id.clone(),
            time: clock::wall(),
        }
    }

    /// Time since a violation.
    pub(super) fn since(&self, violation: &Violation) -> Duration {
        if violation.boot_id == self.boot_id && violation.ktime_ns != 0 {
            return Duration::from_nanos(clock::monotonic_ns().saturating_sub(violation.ktime_ns));
        }
        Duration::try_from(clock::wall() - violation.time).unwrap_or_default()
    }

    fn inventory(&self) -> std::sync::RwLockReadGuard<'_, Inventory> {
        // Nothing that holds the lock can leave the inventory half changed.
        self.inventory.read().unwrap_or_else(PoisonError::into_inner)
    }
}
