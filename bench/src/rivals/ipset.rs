//! iptables with a set of prefixes and a rate for them.

use std::fmt::Write;
use std::time::Duration;

use anyhow::Result;
use enforcer_tests::netns::Netns;
use ipnet::IpNet;

use super::{PATIENCE, cgroup_in_words, of_family, program, run};
use crate::place::Place;

/// The most that `hashlimit` counts to.
const HASHLIMIT: u32 = 1_000_000;

/// Loads the policy into the namespace.
///
/// # Errors
/// Not installed, refused, or too slow.
pub fn ipset(near: &Netns, place: &Place, nets: &[IpNet]) -> Result<Duration> {
    let (cgroup, _) = cgroup_in_words(place);
    let mount = enforcer_tests::cgroup::mount_point();
    // iptables counts from the cgroup2 mount on, nftables from /sys/fs/cgroup.
    let cgroup = match place.agent().strip_prefix(&mount) {
        Ok(path) => path.display().to_string(),
        Err(_) => cgroup,
    };
    let mut took = run(near, &["ipset", "restore"], &sets(nets), PATIENCE)?;
    for (v4, family) in [(true, "ip"), (false, "ip6")] {
        took += run(near, &[&restore(family)?], &rules(&cgroup, v4), PATIENCE)?;
    }
    Ok(took)
}

/// The old tables where they are installed: faster here than their successor.
fn restore(family: &str) -> Result<String> {
    let legacy = format!("{family}tables-legacy-restore");
    if program(&legacy).is_ok() {
        return Ok(legacy);
    }
    let either = format!("{family}tables-restore");
    program(&either).map(str::to_owned)
}

fn sets(nets: &[IpNet]) -> String {
    let mut text = String::new();
    for (v4, set, family) in [(true, "allow4", "inet"), (false, "allow6", "inet6")] {
        let nets: Vec<String> = of_family(nets, v4).collect();
        let (size, most) = (nets.len().next_power_of_two().max(1024), nets.len() + 64);
        // Writing to a string cannot fail.
        let _infallible =
            writeln!(text, "create {set} hash:net family {family} hashsize {size} maxelem {most}");
        for net in nets {
            let _infallible = writeln!(text, "add {set} {net}");
        }
    }
    text
}

fn rules(cgroup: &str, v4: bool) -> String {
    let set = if v4 { "allow4" } else { "allow6" };
    format!(
        "*filter\n:OUTPUT ACCEPT\n:AGENT -\n\
         -A AGENT -m set --match-set {set} dst -m hashlimit --hashlimit-name {set} \
         --hashlimit-upto {HASHLIMIT}/s --hashlimit-burst {HASHLIMIT} -j ACCEPT\n\
         -A AGENT -j DROP\n-A OUTPUT -m cgroup --path {cgroup} -j AGENT\nCOMMIT\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prefixes::{Lengths, prefixes};

    #[test]
    fn sets_have_room_for_what_is_added() {
        let text = sets(&prefixes(2_000, Lengths::Three));
        assert!(text.contains("create allow4 hash:net family inet hashsize 1024 maxelem 1065"));
        assert_eq!(text.lines().filter(|line| line.starts_with("add ")).count(), 2_002);
    }

    #[test]
    fn what_is_not_listed_is_dropped() {
        let text = rules("x/worker", false);
        let (accept, drop) = (text.find("allow6 dst"), text.find("-j DROP"));
        assert!(accept.is_some() && accept < drop, "{text}");
    }
}
