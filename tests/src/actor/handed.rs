//! Sockets that were made outside and handed in.

use std::io::IoSliceMut;
use std::net::SocketAddr;
use std::os::fd::RawFd;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, accept, connect, recvmsg, sendto,
};
use serde_json::json;

use super::{Done, read};

/// Does one thing with the descriptor; `address` as `host:port`, or `-`.
pub(super) fn act(how: &str, fd: &str, address: &str) -> Done {
    let fd: RawFd = read(fd)?;
    let to = || read::<SocketAddr>(address).map(SockaddrStorage::from);
    match how {
        "send" => Ok(json!({ "sent": sendto(fd, b"handed", &to()?, MsgFlags::empty())? })),
        "connect" => connect(fd, &to()?).map(|()| json!({})),
        "accept" => accept(fd).map(|fd| json!({ "fd": fd })),
        _ => receive(fd),
    }
}

/// Receives a message; how many descriptors came with it.
fn receive(fd: RawFd) -> Done {
    let mut bytes = [0; 16];
    let mut data = [IoSliceMut::new(&mut bytes)];
    let mut space = cmsg_space!([RawFd; 4]);
    let message = recvmsg::<()>(fd, &mut data, Some(&mut space), MsgFlags::empty())?;
    let count = |message| {
        if let ControlMessageOwned::ScmRights(fds) = message { fds.len() } else { 0 }
    };
    // Truncated: a descriptor was on its way and the kernel did not hand it out.
    let fds = match message.cmsgs() {
        Err(Errno::ENOBUFS) => 0,
        messages => messages?.map(count).sum::<usize>(),
    };
    Ok(json!({ "fds": fds }))
}
