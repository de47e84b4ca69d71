//! Text to policy to plan: an answer or clear errors. The text in front of a
//! line `---` is the policy, what follows it the credentials.
#![no_main]

use enforcer_common::{MAX_PORT_RULES, TRIPWIRE_MAX};
use enforcer_user::compile::{Plan, compile};
use enforcer_user::config::{Diagnostics, Settings};
use enforcer_user::policy::parse;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let (policy, credentials) = match text.split_once("\n---\n") {
        Some((policy, credentials)) => (policy, Some(credentials)),
        None => (text, None),
    };
    let settings = Settings::default();
    match parse(policy, credentials, &settings).and_then(|read| compile(&read, &settings)) {
        Ok(plan) => fits(&plan),
        Err(errors) => are_clear(&errors),
    }
});

/// What the kernel relies on.
fn fits(plan: &Plan) {
    for agent in &plan.agents {
        assert!(agent.limits.tripwire_count as usize <= TRIPWIRE_MAX);
        assert!(agent.lists.iter().all(|list| list.len() <= MAX_PORT_RULES as usize));
        assert!(agent.prefixes.iter().all(|prefix| prefix.len <= 128));
        assert!(agent.prefixes.iter().all(|prefix| (prefix.list as usize) < agent.lists.len()));
        let mut rules = agent.lists.iter().flatten();
        assert!(rules.all(|rule| (rule.rule as usize) < agent.rules.len()));
    }
}

fn are_clear(errors: &Diagnostics) {
    assert!(!errors.is_empty());
    assert!(errors.render(false).starts_with("error: "));
    assert!(errors.iter().all(|error| !error.message.is_empty()));
    drop(errors.to_json().to_string());
}
