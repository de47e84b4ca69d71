//! Destinations: addresses, prefixes and systemd's words for some of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::config::words::{Problem, nearest, quoted};

/// The words of `systemd.resource-control(5)`, `IPAddressAllow=`.
const WORDS: &[&str] = &["any", "localhost", "link-local", "multicast"];

/// Bits of `::ffff:0:0/96` (RFC 4291 section 2.5.5.2).
const MAPPED_BITS: u8 = 96;

const V4_WORDS: [(Ipv4Addr, u8); 4] = [
    (Ipv4Addr::UNSPECIFIED, 0),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
];

const V6_WORDS: [(Ipv6Addr, u8); 4] = [
    (Ipv6Addr::UNSPECIFIED, 0),
    (Ipv6Addr::LOCALHOST, 128),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 64),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
];

/// What one element of `to` means: a word two prefixes, all else one.
/// v4-mapped prefixes come back as IPv4.
///
/// # Errors
/// It is no address, or a prefix with bits behind its length, or a name.
pub(super) fn destinations(text: &str) -> Result<Vec<IpNet>, Problem> {
    if let Some(at) = WORDS.iter().position(|word| *word == text) {
        return Ok(word(at));
    }
    let net = match text.split_once('/') {
        None => text.parse::<IpAddr>().map(IpNet::from).map_err(|_| not_an_address(text))?,
        Some((address, len)) => prefix(text, address, len)?,
    };
    if net.trunc() != net {
        let message = format!("{} has bits set behind its prefix length", quoted(text));
        let (all, one) = (net.trunc(), net.addr());
        return Err(Problem::new(message)
            .hint(format!("write `{all}` for the network or `{one}` for the one address")));
    }
    Ok(vec![unmapped(net)])
}

fn word(at: usize) -> Vec<IpNet> {
    let ((v4, len4), (v6, len6)) = (V4_WORDS[at], V6_WORDS[at]);
    let v4 = Ipv4Net::new(v4, len4).map(IpNet::V4);
    let v6 = Ipv6Net::new(v6, len6).map(IpNet::V6);
    [v4, v6].into_iter().flatten().collect()
}

fn prefix(text: &str, address: &str, len: &str) -> Result<IpNet, Problem> {
    let address: IpAddr = address.parse().map_err(|_| not_an_address(text))?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    // `parse` would also take "+8" and "008".
    let plain = len.len() <= 3 && len.bytes().all(|b| b.is_ascii_digit());
    let len = len.parse::<u8>().ok().filter(|_| plain && (len == "0" || !len.starts_with('0')));
    len.and_then(|len| IpNet::new(address, len).ok()).ok_or_else(|| {
        let message = format!("{} has no valid prefix length", quoted(text));
        Problem::new(message).hint(format!("write a number from 0 to {most} behind the slash"))
    })
}

/// `::ffff:a.b.c.d` is judged as `a.b.c.d`, so a rule for it is one for IPv4.
fn unmapped(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    let (Some(v4), Some(len)) =
        (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(MAPPED_BITS))
    else {
        return net;
    };
    Ipv4Net::new(v4, len).map_or(net, IpNet::V4)
}

fn not_an_address(text: &str) -> Problem {
    if let Some(word) = nearest(text, WORDS) {
        let problem = Problem::new(format!("{} is not an address", quoted(text)));
        return problem.hint(format!("did you mean `{word}`?"));
    }
    let host = text.split('/').next().unwrap_or(text);
    let in_names = |b: u8| b.is_ascii_alphanumeric() || b"-_.*".contains(&b);
    let letters = host.bytes().any(|b| b.is_ascii_alphabetic());
    if letters && host.bytes().all(in_names) {
        let message =
            format!("{} is a name, and names are not supported by this version", quoted(text));
        return Problem::new(message)
            .hint("write the addresses it stands for, such as `192.0.2.7` or `2001:db8::/32`");
    }
    Problem::new(format!("{} is not an address", quoted(text))).hint(
        "write an address or prefix, such as `192.0.2.7`, `10.20.0.0/16`, `2001:db8::/32`, or one of any, localhost, link-local, multicast",
    )
}
