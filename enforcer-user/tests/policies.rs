//! The policies people can start from are valid and fit the default tables.

use std::path::{Path, PathBuf};

use enforcer_user::cli::check::{Options, VALID, run};
use enforcer_user::compile::compile;
use enforcer_user::config::{Settings, toml_files};
use enforcer_user::policy::{load, load_files};

fn policies() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies")
}

#[test]
fn every_policy_to_start_from_compiles() {
    let files = toml_files(&policies()).expect("the folder is there");
    assert!(files.len() >= 4, "{files:?}");
    let settings = Settings::default();
    for file in files {
        let one = load_files(std::slice::from_ref(&file), &settings);
        let plan = one.and_then(|inventory| compile(&inventory, &settings));
        let plan = plan.unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(plan.agents.len(), 1, "{}", file.display());
    }
}

#[test]
fn they_do_not_contradict_each_other() {
    let files = toml_files(&policies()).expect("the folder is there");
    load_files(&files, &Settings::default()).unwrap_or_else(|errors| panic!("{errors}"));
}

#[test]
fn the_demo_is_valid_as_a_whole() {
    let config = policies().join("demo/enforcer.toml");
    let settings = Settings::load(&config).unwrap_or_else(|errors| panic!("{errors}"));
    let inventory = load(&settings).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(inventory.credentials[0].id.as_str(), "demo-token");
    let plan = compile(&inventory, &settings).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(plan.agents[0].limits.tripwire_count, 3);
    let options = Options { config: Some(config), ..Options::default() };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    assert_eq!(run(&options, &mut out, &mut err).expect("written"), VALID);
    assert!(out.starts_with(b"valid: agents 1, rules 1, prefixes "), "{out:?}");
}
