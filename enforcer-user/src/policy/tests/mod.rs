//! Policies and credentials: what they mean, and every error message.

mod credential_errors;
mod cross_errors;
mod folders;
mod meaning;
mod policy_errors;
mod process_errors;
mod rule_errors;

use crate::config::Settings;
use crate::policy::parse;

/// The errors of each case, under its name.
fn shown(cases: &[(&str, &str)], wrap: impl Fn(&str) -> (String, Option<String>)) -> String {
    let mut shown = String::new();
    for (name, text) in cases {
        let (policy, credentials) = wrap(text);
        let result = parse(&policy, credentials.as_deref(), &Settings::default());
        let errors = result.err().unwrap_or_else(|| panic!("{name}: accepted"));
        let syntax = |message: &str| message.starts_with("not TOML");
        assert!(errors.iter().all(|e| e.hint.is_some() || syntax(&e.message)), "{name}: {errors}");
        shown += &format!("## {name}\n{errors}\n\n");
    }
    shown
}
