//! Groups: to join one makes the kernel itself send, with the group's address
//! in the packet.

use std::ffi::c_int;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::libc;
use nix::net::if_::if_nametoindex;
use serde_json::json;

use super::{Done, Streams, errno, read};

/// Joins a group on an interface by the option `how`, and stays in it.
pub(super) fn group(streams: &mut Streams, how: &str, group: &str, interface: &str) -> Done {
    let index = if_nametoindex(interface)?;
    let (any, level, value) = match read(group)? {
        IpAddr::V4(group) => ("0.0.0.0:0", libc::IPPROTO_IP, of_v4(how, group, index)),
        IpAddr::V6(group) => ("[::]:0", libc::IPPROTO_IPV6, of_v6(how, group, index)),
    };
    let (name, value) = value.ok_or(Errno::ENOSYS)?;
    let socket = UdpSocket::bind(any).map_err(|error| errno(&error))?;
    let length = u32::try_from(value.len()).map_err(|_| Errno::EINVAL)?;
    let value = value.as_ptr().cast();
    // SAFETY: a buffer of the length given.
    let joined = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, value, length) };
    Errno::result(joined)?;
    streams.others.push(socket.into());
    Ok(json!({}))
}

/// `IP_ADD_MEMBERSHIP`, `IP_ADD_SOURCE_MEMBERSHIP`, `MCAST_JOIN_GROUP`.
fn of_v4(how: &str, group: Ipv4Addr, index: u32) -> Option<(c_int, Vec<u8>)> {
    let group = group.octets();
    let any = [0; 4];
    let value = match how {
        "member" => (35, [&group[..], &any, &index.to_ne_bytes()].concat()),
        "of-source" => (39, [&group[..], &own_v4(), &[192, 0, 2, 1]].concat()),
        "protocol-free" => {
            let name = [&2_u16.to_ne_bytes()[..], &[0; 2], &group].concat();
            (42, request(index, &name))
        }
        _ => return None,
    };
    Some(value)
}

/// `IPV6_ADD_MEMBERSHIP`, `IPV6_JOIN_ANYCAST`, `MCAST_JOIN_GROUP`.
fn of_v6(how: &str, group: Ipv6Addr, index: u32) -> Option<(c_int, Vec<u8>)> {
    let group = group.octets();
    let value = match how {
        "member" => (20, [&group[..], &index.to_ne_bytes()].concat()),
        "anycast" => (27, [&group[..], &index.to_ne_bytes()].concat()),
        "protocol-free" => {
            let name = [&10_u16.to_ne_bytes()[..], &[0; 6], &group].concat();
            (42, request(index, &name))
        }
        _ => return None,
    };
    Some(value)
}

fn own_v4() -> [u8; 4] {
    crate::AGENT_V4.parse::<Ipv4Addr>().map_or([0; 4], |own| own.octets())
}

/// `struct group_req` of `include/uapi/linux/in.h`.
fn request(index: u32, name: &[u8]) -> Vec<u8> {
    let mut request = [&index.to_ne_bytes()[..], &[0; 4], name].concat();
    request.resize(8 + 128, 0);
    request
}
