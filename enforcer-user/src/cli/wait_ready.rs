//! `enforcer wait-ready`.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use clap::Args;

use crate::cli::client::{self, Client};
use crate::cli::failure::{Code, Failure};
use crate::cli::settings;
use crate::daemon::protocol::{Reply, Request};

/// Of `enforcer wait-ready`.
#[derive(Args, Debug)]
#[command(after_help = "\
Exits 4 when no daemon has answered in time, 3 when one answers and is not ready.

Example:
  enforcer run & enforcer wait-ready --timeout 10s && start-agents")]
pub(crate) struct WaitReadyArgs {
    /// Give up after this long, such as 30s or 2m
    #[arg(long, value_name = "D", default_value = "30s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(100);

pub(crate) fn run(config: Option<&Path>, args: &WaitReadyArgs) -> Result<(), Failure> {
    let socket = settings::load(config)?.control_socket;
    until_ready(&socket, args.timeout)
}

fn until_ready(socket: &Path, timeout: Duration) -> Result<(), Failure> {
    let start = Instant::now();
    loop {
        let left = timeout.saturating_sub(start.elapsed());
        let Err(why) = ask(socket, left.max(PAUSE)) else { return Ok(()) };
        if left.is_zero() {
            return Err(why);
        }
        thread::sleep(PAUSE.min(left));
    }
}

/// `Err` is why it is not ready.
fn ask(socket: &Path, patience: Duration) -> Result<(), Failure> {
    let reply = Client::connect_for(socket, patience)?.ask(&Request::Status)?;
    let Reply::Status(status) = &reply else { return Err(client::unexpected(&reply)) };
    if status.ready { Ok(()) } else { Err(not_ready(&status.not_ready)) }
}

fn not_ready(reasons: &[String]) -> Failure {
    let message = match reasons {
        [] => "the daemon is not ready".to_owned(),
        reasons => format!("the daemon is not ready: {}", reasons.join("; ")),
    };
    Failure::new(Code::CannotEnforce, message)
        .hint("`enforcer status` shows how it is, `enforcer doctor` what the host lacks")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_daemon_in_time_is_exit_4() {
        let dir = tempfile::tempdir().expect("a folder");
        let end = until_ready(&dir.path().join("none.sock"), Duration::from_millis(1));
        assert!(matches!(end, Err(Failure::Error { code: Code::NoDaemon, .. })), "{end:?}");
    }
}
