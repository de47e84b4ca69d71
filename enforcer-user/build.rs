//! Hands the compiled kernel programs to the library: the generated
//! `bpf_object.rs` defines `BPF_OBJECT`, empty when none has been built.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-env-changed=ENFORCER_BPF_OBJECT");
    let object = object_path();
    watch(&object);
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let generated = if object.is_file() { embed(&object, &out) } else { absent() };
    fs::write(out.join("bpf_object.rs"), generated).expect("write bpf_object.rs");
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
    if !object.is_file()
        && let Some(dir) = object.parent()
    {
        // A read-only checkout must still build; cargo then only looks more often.
        drop(fs::create_dir_all(dir));
        println!("cargo::rerun-if-changed={}", dir.display());
        return;
    }
    println!("cargo::rerun-if-changed={}", object.display());
}

fn embed(object: &Path, out: &Path) -> String {
    fs::copy(object, out.join("enforcer.bpf.o")).expect("copy the kernel programs");
    // The ELF reader casts the bytes to structures of 8-byte alignment.
    "#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);
static ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!(concat!(env!(\"OUT_DIR\"), \"/enforcer.bpf.o\")));
/// The kernel programs built into this binary; empty when it was built without them.
static BPF_OBJECT: &[u8] = &ALIGNED.0;
"
    .to_owned()
}

fn absent() -> String {
    "/// The kernel programs built into this binary; empty when it was built without them.
static BPF_OBJECT: &[u8] = &[];
"
    .to_owned()
}
