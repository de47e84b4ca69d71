//! `DEST[:PORT[/PROTO]]`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use enforcer_common::{Flow, Protocol};

/// A destination as typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// The address; IPv4 where it was typed as v4-mapped.
    pub(super) ip: IpAddr,
    /// 0 for protocols without ports.
    pub(super) port: u16,
    /// The protocol.
    pub(super) protocol: Protocol,
}

// === impl Target ===

impl Target {
    /// The flow that it stands for.
    pub(super) fn flow(&self) -> Flow {
        Flow::of_call(self.ip.into(), self.port, self.protocol)
    }

    /// `tcp`, `udp`, `icmp` or the protocol's number.
    pub(super) fn protocol_name(&self) -> String {
        match self.protocol {
            Protocol::TCP => "tcp".to_owned(),
            Protocol::UDP => "udp".to_owned(),
            Protocol::ICMP | Protocol::ICMPV6 => "icmp".to_owned(),
            Protocol(number) => number.to_string(),
        }
    }
}

impl FromStr for Target {
    type Err = String;

    /// The error is a sentence for the command line.
    fn from_str(text: &str) -> Result<Self, String> {
        let (place, protocol) = match text.rsplit_once('/') {
            Some((place, protocol)) => (place, protocol),
            None => (text, "tcp"),
        };
        let (address, port) = split_port(place);
        let ip = address.parse::<IpAddr>().map_err(|_| not_an_address(address))?.to_canonical();
        let protocol = parse_protocol(protocol, ip.is_ipv4())?;
        let port = match port {
            Some(port) => parse_port(port)?,
            None if protocol.has_ports() => {
                return Err(format!("a port is needed: {}", example(ip)));
            }
            None => 0,
        };
        if port != 0 && !protocol.has_ports() {
            return Err("this protocol has no ports".to_owned());
        }
        Ok(Self { ip, port, protocol })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ip, port, protocol } = self;
        let name = self.protocol_name();
        match (protocol.has_ports(), ip) {
            (false, ip) => write!(f, "{ip}/{name}"),
            (true, IpAddr::V4(ip)) => write!(f, "{ip}:{port}/{name}"),
            (true, IpAddr::V6(ip)) => write!(f, "[{ip}]:{port}/{name}"),
        }
    }
}

/// A bare IPv6 address has colons and no port.
fn split_port(place: &str) -> (&str, Option<&str>) {
    match place.strip_prefix('[').and_then(|place| place.split_once(']')) {
        Some((address, "")) => return (address, None),
        Some((address, rest)) if rest.starts_with(':') => return (address, Some(&rest[1..])),
        _ => {}
    }
    match place.split_once(':') {
        Some((address, port)) if !port.contains(':') => (address, Some(port)),
        _ => (place, None),
    }
}

fn parse_port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| format!("{text:?} is not a port (0-65535)"))
}

fn parse_protocol(text: &str, v4: bool) -> Result<Protocol, String> {
    match text {
        "tcp" => Ok(Protocol::TCP),
        "udp" => Ok(Protocol::UDP),
        "icmp" if v4 => Ok(Protocol::ICMP),
        "icmp" => Ok(Protocol::ICMPV6),
        number => match number.parse() {
            Ok(number) if number != 0 => Ok(Protocol(number)),
            _ => Err(format!("{text:?} is not tcp, udp, icmp or a protocol number (1-255)")),
        },
    }
}

fn not_an_address(text: &str) -> String {
    format!("{text:?} is not an IP address; names are not judged, the addresses behind them are")
}

fn example(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => format!("{ip}:443"),
        IpAddr::V6(ip) => format!("[{ip}]:443"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_reads_back_as_it_is_shown() {
        let forms = [
            ("10.0.0.1:443", "10.0.0.1:443/tcp"),
            ("10.0.0.1:53/udp", "10.0.0.1:53/udp"),
            ("[2001:db8::1]:443", "[2001:db8::1]:443/tcp"),
            ("[::ffff:10.0.0.1]:443", "10.0.0.1:443/tcp"),
            ("10.0.0.1/icmp", "10.0.0.1/icmp"),
            ("2001:db8::1/icmp", "2001:db8::1/icmp"),
            ("[2001:db8::1]/47", "2001:db8::1/47"),
        ];
        for (typed, shown) in forms {
            let target: Target = typed.parse().expect(typed);
            assert_eq!(target.to_string(), shown);
            assert_eq!(shown.parse(), Ok(target));
        }
    }

    #[test]
    fn what_is_wrong_is_said_and_nothing_panics() {
        let wrong = [
            "",
            ":",
            "/",
            "10.0.0.1",
            "2001:db8::1",
            "[2001:db8::1",
            "[::1]443",
            "10.0.0.1:99999",
            "10.0.0.1:443/",
            "10.0.0.1:443/0",
            "10.0.0.1:443/icmp",
            "example.com:443",
            "10.0.0.1:/tcp",
        ];
        let errors: Vec<_> = wrong
            .iter()
            .map(|text| format!("{text:<20} {}", text.parse::<Target>().expect_err(text)))
            .collect();
        insta::assert_snapshot!(errors.join("\n"));
    }
}
