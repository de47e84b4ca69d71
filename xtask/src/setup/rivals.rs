//! The firewalls that the bench compares with. Nothing else needs them.

use crate::setup::{Step, apt};
use crate::shell;
use crate::workspace::Workspace;

/// Debian's packages, and a program of each.
const RIVALS: [(&str, &str); 4] =
    [("nftables", "nft"), ("ipset", "ipset"), ("iptables", "iptables"), ("iproute2", "ip")];

/// What is missing; nothing where there are no Debian packages to be had.
pub(crate) fn missing() -> Option<Step> {
    let absent = RIVALS.iter().filter(|(_, program)| shell::which(program).is_none());
    let packages: Vec<&str> = absent.map(|(package, _)| *package).collect();
    if packages.is_empty() || !apt::is_here() {
        return None;
    }
    Some(Step {
        what: format!("Debian packages {} (rivals for the bench)", packages.join(" ")),
        install: Box::new(move |workspace| apt::install(workspace, &packages)),
    })
}

/// Installs what is missing, if it can be had: the bench goes on without it
/// and says so in its rows.
pub(crate) fn ensure(workspace: &Workspace) {
    let Some(step) = missing() else { return };
    eprintln!("setup will install:\n  * {}", step.what);
    if let Err(error) = (step.install)(workspace) {
        eprintln!("setup: the bench goes on without them: {error:#}");
    }
}
