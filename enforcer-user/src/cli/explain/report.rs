//! The answer of `enforcer explain`.

use enforcer_common::{Hook, Reason};
use serde_json::{Value, json};

use crate::cli::explain::target::Target;
use crate::cli::output::{pairs, plain};
use crate::kernel::Explanation;

/// What the kernel would do, and why.
pub(super) struct Report {
    pub(super) agent: String,
    pub(super) target: Target,
    /// The hook that decided.
    pub(super) hook: Hook,
    pub(super) explanation: Explanation,
    /// `None` when no rule decided.
    pub(super) rule: Option<Rule>,
}

/// The rule that decided.
pub(super) struct Rule {
    pub(super) id: u32,
    /// `None` where the daemon did not say.
    pub(super) text: Option<String>,
    pub(super) location: Option<String>,
}

// === impl Report ===

impl Report {
    pub(super) fn to_json(&self) -> Value {
        let decision = &self.explanation.decision;
        let rule = self
            .rule
            .as_ref()
            .map(|rule| json!({ "id": rule.id, "text": rule.text, "location": rule.location }));
        json!({
            "agent": self.agent,
            "destination": { "ip": self.target.ip, "port": self.target.port },
            "proto": self.target.protocol_name(),
            "verdict": decision.verdict.as_str(),
            "reason": decision.reason.as_str(),
            "hook": self.hook.as_str(),
            "audited": decision.audited,
            "rule": rule,
            "quarantined": self.explanation.quarantined,
            "policy_generation": self.explanation.generation,
        })
    }

    pub(super) fn render(&self) -> String {
        let Explanation { decision, generation, quarantined, .. } = self.explanation;
        let audit = if decision.audited { " (audit mode: would be denied)" } else { "" };
        let verdict = format!("{}{audit}", decision.verdict.as_str().to_uppercase());
        let mut rows = vec![
            ("verdict", format!("{verdict}: {} to {}", plain(&self.agent), self.target)),
            ("reason", format!("{}: {}", decision.reason.as_str(), sentence(decision.reason))),
            ("hook", self.hook.as_str().to_owned()),
        ];
        rows.extend(self.rule.as_ref().map(|rule| ("rule", rule.render())));
        rows.push(("quarantined", if quarantined { "YES" } else { "no" }.to_owned()));
        rows.push(("generation", generation.to_string()));
        pairs(&rows)
    }
}

// === impl Rule ===

impl Rule {
    fn render(&self) -> String {
        match (&self.location, &self.text) {
            (Some(location), Some(text)) => format!("{}: {}", plain(location), plain(text)),
            (None, Some(text)) => plain(text),
            _ => format!(
                "number {} (its text is known to the daemon, which does not answer)",
                self.id
            ),
        }
    }
}

const fn sentence(reason: Reason) -> &'static str {
    match reason {
        Reason::Internal => "the tables contradict themselves",
        Reason::UnboundAgent => "no policy is in force for this agent",
        Reason::Quarantined => "the agent is quarantined; `enforcer release` lets it back",
        Reason::NoRule => "no rule names this address",
        Reason::NoPort => "a rule names this address, none this protocol and port",
        Reason::DenyRule => "a deny rule names it",
        Reason::PacketCap => "the cap on packets is exhausted at this moment",
        Reason::ByteCap => "the cap on bytes is exhausted at this moment",
        Reason::ConnectionCap => "the cap on new connections is exhausted at this moment",
        Reason::NotIp => "neither IPv4 nor IPv6",
        Reason::Truncated => "the packet ends before its headers do",
        Reason::Fragment => "a fragment",
        Reason::SourceRoute => "a source route",
        Reason::UnreadableHeader => "a header that cannot be followed",
        Reason::SocketType => "a kind of socket that cannot be judged",
        Reason::Canary => "the self-check's own destination, always refused",
        Reason::SocketOption => "a socket option that sends packets another way",
        Reason::Device => "a device that goes past the hooks",
        Reason::KernelSetting => "a kernel setting that is not the agent's to change",
        Reason::UnixPeer => "a Unix socket outside the agent that its policy does not name",
        Reason::ForeignSocket => "a socket that was made outside the agent's cgroup",
        Reason::Interface => "an interface that the policy does not name",
        Reason::Escape => "an attempt to leave the cgroup",
        Reason::Tamper => "an attempt on the enforcement itself",
        Reason::Privilege => "a privilege that no agent has",
        Reason::Inbound => "a packet from a peer that the agent may not answer",
        Reason::Reset => "the last word of a connection that was cut",
        Reason::Rule => "an allow rule names it",
    }
}

#[cfg(test)]
mod tests {
    use enforcer_common::{Decision, NO_RULE};

    use super::*;

    fn report(reason: Reason, rule: Option<Rule>) -> Report {
        let id = rule.as_ref().map_or(NO_RULE, |rule| rule.id);
        let decision = Decision { verdict: reason.verdict(), reason, rule: id, audited: false };
        Report {
            agent: "lead-enricher".into(),
            target: "203.0.113.9:443".parse().expect("valid"),
            hook: Hook::Connect4,
            explanation: Explanation { decision, policy_id: 3, generation: 7, quarantined: false },
            rule,
        }
    }

    fn allow_rule() -> Rule {
        Rule {
            id: 2,
            text: Some("allow 203.0.113.0/24 tcp/443".into()),
            location: Some("/etc/enforcer/policies.d/lead-enricher.toml:9".into()),
        }
    }

    #[test]
    fn an_allowed_flow_names_its_rule() {
        insta::assert_snapshot!(report(Reason::Rule, Some(allow_rule())).render());
    }

    #[test]
    fn a_denied_flow_says_why_in_words() {
        insta::assert_snapshot!(report(Reason::NoRule, None).render());
    }

    #[test]
    fn without_the_daemon_the_rule_has_a_number() {
        let rule = Rule { text: None, location: None, ..allow_rule() };
        insta::assert_snapshot!(report(Reason::DenyRule, Some(rule)).render());
    }

    #[test]
    fn programs_get_all_of_it() {
        insta::assert_json_snapshot!(report(Reason::Rule, Some(allow_rule())).to_json());
    }
}
