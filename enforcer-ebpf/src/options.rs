//! Which socket options, devices and settings no agent may touch. Constants of
//! the kernel's user interface (`include/uapi/linux`), where each is named.

/// `SOL_*` levels.
const IP: i32 = 0;
const SOCKET: i32 = 1;
const TCP: i32 = 6;
const UDP: i32 = 17;
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
        // UDP_ENCAP wraps IPsec.
        UDP => name == 100,
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

/// `BPF_DEVCG_DEV_BLOCK`, `BPF_DEVCG_DEV_CHAR`, `BPF_DEVCG_ACC_MKNOD`.
const BLOCK: u32 = 1;
const CHARACTER: u32 = 2;
const MKNOD: u32 = 1;

/// Whether a device carries packets, bytes or memory past the hooks. `access` is as
/// the kernel gives it: what is wanted in the upper half, the kind in the lower.
#[inline(always)]
pub(crate) fn escapes(access: u32, major: u32, minor: u32) -> bool {
    if access >> 16 & MKNOD != 0 {
        return true;
    }
    match access & 0xffff {
        // Raw disks hold every file there is.
        BLOCK => true,
        CHARACTER => match major {
            // Memory, kernel memory, I/O ports.
            1 => matches!(minor, 1 | 2 | 4),
            // TUN, vhost, vsock, KVM and whatever else is "misc"; FUSE is not.
            10 => minor != 229,
            // PPP, USB.
            108 | 189 => true,
            // Serial lines: of the machine (the first 64 are its screens), USB
            // modems and adapters, the hypervisor's; and the console, which is
            // one of them.
            4 => minor >= 64,
            5 => minor == 1,
            166 | 188 | 204 | 229 => true,
            _ => false,
        },
        _ => true,
    }
}
