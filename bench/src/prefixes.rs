//! The destinations that policies of the bench allow, the same in every run.
//! Of `count` prefixes one half is IPv4 and the other IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use enforcer_tests::Random;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

/// The peer's network and address at the far end of the wire, which every
/// policy allows besides.
pub const PEER_NET_V4: &str = "10.78.0.0/24";
/// The same over IPv6.
pub const PEER_NET_V6: &str = "fd78::/64";

/// How long the prefixes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lengths {
    /// As in lists of cloud services: /24, /28, /32; /48, /64, /128.
    Three,
    /// Every length from /8 to /32; from /40 to /64.
    TwentyFive,
}

/// `count` different prefixes in random order; none lies in another, and none
/// is special: not private, loopback, link-local or multicast.
pub fn prefixes(count: u32, lengths: Lengths) -> Vec<IpNet> {
    let half = count.div_ceil(2);
    let mut nets: Vec<IpNet> = match lengths {
        Lengths::Three => three_v4(half).map(IpNet::V4).collect(),
        Lengths::TwentyFive => twenty_five_v4(half).into_iter().map(IpNet::V4).collect(),
    };
    nets.extend(v6(count - half, lengths).map(IpNet::V6));
    let mut random = Random::new(u64::from(count));
    for last in (1..nets.len()).rev() {
        nets.swap(last, random.below(last + 1));
    }
    nets
}

/// An address in one of the prefixes of this family.
pub fn random_in(nets: &[IpNet], random: &mut Random) -> Option<IpAddr> {
    let net = nets.get(random.below(nets.len().max(1)))?;
    let more = random.below(1 << 16) as u128;
    Some(match net {
        IpNet::V4(net) => {
            let host = u32::try_from(more).unwrap_or(0) & u32::from(net.hostmask());
            IpAddr::V4((u32::from(net.network()) | host).into())
        }
        IpNet::V6(net) => {
            IpAddr::V6((u128::from(net.network()) | (more & u128::from(net.hostmask()))).into())
        }
    })
}

/// Each in a /24 of its own; those lie scattered over the whole address space.
fn three_v4(count: u32) -> impl Iterator<Item = Ipv4Net> {
    let scattered = (1_u32..).map(|n| (n.wrapping_mul(0x9e37_79b1) & 0x00ff_ffff) << 8);
    let usable = scattered.map(Ipv4Addr::from).filter(|address| is_ordinary(*address));
    (0_u32..).zip(usable).take(count as usize).filter_map(|(n, address)| {
        let len = [24, 24, 24, 24, 24, 28, 28, 32, 32, 32][n as usize % 10];
        Ipv4Net::new(address, len).ok()
    })
}

fn is_ordinary(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    let special = address.is_private() || address.is_loopback() || address.is_link_local();
    (1..224).contains(&first) && !special
}

/// Short prefixes hold too much to be many: one each of /8 to /16 below
/// 13.0.0.0; then no length may take more than a sixteenth of all addresses.
fn twenty_five_v4(count: u32) -> Vec<Ipv4Net> {
    let mut nets = Vec::new();
    fill(&mut nets, 11 << 24, (8..=16).map(|len| (len, 1)));
    let left = count.saturating_sub(9);
    let mut shares: Vec<(u8, u32)> = (17..=32).map(|len| (len, most(len).min(left / 16))).collect();
    let missing = left - shares.iter().map(|(_, share)| share).sum::<u32>();
    if let Some((_, share)) = shares.last_mut() {
        *share += missing;
    }
    fill(&mut nets, 128 << 24, shares.into_iter());
    nets.truncate(count as usize);
    nets
}

fn most(len: u8) -> u32 {
    1 << (u32::from(len) - 4).min(31)
}

/// One after the other from `start` on; special ones are left out.
fn fill(nets: &mut Vec<Ipv4Net>, start: u32, shares: impl Iterator<Item = (u8, u32)>) {
    let mut next = start;
    for (len, share) in shares {
        let step = 1_u32 << (32 - u32::from(len));
        for _ in 0..share {
            while !is_ordinary(next.into()) {
                next += step;
            }
            nets.extend(Ipv4Net::new(next.into(), len));
            next += step;
        }
    }
}

/// Random networks of 2000::/3: there is so much room that none meets another.
fn v6(count: u32, lengths: Lengths) -> impl Iterator<Item = Ipv6Net> {
    let mut random = Random::new(6);
    (0..count).filter_map(move |n| {
        let high: u64 = (0..4).fold(0, |bits, _| bits << 16 | random.below(1 << 16) as u64);
        let high = high >> 3 | 1 << 61;
        let len = match lengths {
            Lengths::Three => [48, 48, 48, 48, 64, 64, 64, 64, 128, 128][n as usize % 10],
            Lengths::TwentyFive => 40 + u8::try_from(n % 25).unwrap_or(0),
        };
        Some(Ipv6Net::new(Ipv6Addr::from(u128::from(high) << 64), len).ok()?.trunc())
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn lengths_of(nets: &[IpNet], v4: bool) -> BTreeSet<u8> {
        nets.iter().filter(|net| net.addr().is_ipv4() == v4).map(IpNet::prefix_len).collect()
    }

    #[test]
    fn there_are_as_many_as_asked_for_and_all_differ() {
        for lengths in [Lengths::Three, Lengths::TwentyFive] {
            for count in [10, 1_000, 100_000] {
                let nets = prefixes(count, lengths);
                assert_eq!(nets.len(), count as usize, "{lengths:?} {count}");
                assert_eq!(nets.iter().collect::<BTreeSet<_>>().len(), nets.len());
                assert_eq!(nets.iter().filter(|net| net.addr().is_ipv4()).count(), nets.len() / 2);
            }
        }
    }

    #[test]
    fn every_length_occurs() {
        let nets = prefixes(100_000, Lengths::TwentyFive);
        assert_eq!(lengths_of(&nets, true), (8..=32).collect());
        assert_eq!(lengths_of(&nets, false), (40..=64).collect());
        let nets = prefixes(100, Lengths::Three);
        assert_eq!(lengths_of(&nets, true), [24, 28, 32].into());
    }

    #[test]
    fn none_lies_in_another_and_none_is_special() {
        for mut nets in [three_v4(50_000).collect(), twenty_five_v4(500_000)] {
            nets.sort_unstable();
            let nested = |pair: &[Ipv4Net]| pair[0].contains(&pair[1]);
            assert!(!nets.windows(2).any(nested));
            let ends = |net: &Ipv4Net| is_ordinary(net.network()) && is_ordinary(net.broadcast());
            assert!(nets.iter().all(ends));
        }
        let mut nets: Vec<Ipv6Net> = v6(50_000, Lengths::TwentyFive).collect();
        nets.sort_unstable();
        assert!(!nets.windows(2).any(|pair| pair[0].contains(&pair[1])));
    }

    #[test]
    fn a_random_destination_is_in_one_of_the_prefixes() {
        let nets = prefixes(100, Lengths::Three);
        let mut random = Random::new(1);
        for _ in 0..1_000 {
            let address = random_in(&nets, &mut random).expect("there are prefixes");
            assert!(nets.iter().any(|net| net.contains(&address)));
        }
        assert_eq!(random_in(&[], &mut random), None);
    }
}
