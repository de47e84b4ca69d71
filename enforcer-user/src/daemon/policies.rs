//! The policies in force, and how they are replaced: whole, or not at all.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use super::files::Files;
use crate::agents::Claims;
use crate::compile::{self, Plan};
use crate::config::Settings;
use crate::policy::{self, AgentName, Credential, Inventory};

/// One generation as the daemon knows it.
#[derive(Debug)]
pub(super) struct InForce {
    /// The settings: as at the start, but for what a reload may change.
    pub(super) settings: Settings,
    /// What the files said.
    pub(super) inventory: Inventory,
    /// Whose cgroups are whose.
    pub(super) claims: Claims,
}

/// The generation in force and the last attempt to replace it.
#[derive(Debug)]
pub(super) struct Policies {
    config: PathBuf,
    in_force: RwLock<Arc<InForce>>,
    refusal: RwLock<Option<String>>,
    /// The files as they were before they were last read.
    seen: Mutex<Files>,
    /// Replacing is one at a time: the kernel has one idle bank.
    changing: Mutex<()>,
}

// === impl InForce ===

impl InForce {
    /// Every agent with a policy.
    pub(super) fn agents(&self) -> impl Iterator<Item = &AgentName> {
        self.inventory.policies.iter().map(|policy| &policy.agent)
    }
}

// === impl Policies ===

impl Policies {
    /// Nothing in force that the daemon knows of.
    pub(super) fn new(config: &Path, settings: &Settings) -> Self {
        let (settings, inventory, claims) =
            (settings.clone(), Inventory::default(), Claims::default());
        Self {
            config: config.to_owned(),
            in_force: RwLock::new(Arc::new(InForce { settings, inventory, claims })),
            refusal: RwLock::default(),
            seen: Mutex::default(),
            changing: Mutex::default(),
        }
    }

    /// The generation in force.
    pub(super) fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Why the last attempt was refused; `None` after a good one.
    pub(super) fn refusal(&self) -> Option<String> {
        self.refusal.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What no agent may write to: the settings, what they name, secrets, and this program.
    pub(super) fn own_files(&self) -> Vec<PathBuf> {
        let in_force = self.in_force();
        let (settings, credentials) = (&in_force.settings, &in_force.inventory.credentials);
        let beside = self.config.parent().unwrap_or(Path::new("/"));
        let folders = [&settings.policies, &settings.credentials, &settings.state_dir];
        let mut own: Vec<_> = folders.into_iter().cloned().collect();
        own.extend(credentials.iter().flat_map(Credential::secret_files).map(Path::to_owned));
        own.extend([self.config.clone(), beside.join("conf.d")]);
        own.extend(std::env::current_exe());
        own
    }

    /// The folders that are read, besides the settings themselves.
    pub(super) fn folders(&self) -> [PathBuf; 4] {
        let beside = self.config.parent().unwrap_or(Path::new("/"));
        let settings = &self.in_force().settings;
        [
            beside.to_owned(),
            beside.join("conf.d"),
            settings.policies.clone(),
            settings.credentials.clone(),
        ]
    }

    /// The files as they are now.
    pub(super) fn look(&self) -> Files {
        Files::look(&self.config, &self.folders())
    }

    /// Whether these are other files than those that were last read.
    pub(super) fn is_news(&self, files: &Files) -> bool {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) != *files
    }

    /// Reads the files anew and hands the plan to `apply`, which puts it in
    /// force or refuses. On any error everything stays as it was.
    ///
    /// # Errors
    /// Every error in the files, or why the plan does not fit, for people.
    pub(super) fn replace(
        &self,
        apply: impl FnOnce(&InForce, &Plan) -> Result<u32, String>,
    ) -> Result<u32, String> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = self.look();
        let read = read(&self.config, &self.in_force().settings);
        let replaced = read.and_then(|(new, plan)| {
            let generation = apply(&new, &plan)?;
            Ok((new, generation))
        });
        let refusal = replaced.as_ref().err().cloned();
        *self.refusal.write().unwrap_or_else(PoisonError::into_inner) = refusal;
        let (new, generation) = replaced?;
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        Ok(generation)
    }
}

/// From the files to a plan, without touching anything.
fn read(config: &Path, running: &Settings) -> Result<(InForce, Plan), String> {
    let written = Settings::load(config).map_err(|errors| errors.render(false))?;
    let settings = changed(running, &written);
    if settings != written {
        // What the next start would refuse is refused now.
        planned(&written)?;
        tracing::warn!("{}: some of what was changed needs a restart", config.display());
    }
    let (inventory, plan) = planned(&settings)?;
    let claims = Claims::of(&plan, &settings.root).map_err(|error| error.to_string())?;
    Ok((InForce { settings, inventory, claims }, plan))
}

fn planned(settings: &Settings) -> Result<(Inventory, Plan), String> {
    let inventory = policy::load(settings).map_err(|errors| errors.render(false))?;
    let plan = compile::compile(&inventory, settings).map_err(|errors| errors.render(false))?;
    Ok((inventory, plan))
}

/// Sockets, tables and the enforced root were made at the start and stay.
fn changed(running: &Settings, written: &Settings) -> Settings {
    Settings {
        policies: written.policies.clone(),
        credentials: written.credentials.clone(),
        storm_budget: written.storm_budget,
        ..running.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Files(tempfile::TempDir);

    impl Files {
        fn new() -> Self {
            let dir = tempfile::tempdir().expect("made");
            let at = dir.path();
            for folder in ["policies", "credentials"] {
                fs::create_dir(at.join(folder)).expect("made");
            }
            let settings = format!(
                "version = 1\npolicies = \"{0}/policies\"\ncredentials = \"{0}/credentials\"\n",
                at.display()
            );
            fs::write(at.join("enforcer.toml"), settings).expect("written");
            Self(dir)
        }

        fn policy(&self, name: &str, text: &str) {
            fs::write(self.0.path().join("policies").join(name), text).expect("written");
        }

        fn policies(&self) -> Policies {
            let config = self.0.path().join("enforcer.toml");
            Policies::new(&config, &Settings::load(&config).expect("good settings"))
        }
    }

    const GOOD: &str =
        "version = 1\nagent = \"a\"\n[[allow]]\nto = [\"10.0.0.0/8\"]\nports = [\"tcp/443\"]\n";

    #[test]
    fn a_bad_file_leaves_the_old_generation_in_force() {
        let files = Files::new();
        files.policy("a.toml", GOOD);
        let policies = files.policies();
        assert_eq!(policies.replace(|_, _| Ok(7)), Ok(7));
        files.policy("b.toml", "version = 1\nagent = \"b\"\nunknown = 1\n");
        let error = policies.replace(|_, _| panic!("applied")).expect_err("refused");
        assert!(error.contains("b.toml") && error.contains("unknown"), "{error}");
        assert_eq!(policies.refusal(), Some(error));
        assert_eq!(policies.in_force().agents().count(), 1);
    }

    #[test]
    fn a_plan_the_kernel_refuses_leaves_the_old_generation_in_force() {
        let files = Files::new();
        let policies = files.policies();
        files.policy("a.toml", GOOD);
        let refused = policies.replace(|_, _| Err("the plan does not fit".to_owned()));
        assert_eq!(refused, Err("the plan does not fit".to_owned()));
        assert_eq!(policies.in_force().agents().count(), 0);
    }

    #[test]
    fn a_reload_cannot_move_the_enforced_root() {
        let files = Files::new();
        let policies = files.policies();
        let config = files.0.path().join("enforcer.toml");
        let moved = fs::read_to_string(&config).expect("there") + "root = \"other.slice\"\n";
        fs::write(&config, moved).expect("written");
        assert_eq!(policies.replace(|_, _| Ok(1)), Ok(1));
        assert_eq!(policies.in_force().settings.root, Path::new("agents.slice"));
    }

    #[test]
    fn a_good_reload_forgets_the_bad_one() {
        let files = Files::new();
        files.policy("a.toml", "nonsense");
        let policies = files.policies();
        assert!(policies.replace(|_, _| Ok(1)).is_err());
        files.policy("a.toml", GOOD);
        assert_eq!(
            policies.replace(|_, plan| {
                assert_eq!(plan.agents.len(), 1);
                Ok(1)
            }),
            Ok(1)
        );
        assert_eq!(policies.refusal(), None);
    }
}
