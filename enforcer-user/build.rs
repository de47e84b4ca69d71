//! Puts the compiled kernel programs where the library includes them from:
//! `OUT_DIR/enforcer.bpf.o`, an empty file when none have been built.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-env-changed=ENFORCER_BPF_OBJECT");
    let object = object_path();
    watch(&object);
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let content = if object.is_file() { fs::read(&object) } else { Ok(Vec::new()) };
    let content = content.unwrap_or_else(|error| panic!("read {}: {error}", object.display()));
    fs::write(out.join("enforcer.bpf.o"), content).expect("write into OUT_DIR");
}

fn object_path() -> PathBuf {
    let crate_dir =
        PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    match env::var_os("ENFORCER_BPF_OBJECT") {
        Some(path) => PathBuf::from(path),
        None => crate_dir.join("../target/bpf/enforcer.bpf.o"),
    }
}

/// A path that does not exist makes cargo run this script on every build, and
/// so rebuild the crate each time: the file's directory is made and watched
/// instead, which also notices the file when it appears.
fn watch(object: &Path) {
    if object.is_file() {
        println!("cargo::rerun-if-changed={}", object.display());
    } else if let Some(dir) = object.parent() {
        // A read-only checkout must still build; cargo then only looks more often.
        drop(fs::create_dir_all(dir));
        println!("cargo::rerun-if-changed={}", dir.display());
    }
}
