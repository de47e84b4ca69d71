//! nftables.

use std::fmt::Write;
use std::time::Duration;

use anyhow::Result;
use enforcer_tests::netns::Netns;
use ipnet::IpNet;

use super::{BURST, LESS_PATIENCE, PATIENCE, RATE, cgroup_in_words, of_family, run};
use crate::place::Place;

/// How nftables keeps a set of prefixes; which one is faster depends on its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A set of intervals: a tree.
    Tree,
    /// A set of intervals beside a protocol: bitmaps (`pipapo`), with AVX2 where
    /// the processor has it.
    Bitmaps,
}

/// Loads the policy into the namespace.
///
/// # Errors
/// Not installed, refused, or too slow.
pub fn nftables(near: &Netns, place: &Place, nets: &[IpNet], backend: Backend) -> Result<Duration> {
    let patience = if backend == Backend::Tree { PATIENCE } else { LESS_PATIENCE };
    run(near, &["nft", "-f", "-"], &rules(&cgroup_in_words(place), nets, backend), patience)
}

fn rules((cgroup, level): &(String, usize), nets: &[IpNet], backend: Backend) -> String {
    let mut text = String::from("table inet bench {\n");
    let (and, suffix, key) = match backend {
        Backend::Tree => ("", "", ""),
        Backend::Bitmaps => (" . inet_proto", " . 0-255", " . meta l4proto"),
    };
    for (v4, family) in [(true, "ip"), (false, "ip6")] {
        let kind = if v4 { "ipv4_addr" } else { "ipv6_addr" };
        let elements: Vec<String> = of_family(nets, v4).map(|net| net + suffix).collect();
        // Writing to a string cannot fail.
        let _infallible = writeln!(
            text,
            " set {family}_allowed {{ type {kind}{and}; flags interval; elements = {{ {} }} }}",
            elements.join(", ")
        );
    }
    let accept = format!("limit rate {RATE}/second burst {BURST} packets counter accept");
    text + &format!(
        " chain agent {{\n  ip daddr{key} @ip_allowed {accept}\n  ip6 daddr{key} @ip6_allowed {accept}\n  \
         counter drop\n }}\n chain out {{\n  type filter hook output priority 0; policy accept;\n  \
         socket cgroupv2 level {level} \"{cgroup}\" jump agent\n }}\n}}\n"
    )
}

/// Loads a policy of its own for each of the agents, found by one look-up of
/// the cgroup.
///
/// # Errors
/// As [`nftables`].
pub fn nftables_of_many(
    near: &Netns,
    place: &Place,
    names: &[String],
    nets: &[IpNet],
) -> Result<Duration> {
    let (_, level) = cgroup_in_words(place);
    let root = place.root();
    let root = root.strip_prefix("/sys/fs/cgroup").unwrap_or(&root).display().to_string();
    let v4: Vec<String> = of_family(nets, true).collect();
    let (mut text, mut jumps) = (String::from("table inet bench {\n"), Vec::new());
    for name in names {
        let _infallible = writeln!(
            text,
            " set s_{name} {{ type ipv4_addr; flags interval; elements = {{ {} }} }}\n \
             chain c_{name} {{ ip daddr @s_{name} limit rate {RATE}/second burst {BURST} packets counter accept\n counter drop\n }}",
            v4.join(", ")
        );
        jumps.push(format!("\"{root}/{name}\" : jump c_{name}"));
    }
    let _infallible = write!(
        text,
        " chain out {{\n  type filter hook output priority 0; policy accept;\n  \
         socket cgroupv2 level {level} vmap {{ {} }}\n }}\n}}\n",
        jumps.join(", ")
    );
    run(near, &["nft", "-f", "-"], &text, PATIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prefixes::{Lengths, prefixes};

    #[test]
    fn both_families_are_in_the_rules_of_either_backend() {
        let nets = prefixes(10, Lengths::Three);
        for (backend, wants) in [(Backend::Tree, "ip daddr @"), (Backend::Bitmaps, ". 0-255")] {
            let text = rules(&("unified/x/worker".to_owned(), 2), &nets, backend);
            assert!(text.contains(wants), "{text}");
            assert!(nets.iter().all(|net| text.contains(&net.to_string())));
            assert!(text.contains("10.78.0.0/24") && text.contains("fd78::/64"));
            assert!(text.contains("level 2 \"unified/x/worker\" jump agent"));
        }
    }
}
