//! Folders that hold other things than readable files.

use crate::config::Settings;
use crate::policy::load;

#[test]
fn missing_folders_are_both_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings {
        policies: folder.path().join("policies.d"),
        credentials: folder.path().join("credentials.d"),
        ..Settings::default()
    };
    let errors = load(&settings).expect_err("missing");
    let text = errors.to_string().replace(&folder.path().to_string_lossy().into_owned(), "DIR");
    insta::assert_snapshot!(text);
}

#[test]
fn every_file_is_reported_and_other_names_are_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    for part in ["p", "c", "p/folder.toml"] {
        std::fs::create_dir(path(part)).expect("made");
    }
    std::fs::write(path("p/1.toml"), b"\xff").expect("written");
    std::fs::write(path("p/2.toml"), "").expect("written");
    std::fs::write(path("p/3.toml"), "version = 1\nagent = 3").expect("written");
    std::fs::write(path("p/README.md"), "not a policy").expect("written");
    std::os::unix::fs::symlink("/nowhere", path("p/4.toml")).expect("linked");
    std::fs::write(path("c/1.toml"), "version = 1").expect("written");
    let settings = Settings { policies: path("p"), credentials: path("c"), ..Settings::default() };
    let errors = load(&settings).expect_err("bad files");
    let text = errors.to_string().replace(&folder.path().to_string_lossy().into_owned(), "DIR");
    insta::assert_snapshot!(text);
}

#[test]
fn empty_folders_are_a_policy_that_denies_everything() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path().to_path_buf();
    let settings = Settings { policies: here.clone(), credentials: here, ..Settings::default() };
    let inventory = load(&settings).expect("valid");
    assert!(inventory.policies.is_empty() && inventory.credentials.is_empty());
}
