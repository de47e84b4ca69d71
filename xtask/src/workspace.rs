//! Where things are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The repository and the folders that xtask fills under `target/`.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The workspace that this program was built from.
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask has no parent directory")?;
        Ok(Self { root: root.to_path_buf() })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where cargo puts what it builds; follows `CARGO_TARGET_DIR`.
    pub(crate) fn cargo_target(&self) -> PathBuf {
        match std::env::var_os("CARGO_TARGET_DIR") {
            Some(dir) => self.root.join(dir),
            None => self.root.join("target"),
        }
    }

    /// Tools that setup builds or unpacks; nothing else on the host depends on them.
    pub(crate) fn tools(&self) -> PathBuf {
        self.root.join("target/tools")
    }

    /// One log for each tool that setup runs.
    pub(crate) fn logs(&self) -> PathBuf {
        self.tools().join("logs")
    }

    pub(crate) fn bpf_linker(&self) -> PathBuf {
        self.tools().join("bin/bpf-linker")
    }

    /// The compiled kernel programs; `enforcer-user/build.rs` embeds this file.
    pub(crate) fn bpf_object(&self) -> PathBuf {
        self.root.join("target/bpf/enforcer.bpf.o")
    }

    /// The compiled programs of the bench, which reads this file when it starts.
    pub(crate) fn bench_object(&self) -> PathBuf {
        self.root.join("target/bpf/bench.bpf.o")
    }

    /// The kernel programs have a target directory of their own: another
    /// compiler, other flags, and no lock shared with the userland build.
    pub(crate) fn bpf_build(&self) -> PathBuf {
        self.root.join("target/bpf-build")
    }

    /// What the guest boots and where its root file system is put together.
    pub(crate) fn vm(&self) -> PathBuf {
        self.root.join("target/vm")
    }

    /// What each test binary printed in the last run.
    pub(crate) fn test_logs(&self) -> PathBuf {
        self.root.join("target/test-logs")
    }
}
