//! Valid files with random damage: an answer or clear errors, never a panic.

use proptest::prelude::*;

use crate::compile::compile;
use crate::config::source::Source;
use crate::config::{Diagnostics, Settings};
use crate::policy::parse;

const POLICY: &str = include_str!("../../../../policies/demo/policies.d/demo-agent.toml");
const CREDENTIALS: &str = include_str!("../../../../policies/demo/credentials.d/demo-token.toml");
const SETTINGS: &str = include_str!("../../../../policies/demo/enforcer.toml");

/// Pieces that are likelier than random bytes to get past the syntax.
const PIECES: &[&str] = &[
    "\"",
    "[",
    "]",
    "[[allow]]\n",
    "[[deny]]\n",
    "=",
    "\n",
    "{",
    "}",
    "0",
    "-1",
    "1e9",
    "true",
    "\"any\"",
    "\"tcp/0-0\"",
    "[]",
    "\u{0}",
    "\u{1F600}",
    "'''",
    "\\u0000",
    "2026-99-99",
    "99999999999999999999",
    "[limits]\n",
    "version = 1\n",
    "#",
    ",",
    ".",
    "\"::/0\"",
    "\r",
];

#[derive(Clone, Debug)]
struct Damage {
    at: prop::sample::Index,
    cut: usize,
    put: String,
}

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let put = prop_oneof![
        3 => prop::sample::select(PIECES).prop_map(str::to_owned),
        1 => "\\PC{0,8}",
        2 => Just(String::new()),
    ];
    let one = (any::<prop::sample::Index>(), 0_usize..12, put).prop_map(|(at, cut, put)| Damage {
        at,
        cut,
        put,
    });
    prop::collection::vec(one, 1..5)
}

fn damaged(text: &str, damage: &[Damage]) -> String {
    damage.iter().fold(text.to_owned(), |mut text, damage| {
        let start = text.floor_char_boundary(damage.at.index(text.len() + 1));
        let end = text.ceil_char_boundary((start + damage.cut).min(text.len()));
        text.replace_range(start..end, &damage.put);
        text
    })
}

/// Errors are there, can be shown, and each says something.
fn are_clear(errors: &Diagnostics) -> bool {
    let shown = errors.to_string();
    let coloured = errors.render(true);
    let json = errors.to_json().to_string();
    !errors.is_empty()
        && errors.iter().all(|error| !error.message.is_empty())
        && shown.starts_with("error: ")
        && !coloured.is_empty()
        && json.starts_with('[')
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_damaged_policy_is_read_or_refused(damage in damage()) {
        let settings = Settings::default();
        let read = parse(&damaged(POLICY, &damage), None, &settings);
        let compiled = read.and_then(|inventory| compile(&inventory, &settings));
        if let Err(errors) = compiled {
            prop_assert!(are_clear(&errors), "{}", errors);
        }
    }

    #[test]
    fn a_damaged_credential_file_is_read_or_refused(damage in damage()) {
        let text = damaged(CREDENTIALS, &damage);
        if let Err(errors) = parse(POLICY, Some(&text), &Settings::default()) {
            prop_assert!(are_clear(&errors), "{}", errors);
        }
    }

    #[test]
    fn damaged_settings_are_read_or_refused(damage in damage()) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("enforcer.toml");
        std::fs::write(&path, damaged(SETTINGS, &damage)).expect("written");
        if let Err(errors) = Settings::load(&path) {
            prop_assert!(are_clear(&errors), "{}", errors);
        }
    }

    #[test]
    fn any_text_at_all_is_read_or_refused(text in "\\PC{0,200}") {
        if let Err(errors) = parse(&text, Some(&text), &Settings::default()) {
            prop_assert!(are_clear(&errors), "{}", errors);
        }
    }

    #[test]
    fn any_span_of_any_text_can_be_shown(text in "[\\PC\n\r]{0,60}", a in 0_usize..80, b in 0_usize..80) {
        let source = Source::new(std::path::Path::new("x"), text);
        let spot = source.spot(a..b);
        prop_assert!(spot.line >= 1 && spot.col >= 1);
        prop_assert!(spot.excerpt.get(spot.mark.clone()).is_some());
        let errors = Diagnostics::from(crate::config::Diagnostic::at(spot, "m"));
        prop_assert!(are_clear(&errors));
    }
}
