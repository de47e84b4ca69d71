//! `enforcer status`.

use std::path::Path;

use time::OffsetDateTime;

use crate::cli::client::{self, Client};
use crate::cli::failure::Failure;
use crate::cli::output::{OutputArgs, count, pairs, plain};
use crate::cli::{settings, when};
use crate::daemon::protocol::{Reply, Request, Status};

pub(crate) fn run(config: Option<&Path>, output: OutputArgs) -> Result<(), Failure> {
    let settings = settings::load(config)?;
    let reply = Client::connect(&settings.control_socket)?.ask(&Request::Status)?;
    let Reply::Status(status) = &reply else { return Err(client::unexpected(&reply)) };
    output.print(status, |_| render(status, OffsetDateTime::now_utc()))
}

fn render(status: &Status, now: OffsetDateTime) -> String {
    let mut rows = vec![
        ("state", state(status)),
        ("root", plain(&status.root)),
        ("security hooks", plain(&status.lsm)),
        ("Unix sockets", plain(&status.unix_sockets)),
        ("escape watch", plain(&status.escape_watch)),
        ("generation", generation(status)),
        ("agents", format!("{} ({} quarantined)", status.agents, status.quarantined)),
        ("revocations", revocations(status)),
        ("records lost", status.records_lost.to_string()),
        ("running for", running(status, now)),
        ("version", plain(&status.version)),
    ];
    rows.extend(status.not_ready.iter().map(|why| ("not ready", plain(why))));
    rows.extend(status.reload_error.iter().map(|why| ("last reload", first_line(why))));
    pairs(&rows)
}

/// An error with its source lines is `enforcer check`'s to show.
fn first_line(error: &str) -> String {
    match error.split_once('\n') {
        Some((first, _)) => format!("{} (`enforcer check` shows where)", plain(first)),
        None => plain(error),
    }
}

fn state(status: &Status) -> String {
    let verified = count(u64::from(status.agents), "agent");
    if status.ready {
        format!("ready: enforcement of {verified} verified")
    } else {
        "NOT READY".into()
    }
}

fn generation(status: &Status) -> String {
    let refused = if status.reload_error.is_some() { " (the last reload was refused)" } else { "" };
    format!("{}{refused}", status.generation)
}

fn revocations(status: &Status) -> String {
    let pending = format!("{} pending", status.revocations_pending);
    match status.revocations_dead {
        0 => pending,
        dead => format!("{pending}, {dead} GIVEN UP: a person must act"),
    }
}

fn running(status: &Status, now: OffsetDateTime) -> String {
    let adopted =
        if status.adopted { ", adopted what an earlier daemon left in force" } else { "" };
    format!("{}{adopted}", when::span(now - status.started))
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn status() -> Status {
        Status {
            version: "0.1.0".into(),
            ready: true,
            not_ready: vec![],
            started: datetime!(2026-11-22 10:00 UTC),
            adopted: false,
            generation: 7,
            reload_error: None,
            root: "/sys/fs/cgroup/agents.slice".into(),
            lsm: "28 of 28 hooks by BPF LSM".into(),
            unix_sockets: "judged by the peer's cgroup".into(),
            escape_watch: "on".into(),
            agents: 3,
            quarantined: 1,
            revocations_pending: 0,
            revocations_dead: 0,
            records_lost: 0,
        }
    }

    #[test]
    fn a_ready_daemon_says_so_first() {
        insta::assert_snapshot!(render(&status(), datetime!(2026-11-22 13:12:05 UTC)));
    }

    #[test]
    fn what_is_wrong_is_said_in_words() {
        let status = Status {
            ready: false,
            not_ready: vec!["agent lead-enricher: its cgroup does not exist".into()],
            adopted: true,
            reload_error: Some("policies.d/a.toml:3:1: unknown key `allows`".into()),
            revocations_pending: 2,
            revocations_dead: 1,
            records_lost: 90_210,
            ..status()
        };
        insta::assert_snapshot!(render(&status, datetime!(2026-11-22 10:00:09 UTC)));
    }
}
