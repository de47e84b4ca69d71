//! The child: one thread, no state, ends with its parent.

use std::io::{self, BufRead, Write};
use std::path::Path;
use std::process::ExitCode;

use nix::sys::prctl;
use nix::sys::signal::Signal;

use super::place::{self, enter};
use super::report::{Order, Report};
use super::shots;

/// Reads orders from stdin and answers on stdout until stdin ends.
pub fn main() -> ExitCode {
    match serve(io::stdin().lock(), io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("prober: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(orders: impl BufRead, mut reports: impl Write) -> io::Result<()> {
    // While it is inside, the agent must not be able to look into it, and it
    // must not outlive the daemon there.
    prctl::set_dumpable(false)?;
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    let home = place::home()?;
    for line in orders.lines() {
        let order: Order = serde_json::from_str(&line?)?;
        let report = carry_out(&order.cgroup, &home)?;
        serde_json::to_writer(&mut reports, &report)?;
        reports.write_all(b"\n")?;
        reports.flush()?;
    }
    Ok(())
}

/// An error means that the process could not come back, and ends it.
fn carry_out(cgroup: &Path, home: &Path) -> io::Result<Report> {
    if place::is_frozen(cgroup) {
        return Ok(Report { frozen: true, ..Report::default() });
    }
    match enter(cgroup) {
        Ok(place) => {
            let shots = shots::fire();
            place.leave(home)?;
            Ok(Report { shots, ..Report::default() })
        }
        Err(error) => {
            let failure = Some(format!("enter cgroup {}: {error}", cgroup.display()));
            Ok(Report { failure, ..Report::default() })
        }
    }
}
