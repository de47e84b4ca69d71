//! One address form for both families.

/// An IPv6 address in network order; IPv4 as v4-mapped (RFC 4291 section
/// 2.5.5.2), so that one table serves both and `::ffff:a.b.c.d` cannot be used
/// to walk around an IPv4 rule. Aligned so that BPF copies it in two words.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address(pub [u8; 16]);

/// Bits of the v4-mapped prefix `::ffff:0:0/96`.
const MAPPED_BITS: u8 = 96;

// === impl Address ===

impl Address {
    const LOOPBACK_V6: Self = Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

    /// An IPv4 address given in network order.
    pub const fn v4(octets: [u8; 4]) -> Self {
        let [a, b, c, d] = octets;
        Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d])
    }

    /// Prefix length in the common form of an IPv4 prefix of `len` bits (0–32).
    pub const fn v4_prefix_len(len: u8) -> u8 {
        MAPPED_BITS + len
    }

    /// Whether this is an IPv4 address in mapped form.
    pub fn is_v4(&self) -> bool {
        self.0[..10] == [0; 10] && self.0[10..12] == [0xff; 2]
    }

    /// Equality in one comparison. The derived one compares byte by byte on BPF,
    /// and the verifier follows each of the sixteen ways out to the end.
    #[inline(always)]
    pub const fn is(&self, other: &Self) -> bool {
        let ([a, b], [c, d]) = (self.words(), other.words());
        (a ^ c) | (b ^ d) == 0
    }

    /// The upper and the lower 64 bits, in host order.
    #[inline(always)]
    pub const fn halves(&self) -> [u64; 2] {
        let [high, low] = self.words();
        [u64::from_be(high), u64::from_be(low)]
    }

    /// An address in two words as they lie in memory. What is put together from bytes
    /// stays sixteen of them on BPF, each with a place of its own on the stack.
    #[inline(always)]
    pub const fn of_words(words: [u64; 2]) -> Self {
        // SAFETY: sixteen bytes of integers either way.
        Self(unsafe { core::mem::transmute::<[u64; 2], [u8; 16]>(words) })
    }

    /// The two words.
    #[inline(always)]
    pub const fn words(&self) -> [u64; 2] {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = self.0;
        [u64::from_ne_bytes([a, b, c, d, e, f, g, h]), u64::from_ne_bytes([i, j, k, l, m, n, o, p])]
    }

    /// The address a socket call really reaches: `0.0.0.0` and `::` mean the
    /// host itself (kernel: `ip_route_connect`, `ip6_datagram_connect`).
    #[must_use]
    #[inline(always)]
    pub fn as_destination(self) -> Self {
        if self.is(&Self([0; 16])) {
            return Self::of_words(Self::LOOPBACK_V6.words());
        }
        if self.is(&Self::v4([0; 4])) {
            return Self::of_words(Self::v4([127, 0, 0, 1]).words());
        }
        self
    }
}

#[cfg(feature = "user")]
impl From<std::net::IpAddr> for Address {
    fn from(ip: std::net::IpAddr) -> Self {
        match ip {
            std::net::IpAddr::V4(v4) => Self::v4(v4.octets()),
            std::net::IpAddr::V6(v6) => Self(v6.octets()),
        }
    }
}

#[cfg(feature = "user")]
impl From<Address> for std::net::IpAddr {
    /// IPv4-mapped addresses come back as IPv4.
    fn from(address: Address) -> Self {
        std::net::Ipv6Addr::from(address.0).to_canonical()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unspecified_address_means_the_host_itself() {
        assert_eq!(Address::v4([0; 4]).as_destination(), Address::v4([127, 0, 0, 1]));
        assert_eq!(Address([0; 16]).as_destination().0[15], 1);
    }

    #[test]
    fn neighbours_of_the_unspecified_address_are_left_alone() {
        for near in [Address::v4([0, 0, 0, 1]), Address::v4([1, 0, 0, 0]), Address([1; 16])] {
            assert_eq!(near.as_destination(), near);
        }
    }

    #[test]
    fn only_the_mapped_prefix_is_v4() {
        assert!(Address::v4([1, 2, 3, 4]).is_v4());
        assert!(!Address([0; 16]).is_v4());
        let mut compatible = Address::v4([1, 2, 3, 4]);
        compatible.0[10] = 0xfe;
        assert!(!compatible.is_v4());
    }
}
