//! Which socket options, devices and settings no agent may touch. Constants of
//! the kernel's user interface (`include/uapi/linux`), where each is named.

use core::ptr::{addr_of, read_volatile};

use enforcer_common::COMPUTE_DEVICES;

/// `SOL_*` levels.
const IP: i32 = 0;
const SOCKET: i32 = 1;
const TCP: i32 = 6;
const UDP: i32 = 17;
const UDP_LITE: i32 = 136;
const IPV6: i32 = 41;
const RAW: i32 = 255;
const PACKET: i32 = 263;
const XDP: i32 = 283;

/// Whether an option sends packets by another way than the routing table's,
/// writes headers, or makes the kernel itself send. What is left can be set.
#[inline(always)]
pub(crate) fn diverts(level: i32, name: i32) -> bool {
    match level {
        SOCKET => diverts_socket(name),
        IP => diverts_ipv4(name),
        IPV6 => diverts_ipv6(name),
        // TCP_REPAIR sends what no connection has; TCP_ULP wraps it in ESP.
        TCP => matches!(name, 19 | 31),
        // UDP_ENCAP wraps IPsec; UDP sockets take it by either level.
        UDP | UDP_LITE => name == 100,
        RAW | PACKET | XDP => true,
        _ => false,
    }
}

/// `SO_DONTROUTE`, `SO_BINDTODEVICE`, `SO_MARK` (policy routes), `SO_BINDTOIFINDEX`.
#[inline(always)]
fn diverts_socket(name: i32) -> bool {
    matches!(name, 5 | 25 | 36 | 62)
}

/// `IP_HDRINCL`, `IP_OPTIONS`, `IP_RETOPTS`, `IP_FREEBIND` (a sender's address that is
/// somebody else's: whoever is allowed answers there), IPsec policies, `IP_TRANSPARENT`,
/// `IP_MULTICAST_IF`, the joins and source lists that the kernel announces in IGMP
/// (35, 37 to 39, 41 to 44, 46, 48), `IP_UNICAST_IF`.
#[inline(always)]
fn diverts_ipv4(name: i32) -> bool {
    matches!(name, 3 | 4 | 7 | 15 | 16 | 17 | 19 | 32 | 35 | 37..=39 | 41..=44 | 46 | 48 | 50)
}

/// The RFC 2292 ways to set extension headers (2 to 6), `IPV6_NEXTHOP`,
/// `IPV6_MULTICAST_IF`, joins and source lists (20, 27, 42 to 44, 46, 48), IPsec
/// policies, `IPV6_HDRINCL`, sticky `IPV6_PKTINFO`, hop-by-hop, routing and
/// destination headers (54, 55, 57, 59), `IPV6_TRANSPARENT`, `IPV6_UNICAST_IF`,
/// `IPV6_FREEBIND`.
#[inline(always)]
fn diverts_ipv6(name: i32) -> bool {
    matches!(
        name,
        2..=6 | 9 | 17 | 20 | 27 | 34..=36 | 42..=44 | 46 | 48 | 50 | 54 | 55 | 57 | 59 | 75 | 76 | 78
    )
}

/// `BPF_DEVCG_DEV_CHAR`, `BPF_DEVCG_ACC_MKNOD`.
const CHARACTER: u32 = 2;
const MKNOD: u32 = 1;

/// Whether a device is none of those known to carry no packet, byte or memory past
/// the hooks. `access` is as the kernel gives it: what is wanted in the upper half,
/// the kind in the lower. Numbers are those of `Documentation/admin-guide/devices.txt`.
#[inline(always)]
pub(crate) fn escapes(access: u32, major: u32, minor: u32) -> bool {
    if access >> 16 & MKNOD != 0 {
        return true;
    }
    // Raw disks hold every file there is.
    access & 0xffff != CHARACTER || !(is_harmless(major, minor) || computes(major))
}

#[inline(always)]
fn is_harmless(major: u32, minor: u32) -> bool {
    match major {
        // null, zero, full, random, urandom; not memory and I/O ports.
        1 => matches!(minor, 3 | 5 | 7 | 8 | 9),
        // The machine's screens; from 64 on they are serial lines.
        4 => minor < 64,
        // The caller's terminal, and new ones; not the console, which may be a line.
        5 => minor == 0 || minor == 2,
        // Of all that is "misc", FUSE.
        10 => minor == 229,
        // Terminals of programs.
        136..=143 => true,
        // Accelerators, NVIDIA's processors, graphics.
        261 | 195 | 226 => true,
        _ => false,
    }
}

/// Whether it is one of the processors whose numbers are given out as drivers come.
#[inline(always)]
fn computes(major: u32) -> bool {
    // SAFETY: a constant; volatile because the loader writes it.
    let known = unsafe { read_volatile(addr_of!(COMPUTE_MAJORS)) };
    major != 0 && known.contains(&major)
}

/// Majors of devices that compute and do nothing else, by this kernel's
/// `/proc/devices`; 0 is none.
#[unsafe(no_mangle)]
static COMPUTE_MAJORS: [u32; COMPUTE_DEVICES.len()] = [0; COMPUTE_DEVICES.len()];
