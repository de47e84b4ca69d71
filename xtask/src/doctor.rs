//! What a developer's host has and lacks. `enforcer doctor` is the one for
//! operators.

use std::path::Path;

use anyhow::Result;

use crate::setup::toolchain::Toolchain;
use crate::setup::{self, Options};
use crate::shell;
use crate::workspace::Workspace;

/// `cargo xtask doctor`: looks, changes nothing.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let root = if shell::is_root() { None } else { Some("tiers bpf and lab and the demo need it") };
    say("root", "this process is root", root);
    let toolchain = Toolchain::find();
    let found = toolchain.as_ref().map_or_else(String::new, Toolchain::to_string);
    let lack = toolchain.is_none().then_some("no way to compile Rust to eBPF: cargo xtask setup");
    say("eBPF compiler", &found, lack);
    let btf = Path::new("/sys/kernel/btf/vmlinux").is_file();
    say(
        "kernel BTF",
        "/sys/kernel/btf/vmlinux",
        (!btf).then_some("the kernel programs do not load"),
    );
    let cgroup2 = shell::mount_point("cgroup2");
    let place = cgroup2.as_ref().map_or_else(String::new, |path| path.display().to_string());
    say("cgroup v2", &place, cgroup2.is_none().then_some("not mounted: nothing can be enforced"));
    for step in setup::missing(workspace, &Options { tests: true, bench: true })? {
        say("setup", "", Some(&step.what));
    }
    Ok(())
}

fn say(what: &str, found: &str, lack: Option<&str>) {
    match lack {
        None => println!("ok       {what}: {found}"),
        Some(lack) => println!("missing  {what}: {lack}"),
    }
}
