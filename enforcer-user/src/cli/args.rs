//! What can be typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use clap_complete::Shell;

use crate::cli::adopt::AdoptArgs;
use crate::cli::audit::AuditCommand;
use crate::cli::detach::DetachArgs;
use crate::cli::events::EventsArgs;
use crate::cli::exec::ExecArgs;
use crate::cli::explain::ExplainArgs;
use crate::cli::orders::{QuarantineArgs, ReleaseArgs, RevokeArgs};
use crate::cli::output::OutputArgs;
use crate::cli::wait_ready::WaitReadyArgs;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  bad usage, or an invalid config or policy
  3  the host cannot enforce
  4  the daemon does not answer";

/// Keep agents to their egress policy, in the kernel
///
/// An agent reaches only what its policy names, no faster than it is allowed.
/// When it breaks its policy the kernel cuts it off, and the credentials it
/// holds are revoked at their providers.
#[derive(Debug, Parser)]
#[command(name = "enforcer", version, after_help = EXIT_CODES, propagate_version = true)]
pub(crate) struct Cli {
    /// Settings file [default: /etc/enforcer/enforcer.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// One command each.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the daemon: enforce, watch, revoke
    ///
    /// Runs in the foreground and logs to stderr. SIGHUP reloads, SIGTERM ends the
    /// daemon and leaves the enforcement in force.
    Run,
    /// Check settings, policies and credentials; report every error at once
    #[command(after_help = "\
Examples:
  enforcer check
  enforcer check --config staging.toml
  enforcer check policies/lead-enricher.toml")]
    Check {
        /// Policy files to check instead of the configured folders
        policies: Vec<PathBuf>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Tell what this host can and cannot enforce, and what each missing piece costs
    Doctor(OutputArgs),
    /// Start a command as an agent, in its cgroup before its first instruction
    Exec(ExecArgs),
    /// Make something that runs already an agent's; its sockets are judged
    Adopt(AdoptArgs),
    /// Show how the daemon and its enforcement are
    Status(OutputArgs),
    /// List the agents: state, traffic, violations, credentials
    Agents(OutputArgs),
    /// List the credentials: holder, state, age, how they are revoked
    Credentials(OutputArgs),
    /// Show what happened, and with --follow what happens
    Events(EventsArgs),
    /// Tell the verdict the kernel would give now, and the rule that gives it
    Explain(ExplainArgs),
    /// Cut an agent off: nothing of it leaves the host until it is released
    Quarantine(QuarantineArgs),
    /// Let a quarantined agent back
    Release(ReleaseArgs),
    /// Revoke a credential at its provider
    Revoke(RevokeArgs),
    /// Read and verify the tamper-evident record of what was done
    Audit {
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Make the daemon read its files anew
    ///
    /// A file with an error changes nothing: the policies in force stay in force.
    Reload(OutputArgs),
    /// Remove all enforcement, on purpose
    Detach(DetachArgs),
    /// Wait until every agent's enforcement is verified
    WaitReady(WaitReadyArgs),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  enforcer completions bash > \
        /usr/share/bash-completion/completions/enforcer")]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page (roff)
    #[command(after_help = "Example:\n  enforcer man | man -l -")]
    Man,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn config_of(line: &str) -> Option<PathBuf> {
        Cli::try_parse_from(line.split(' ')).expect("valid usage").config
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn config_is_accepted_before_and_after_the_command() {
        assert_eq!(config_of("enforcer --config a.toml status"), Some("a.toml".into()));
        assert_eq!(config_of("enforcer status --config a.toml"), Some("a.toml".into()));
        assert_eq!(config_of("enforcer status"), None);
    }

    #[test]
    fn help_reads_well() {
        let mut cli = Cli::command().term_width(80);
        insta::assert_snapshot!(cli.render_long_help());
    }
}
