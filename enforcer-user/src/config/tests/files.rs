//! Files that are no settings at all.

use std::path::Path;

use crate::config::source::MAX_FILE;
use crate::config::tests::without_folder;
use crate::config::{DEFAULT_CONFIG, Settings, toml_files};

fn refused(make: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("enforcer.toml");
    make(&path);
    let errors = Settings::load(&path).expect_err("refused");
    without_folder(&errors, folder.path())
}

#[test]
fn unreadable_files_are_explained() {
    insta::assert_snapshot!("missing_file", refused(|_| ()));
    let folder = |path: &Path| std::fs::create_dir(path).expect("made");
    insta::assert_snapshot!("folder_instead_of_file", refused(folder));
    let device = |path: &Path| std::os::unix::fs::symlink("/dev/zero", path).expect("linked");
    insta::assert_snapshot!("device_instead_of_file", refused(device));
    let binary = |path: &Path| std::fs::write(path, b"version = 1\n\xff\xfe").expect("written");
    insta::assert_snapshot!("not_utf8", refused(binary));
    let huge = |path: &Path| {
        std::fs::File::create(path).and_then(|file| file.set_len(MAX_FILE + 1)).expect("grown");
    };
    insta::assert_snapshot!("huge_file", refused(huge));
}

#[test]
fn the_missing_default_file_is_told_from_any_other() {
    // A developer's machine may have one; then there is nothing to test.
    if let Err(errors) = Settings::load(Path::new(DEFAULT_CONFIG)) {
        insta::assert_snapshot!("missing_default_file", errors.to_string());
    }
}

#[test]
fn a_missing_folder_is_an_error_and_an_empty_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(toml_files(folder.path()).expect("readable"), Vec::<std::path::PathBuf>::new());
    let error = toml_files(&folder.path().join("gone")).expect_err("missing");
    insta::assert_snapshot!("missing_folder", without_folder(&error.into(), folder.path()));
}

#[test]
fn nul_bytes_byte_order_marks_and_long_lines_do_not_panic() {
    for text in
        ["\0", "\u{feff}version = 1", "version = 1\r\n\r\nx = 1", "x = \"\u{1F600}", "\n\n\n"]
    {
        drop(super::load(text));
    }
    let long = format!("version = 1\nroot = \"{}\"", "é".repeat(100_000));
    let shown = super::load(&long.replace("root", "rooot")).expect_err("unknown key").to_string();
    assert!(shown.len() < 4_000, "{} bytes", shown.len());
}

#[test]
fn a_file_full_of_errors_shows_the_first_two_hundred() {
    let text =
        (0..5_000).fold("version = 1\n".to_owned(), |text, i| text + &format!("key{i} = 1\n"));
    let errors = super::load(&text).expect_err("unknown keys");
    assert_eq!(errors.len(), 5_000);
    assert!(errors.to_string().ends_with("error: and 4800 more errors"));
}
