//! Cloud metadata services hand out the host's own credentials to whoever asks.
//! They are denied unless an allow rule names exactly their address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::policy::Policy;

/// Each service's address.
const SERVICES: [IpAddr; 4] = [
    // AWS, Google Cloud, Azure and others.
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    // AWS over IPv6.
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    // Alibaba Cloud.
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    // Oracle Cloud.
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
];

/// The services that this policy does not allow by their own address.
pub(super) fn denied(policy: &Policy) -> Vec<IpNet> {
    let hosts = SERVICES.map(IpNet::from).into_iter();
    hosts.filter(|host| !names(policy, host)).collect()
}

fn names(policy: &Policy, host: &IpNet) -> bool {
    policy.rules.iter().any(|rule| rule.allow && rule.to.contains(host))
}
