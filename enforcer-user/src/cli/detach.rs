//! `enforcer detach`.

use std::path::Path;

use clap::Args;

use crate::cli::client::Client;
use crate::cli::failure::{Code, Failure};
use crate::cli::output::print;
use crate::cli::{exec, orders, settings};
use crate::config::Settings;
use crate::daemon::protocol::Request;
use crate::kernel;

/// Of `enforcer detach`.
#[derive(Args, Debug)]
#[command(after_help = "\
The daemon ends with it. Without a daemon the pinned programs and maps are removed directly.
Quarantines end too: every agent reaches whatever the host reaches.")]
pub(crate) struct DetachArgs {
    /// Confirm that nothing is to be enforced any more
    #[arg(long)]
    yes_stop_enforcing: bool,
}

pub(crate) fn run(config: Option<&Path>, args: &DetachArgs) -> Result<(), Failure> {
    if !args.yes_stop_enforcing {
        return Err(Failure::new(Code::Usage, "detach ends all enforcement on this host")
            .hint("confirm with `enforcer detach --yes-stop-enforcing`"));
    }
    let settings = settings::load(config)?;
    match Client::connect(&settings.control_socket) {
        Ok(mut daemon) => print(&orders::outcome(&daemon.ask(&Request::Detach)?)?)?,
        Err(_) => alone(&settings)?,
    }
    exec::remove_folders(&settings);
    Ok(())
}

/// A daemon that is there and does not answer is not passed over: it would put
/// everything back.
fn alone(settings: &Settings) -> Result<(), Failure> {
    kernel::detach(&settings.bpf_dir)?;
    print("no daemon answered; its pinned programs and maps are removed, nothing is enforced")
}
