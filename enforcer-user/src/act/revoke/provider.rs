//! What every provider's API has in common: calls that kill, the reversible
//! ones first, and a question whose answer confirms the death. A provider says
//! what to send and what its answers mean; what follows from that is decided
//! here, once for all.

use reqwest::RequestBuilder;
use secrecy::SecretString;

use super::http::{Answer, send};
use super::outcome::{Outcome, Proof};

/// One call.
pub(super) struct Call {
    /// What is sent.
    pub(super) request: RequestBuilder,
    /// To what, for people.
    pub(super) to: &'static str,
}

/// What the answer to a killing call means, if it is not a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Killed {
    /// The provider did it.
    Taken,
    /// The provider knows no such credential: it may be dead already, or never
    /// have been.
    Unknown,
}

/// What the answer to the question means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It can still be used.
    Active,
    /// It cannot be used, but somebody could make it active again.
    Disabled,
    /// It cannot be used any more.
    Dead,
}

/// A provider, and one credential there.
pub(super) trait Provider {
    /// How a death is proved there.
    const PROOF: Proof = Proof::Confirmed;

    /// The calls that kill, most reversible first.
    fn kills(&self) -> Result<Vec<Call>, Outcome>;

    /// What the answer to any of them means.
    fn killed(&self, to: &'static str, answer: &Answer) -> Result<Killed, Outcome>;

    /// The call that asks whether the credential lives.
    fn question(&self) -> Result<Call, Outcome>;

    /// What its answer means. `accepted`: the provider has taken the
    /// revocation before, so that "no such credential" can be believed.
    fn life(&self, to: &'static str, answer: &Answer, accepted: bool) -> Result<Life, Outcome>;

    /// Everything that must not be repeated to anybody.
    fn secrets(&self) -> Vec<&SecretString>;
}

/// What became of the killing calls.
enum Struck {
    /// All were taken, or all but a first one that was refused.
    Killed,
    /// A reversible one was taken, the final one refused.
    Disabled(Outcome),
    /// The provider knows no such credential; `taken` where it did a moment ago.
    Unknown { taken: bool },
}

/// Kills and confirms. With `asked_before`, an earlier attempt may have got
/// through: the provider is asked first, and a credential that it calls dead is
/// not revoked again. Where it cannot tell, a revocation that was never
/// accepted is repeated: a living credential is the greater harm.
pub(super) async fn kill<P: Provider>(provider: &P, asked_before: bool, accepted: bool) -> Outcome {
    if asked_before {
        match ask(provider, accepted).await {
            Ok(Life::Dead) if accepted => return Outcome::Done(P::PROOF),
            Ok(Life::Dead) => return Outcome::Done(Proof::AlreadyDead),
            Ok(Life::Active | Life::Disabled) => {}
            Err(unknown) if accepted => return unknown.after_acceptance(),
            Err(_) => {}
        }
    }
    match strike(provider).await {
        Ok(Struck::Killed) => confirm(provider).await.after_acceptance(),
        Ok(Struck::Disabled(refusal)) => disabled(provider, refusal).await.after_acceptance(),
        Ok(Struck::Unknown { taken }) => unknown(provider, taken || accepted).await,
        Err(outcome) => outcome,
    }
}

/// Makes the calls in their order. A refused one does not keep the next one
/// from being made: it may need another permission.
async fn strike(provider: &impl Provider) -> Result<Struck, Outcome> {
    let (mut taken, mut refused) = (false, None);
    for Call { request, to } in provider.kills()? {
        let answer = send(request, to).await;
        match answer.and_then(|answer| provider.killed(to, &answer)) {
            Ok(Killed::Taken) => (taken, refused) = (true, None),
            Ok(Killed::Unknown) => return Ok(Struck::Unknown { taken }),
            Err(refusal @ Outcome::Fail { .. }) => refused = Some(refusal),
            Err(later) if taken => return Err(later.after_acceptance()),
            Err(later) => return Err(later),
        }
    }
    match refused {
        None => Ok(Struck::Killed),
        Some(refusal) if taken => Ok(Struck::Disabled(refusal)),
        Some(refusal) => Err(refusal),
    }
}

async fn ask(provider: &impl Provider, accepted: bool) -> Result<Life, Outcome> {
    let Call { request, to } = provider.question()?;
    let answer = send(request, to).await?;
    provider.life(to, &answer, accepted)
}

async fn confirm<P: Provider>(provider: &P) -> Outcome {
    match ask(provider, true).await {
        Ok(Life::Dead | Life::Disabled) => Outcome::Done(P::PROOF),
        Ok(Life::Active) => Outcome::retry(
            "the provider accepted the revocation, but the credential is still active",
        ),
        Err(unclear) => unclear,
    }
}

/// What cannot be used is dead for us, even if it could not be removed.
async fn disabled<P: Provider>(provider: &P, refusal: Outcome) -> Outcome {
    match ask(provider, true).await {
        Ok(Life::Dead) => Outcome::Done(P::PROOF),
        Ok(Life::Disabled) => Outcome::Done(Proof::Disabled),
        Ok(Life::Active) => refusal,
        Err(unclear) => unclear,
    }
}

/// A provider that knows no such credential is right, or was asked for another.
async fn unknown<P: Provider>(provider: &P, accepted: bool) -> Outcome {
    match ask(provider, accepted).await {
        Ok(Life::Dead) if accepted => Outcome::Done(P::PROOF),
        Ok(Life::Dead) => Outcome::Done(Proof::AlreadyDead),
        Ok(Life::Active | Life::Disabled) if !accepted => Outcome::fail(
            "the provider knows no such credential, yet it lives; hint: check the ids in \
             [credential.revoke]",
        ),
        Ok(Life::Active | Life::Disabled) => {
            Outcome::retry("the provider removed the credential, but it is still active")
                .after_acceptance()
        }
        Err(unclear) if accepted => unclear.after_acceptance(),
        Err(unclear) => unclear,
    }
}
