//! `tcp/443`, `udp/8000-8100`, `tcp/any`, `icmp`, `any`.

use crate::config::words::{Problem, one_of, quoted};
use crate::policy::{Ports, Transport};

const FORMS: &str = "write `tcp/443`, `udp/8000-8100`, `tcp/any`, `icmp` or `any`";

/// Every protocol and port.
pub(super) const ALL: Ports = Ports { protocol: Transport::Any, low: 0, high: u16::MAX };

/// What one element of `ports` means.
///
/// # Errors
/// It is none of the forms, or its range is empty or holds port 0.
pub(super) fn ports(text: &str) -> Result<Ports, Problem> {
    let (protocol, range) = match text.split_once('/') {
        Some((protocol, range)) => (protocol, Some(range)),
        None => (text, None),
    };
    let protocol = transport(text, protocol)?;
    let numbered = matches!(protocol, Transport::Tcp | Transport::Udp);
    match (numbered, range) {
        (true, Some("any")) | (false, None) => Ok(Ports { protocol, ..ALL }),
        (true, Some(range)) => {
            let (low, high) = bounds(text, range)?;
            Ok(Ports { protocol, low, high })
        }
        (true, None) => {
            let problem = Problem::new(format!("{} names no port", quoted(text)));
            Err(problem.hint(format!("write `{text}/443`, or `{text}/any` for every port")))
        }
        (false, Some(_)) => {
            let problem = Problem::new(format!("{} cannot have ports", quoted(text)));
            Err(problem.hint(format!("write `{}`, or tcp or udp with ports", protocol.as_str())))
        }
    }
}

fn transport(text: &str, protocol: &str) -> Result<Transport, Problem> {
    match protocol {
        "any" => Ok(Transport::Any),
        "tcp" => Ok(Transport::Tcp),
        "udp" => Ok(Transport::Udp),
        "icmp" => Ok(Transport::Icmp),
        number if number.starts_with(|c: char| c.is_ascii_digit()) => {
            let problem = Problem::new(format!("{} names no protocol", quoted(text)));
            Err(problem.hint(FORMS))
        }
        other => Err(one_of("protocol", other, &["tcp", "udp", "icmp", "any"])),
    }
}

fn bounds(text: &str, range: &str) -> Result<(u16, u16), Problem> {
    let (low, high) = range.split_once('-').unwrap_or((range, range));
    let bad = || {
        let problem = Problem::new(format!("{} has no valid port", quoted(text)));
        problem.hint("ports are 1 to 65535: `tcp/443` or `tcp/8000-8100`")
    };
    let low = port(low).ok_or_else(bad)?;
    let high = port(high).ok_or_else(bad)?;
    if low > high {
        let problem = Problem::new(format!("{} ends before it starts", quoted(text)));
        return Err(problem.hint(format!("write `{high}-{low}`")));
    }
    Ok((low, high))
}

fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| plain && *port != 0)
}
