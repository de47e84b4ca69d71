//! Which credentials an agent used lately, from its allowed connections.

use std::collections::BTreeMap;

use crate::policy::CredentialId;

/// How long a use counts as lately: one hour.
pub(super) const LATELY_NS: u64 = 3_600 * 1_000_000_000;

/// When each credential of one agent was last used. Bounded: only credentials
/// the inventory gives to the agent are noted.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage(BTreeMap<CredentialId, u64>);

// === impl Usage ===

impl Usage {
    pub(super) fn note(&mut self, credential: CredentialId, ktime_ns: u64) {
        let last = self.0.entry(credential).or_default();
        *last = ktime_ns.max(*last);
    }

    /// Credentials used within the hour before `now_ns`.
    pub(super) fn lately(&self, now_ns: u64) -> Vec<CredentialId> {
        let recent = |&(_, &at): &(_, &u64)| now_ns.saturating_sub(at) <= LATELY_NS;
        self.0.iter().filter(recent).map(|(credential, _)| credential.clone()).collect()
    }

    pub(super) fn keep(&mut self, held: &[CredentialId]) {
        self.0.retain(|credential, _| held.contains(credential));
    }
}
