//! Questions to `NETLINK_SOCK_DIAG` (sock_diag(7)).

use std::io;

use enforcer_common::Protocol;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
    NetlinkSerializable,
};
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use netlink_packet_sock_diag::{SockDiagDestroy, SockDiagMessage};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket as Netlink, SocketAddr};

use super::error::SocketsError;
use super::socket::Socket;

/// The kernel fills at most 32 KiB at a time (kernel: `netlink_dump`).
const BUFFER: usize = 1 << 16;

/// A connection to the kernel's list of sockets, of the network namespace that
/// it was opened in.
#[derive(Debug)]
pub struct Diag {
    netlink: Netlink,
    sequence: u32,
}

// === impl Diag ===

impl Diag {
    /// Opens one in the calling thread's network namespace.
    ///
    /// # Errors
    /// The kernel has no sock_diag.
    pub fn open() -> Result<Self, SocketsError> {
        let failed = |e| SocketsError::of("ask for sockets")(e);
        let netlink = Netlink::new(NETLINK_SOCK_DIAG).map_err(failed)?;
        netlink.connect(&SocketAddr::new(0, 0)).map_err(failed)?;
        Ok(Self { netlink, sequence: 0 })
    }

    /// Every socket of TCP and UDP that `wanted` accepts, but those in
    /// `TIME_WAIT`, which nobody has any more.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn list(
        &mut self,
        mut wanted: impl FnMut(&Socket) -> bool,
    ) -> Result<Vec<Socket>, SocketsError> {
        let mut found = Vec::new();
        for (protocol, word) in [(Protocol::TCP, "TCP"), (Protocol::UDP, "UDP")] {
            for (family, id) in [(AF_INET, SocketId::new_v4()), (AF_INET6, SocketId::new_v6())] {
                let states = StateFlags::all().difference(StateFlags::TIME_WAIT);
                let request = request(family, protocol, states, id);
                self.ask(SockDiagMessage::InetRequest(request), NLM_F_DUMP, |answer| {
                    let SockDiagMessage::InetResponse(response) = answer else { return };
                    let socket = Socket::of(protocol, *response);
                    found.extend(wanted(&socket).then_some(socket));
                })
                .map_err(SocketsError::of(format!("list {word} sockets")))?;
            }
        }
        Ok(found)
    }

    /// Ends a socket: whoever holds it gets `ECONNABORTED`, a connected TCP
    /// peer a reset. `false` where it had ended by itself.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn destroy(&mut self, socket: &Socket) -> Result<bool, SocketsError> {
        let id = socket.id.clone();
        let request = request(socket.family, socket.protocol, StateFlags::all(), id);
        let message = SockDiagDestroy::new(SockDiagMessage::InetRequest(request));
        let done = self
            .ask(message, NLM_F_ACK, |_| {})
            .map_err(SocketsError::of(format!("destroy {socket}")));
        match done {
            Ok(()) => Ok(true),
            Err(error) if error.is_gone() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Tries what the rest of this module needs, and harms nobody: no socket has
    /// these ends.
    ///
    /// # Errors
    /// What the kernel refuses: to list sockets, or to destroy one.
    pub fn probe(&mut self) -> Result<(), SocketsError> {
        self.list(|_| false)?;
        let (family, id) = (AF_INET, SocketId::new_v4());
        let message = request(family, Protocol::TCP, StateFlags::all(), id);
        let message = SockDiagDestroy::new(SockDiagMessage::InetRequest(message));
        let tried = self.ask(message, NLM_F_ACK, |_| {});
        match tried.map_err(SocketsError::of("destroy sockets")) {
            Err(error) if !error.is_gone() => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Sends one request and takes its answers, to the last.
    pub(super) fn ask<M: NetlinkSerializable>(
        &mut self,
        message: M,
        flags: u16,
        mut take: impl FnMut(SockDiagMessage),
    ) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        (header.flags, header.sequence_number) = (NLM_F_REQUEST | flags, self.sequence);
        let mut packet = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
        packet.finalize();
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        self.netlink.send(&bytes, 0)?;
        while !self.take_one(&mut take)? {}
        Ok(())
    }

    /// Takes one datagram of answers; whether it was the last.
    fn take_one(&self, take: &mut impl FnMut(SockDiagMessage)) -> io::Result<bool> {
        let mut datagram = Vec::with_capacity(BUFFER);
        self.netlink.recv(&mut datagram, 0)?;
        let mut rest = &datagram[..];
        while !rest.is_empty() {
            let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest);
            let message = message.map_err(io::Error::other)?;
            let step = (message.header.length as usize).next_multiple_of(4);
            rest = rest.get(step..).unwrap_or_default();
            // The end of an earlier request that failed in between.
            if message.header.sequence_number != self.sequence {
                continue;
            }
            match message.payload {
                NetlinkPayload::InnerMessage(answer) => take(answer),
                NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                NetlinkPayload::Done(_) | NetlinkPayload::Error(_) => return Ok(true),
                NetlinkPayload::Noop => {}
                // Lost answers, or a kind this library does not know yet.
                NetlinkPayload::Overrun(_) | _ => {
                    return Err(io::Error::other("the kernel lost answers"));
                }
            }
        }
        Ok(false)
    }
}

fn request(family: u8, protocol: Protocol, states: StateFlags, id: SocketId) -> InetRequest {
    InetRequest {
        family,
        protocol: protocol.0,
        extensions: ExtensionFlags::empty(),
        states,
        socket_id: id,
    }
}
