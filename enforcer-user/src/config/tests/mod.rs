//! Settings: what they mean, and every error message.

mod errors;
mod files;
mod meaning;

use std::path::Path;

use crate::config::{Diagnostics, Settings};

/// Loads `text` as the settings file of a folder of its own.
fn load(text: &str) -> Result<Settings, Diagnostics> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("enforcer.toml");
    std::fs::write(&path, text).expect("written");
    Settings::load(&path)
}

/// Errors with the folder's own name taken out.
fn without_folder(errors: &Diagnostics, folder: &Path) -> String {
    errors.to_string().replace(&folder.to_string_lossy().into_owned(), "DIR")
}
