//! Mode, caps and tripwire as the kernel reads them.

use std::time::Duration;

use enforcer_common::{AgentLimits, Cap, TRIPWIRE_MAX};

use crate::config::{Diagnostic, Diagnostics};
use crate::policy::{Mode, Policy, Rate};

/// Records an agent may cause where its policy says nothing.
const RECORDS: Rate = Rate { units: 100, period: Duration::from_secs(1), burst: 200 };

/// Everything about an agent but its addresses.
pub(super) fn limits(policy: &Policy) -> Result<AgentLimits, Diagnostics> {
    let (tripwire_count, tripwire_window_ns) = tripwire(policy)?;
    let cap = |what, rate: Option<Rate>| rate.map_or(Ok(Cap::NONE), |rate| cap(policy, what, rate));
    Ok(AgentLimits {
        flags: flags(policy),
        tripwire_count,
        tripwire_window_ns,
        packets: cap("packets", policy.limits.packets)?,
        bytes: cap("bytes", policy.limits.bytes)?,
        connections: cap("connections", policy.limits.connections)?,
        records: cap("events", Some(policy.limits.events.unwrap_or(RECORDS)))?,
        ..AgentLimits::default()
    })
}

fn flags(policy: &Policy) -> u32 {
    let audit = if policy.mode == Mode::Audit { AgentLimits::AUDIT } else { 0 };
    let any = policy.process.interfaces.is_empty();
    audit | if any { 0 } else { AgentLimits::INTERFACES }
}

fn tripwire(policy: &Policy) -> Result<(u32, u64), Diagnostics> {
    let Some(response) = policy.tripwire() else { return Ok((0, 0)) };
    let window = u64::try_from(response.within.as_nanos()).ok();
    match (u32::try_from(response.count), window) {
        (Ok(count), Some(window)) if count as usize <= TRIPWIRE_MAX => Ok((count, window)),
        _ => {
            let message = format!("the kernel's tripwire counts to {TRIPWIRE_MAX} at most");
            Err(does_not_fit(policy, message))
        }
    }
}

fn cap(policy: &Policy, what: &str, rate: Rate) -> Result<Cap, Diagnostics> {
    let period = u64::try_from(rate.period.as_nanos()).unwrap_or(u64::MAX);
    let cap = Cap::new(rate.units, period, rate.burst);
    cap.ok_or_else(|| does_not_fit(policy, format!("the {what} cap does not fit the kernel")))
}

fn does_not_fit(policy: &Policy, what: String) -> Diagnostics {
    let line = policy.location.line as usize;
    let message = format!("agent `{}`: {what}", policy.agent);
    Diagnostic::line(&policy.location.file, line, message).into()
}
