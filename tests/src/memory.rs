//! A memory cgroup whose limit can be drawn tight, in whichever hierarchy the
//! host has the controller.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cgroup;
use crate::lab::Lab;
use crate::sweep::PREFIX;

/// Files of the controller, as the two versions call them.
const V1: [&str; 3] = ["memory.limit_in_bytes", "memory.usage_in_bytes", "memory.failcnt"];
const V2: [&str; 3] = ["memory.max", "memory.current", "memory.events"];

/// One such cgroup; goes, with all that is in it, when it is dropped.
#[derive(Debug)]
pub struct Memory {
    path: PathBuf,
    files: [&'static str; 3],
    /// An agent's cgroup in the other hierarchy, of a host that has two.
    agent: Option<PathBuf>,
}

// === impl Memory ===

impl Memory {
    /// Makes one, without a limit; `None` where there is no such controller.
    pub fn new() -> Option<Self> {
        let name = format!("{PREFIX}{}-memory", std::process::id());
        let (parent, files) = match version_1() {
            Some(parent) => (parent, V1),
            None => (version_2()?, V2),
        };
        let path = parent.join(name);
        fs::create_dir_all(&path).expect("make a memory cgroup");
        Some(Self { path, files, agent: None })
    }

    /// The same for what runs as an agent of the lab: its own cgroup where there
    /// is one hierarchy, one beside it where there are two.
    pub fn of_agent(lab: &Lab, name: &str) -> Option<Self> {
        let mut memory = Self::new()?;
        let own = lab.cgroup(name);
        if memory.files == V1 {
            memory.agent = Some(own);
            return Some(memory);
        }
        hand_down(own.parent()?);
        cgroup::remove(&memory.path);
        memory.path = own;
        Some(memory)
    }

    /// Lets `command` start in it.
    pub fn put(&self, command: &mut Command) {
        for path in std::iter::once(&self.path).chain(&self.agent) {
            cgroup::put(command, path);
        }
    }

    /// Leaves `bytes` more than are in use now.
    pub fn squeeze(&self, bytes: u64) {
        let used: u64 = self.read(self.files[1]).trim().parse().expect("a number of bytes");
        self.limit(&(used + bytes).to_string());
    }

    /// Takes the limit away.
    pub fn relax(&self) {
        self.limit(if self.files == V1 { "-1" } else { "max" });
    }

    /// How often the limit was met.
    pub fn failures(&self) -> u64 {
        let text = self.read(self.files[2]);
        let line = text.lines().find_map(|line| line.strip_prefix("max ")).unwrap_or(&text);
        line.trim().parse().expect("a count")
    }

    fn limit(&self, value: &str) {
        fs::write(self.path.join(self.files[0]), value).expect("set the limit");
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path.join(file)).expect("read a file of the memory cgroup")
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.relax();
        cgroup::remove(&self.path);
    }
}

fn version_1() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").expect("read /proc/mounts");
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let is_memory = |f: &Vec<&str>| f[2] == "cgroup" && f[3].split(',').any(|o| o == "memory");
    fields.into_iter().find(is_memory).map(|fields| PathBuf::from(fields[1]))
}

/// The cgroup2 mount, once its children have the controller.
fn version_2() -> Option<PathBuf> {
    let root = cgroup::mount_point();
    let lists = |file: &Path| fs::read_to_string(file).is_ok_and(|text| text.contains("memory"));
    if !lists(&root.join("cgroup.controllers")) {
        return None;
    }
    hand_down(&root);
    Some(root)
}

fn hand_down(path: &Path) {
    fs::write(path.join("cgroup.subtree_control"), "+memory").expect("hand the controller down");
}
