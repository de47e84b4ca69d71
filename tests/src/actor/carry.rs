//! Calls that send on a socket which is connected already.

use std::ffi::{c_int, c_long, c_void};
use std::io::{IoSlice, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{SpliceFFlags, splice, vmsplice};
use nix::libc;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::sendfile::sendfile;
use nix::sys::socket::{ControlMessage, MsgFlags, send, sendmsg};
use nix::sys::uio::writev;
use nix::unistd::{pipe, write};
use serde_json::json;

use super::aim::set;
use super::{Done, Streams, errno, read, ring};

/// What is sent.
const DATA: &[u8] = &[7; 32];
/// `SO_ZEROCOPY` of `include/uapi/asm-generic/socket.h`.
const ZEROCOPY: c_int = 60;
/// `IOCB_CMD_PWRITE` of `include/uapi/linux/aio_abi.h`.
const PWRITE: u16 = 1;

/// Sends a little on the socket called `name`, by the call named `how`.
pub(super) fn on(streams: &Streams, how: &str, name: &str) -> Done {
    let tcp = streams.tcp.get(name).map(AsRawFd::as_raw_fd);
    let fd = streams.udp.get(name).map(AsRawFd::as_raw_fd).or(tcp).ok_or(Errno::EBADF)?;
    send_by(how, fd)
}

/// The same on a descriptor that was handed in.
pub(super) fn on_handed(how: &str, fd: &str) -> Done {
    send_by(how, read(fd)?)
}

fn send_by(how: &str, fd: RawFd) -> Done {
    // SAFETY: a number that is no descriptor is refused by each of the calls;
    // nobody closes one meanwhile.
    let socket = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
    let bytes = match how {
        "write" => write(socket, DATA)?,
        "writev" => writev(socket, &[IoSlice::new(DATA), IoSlice::new(DATA)])?,
        "send" => send(fd, DATA, MsgFlags::empty())?,
        "sendmsg" => message(fd, &[])?,
        "segments" => message(fd, &[ControlMessage::UdpGsoSegments(&16)])?,
        "sendmmsg" => several(fd)?,
        "sendfile" => sendfile(socket, file()?, None, DATA.len())?,
        "splice" => spliced(socket, |into| write(into, DATA))?,
        "vmsplice" => {
            spliced(socket, |into| vmsplice(into, &[IoSlice::new(DATA)], SpliceFFlags::empty()))?
        }
        "zerocopy" => {
            set(fd, libc::SOL_SOCKET, ZEROCOPY, 1)?;
            send(fd, DATA, MsgFlags::from_bits_retain(libc::MSG_ZEROCOPY))?
        }
        "aio" => submitted(fd)?,
        "uring" => ring::send_on(fd, "plain", DATA)?,
        "uring-polled" => ring::send_on(fd, "polled", DATA)?,
        "uring-zerocopy" => ring::send_zerocopy(fd, DATA)?,
        _ => return Err(Errno::ENOSYS),
    };
    Ok(json!({ "bytes": bytes }))
}

fn message(fd: RawFd, control: &[ControlMessage<'_>]) -> Result<usize, Errno> {
    sendmsg::<()>(fd, &[IoSlice::new(DATA)], control, MsgFlags::empty(), None)
}

fn several(fd: RawFd) -> Result<usize, Errno> {
    let mut data = libc::iovec { iov_base: DATA.as_ptr().cast_mut().cast(), iov_len: DATA.len() };
    // SAFETY: all zero is an empty message.
    let mut messages: [libc::mmsghdr; 2] = unsafe { std::mem::zeroed() };
    for message in &mut messages {
        message.msg_hdr.msg_iov = &raw mut data;
        message.msg_hdr.msg_iovlen = 1;
    }
    // SAFETY: as many messages as said, pointing to a local.
    let sent = Errno::result(unsafe { libc::sendmmsg(fd, messages.as_mut_ptr(), 2, 0) })?;
    Ok(usize::try_from(sent).unwrap_or(0) * DATA.len())
}

fn file() -> Result<OwnedFd, Errno> {
    let file = memfd_create(c"data", MFdFlags::MFD_CLOEXEC)?;
    let mut file = std::fs::File::from(file);
    file.write_all(DATA).map_err(|error| errno(&error))?;
    std::io::Seek::rewind(&mut file).map_err(|error| errno(&error))?;
    Ok(file.into())
}

/// Through a pipe, which never copies into the process again.
fn spliced(
    socket: std::os::fd::BorrowedFd<'_>,
    fill: impl FnOnce(&OwnedFd) -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    let (from, into) = pipe()?;
    let bytes = fill(&into)?;
    splice(from, None, socket, None, bytes, SpliceFFlags::empty())
}

/// `struct iocb` of `include/uapi/linux/aio_abi.h`, little endian.
#[repr(C)]
#[derive(Default)]
struct Iocb {
    data: u64,
    key: u32,
    rw_flags: u32,
    opcode: u16,
    priority: i16,
    fd: u32,
    buffer: u64,
    bytes: u64,
    offset: i64,
    reserved: u64,
    flags: u32,
    result_fd: u32,
}

/// By the older asynchronous calls, `io_submit(2)`.
fn submitted(fd: RawFd) -> Result<usize, Errno> {
    let (mut context, mut event) = (0_u64, [0_i64; 4]);
    let request = Iocb {
        opcode: PWRITE,
        fd: fd.cast_unsigned(),
        buffer: DATA.as_ptr() as u64,
        bytes: DATA.len() as u64,
        ..Iocb::default()
    };
    let requests = [&raw const request];
    // SAFETY: one request, one event, both locals; no time-out.
    let done = unsafe {
        Errno::result(libc::syscall(libc::SYS_io_setup, 1, &raw mut context))?;
        let done = libc::syscall(libc::SYS_io_submit, context, 1, requests.as_ptr());
        let done = Errno::result(done).and_then(|_| {
            let no_end = std::ptr::null::<c_void>();
            let events = event.as_mut_ptr();
            Errno::result(libc::syscall(libc::SYS_io_getevents, context, 1, 1, events, no_end))
        });
        libc::syscall(libc::SYS_io_destroy, context);
        done
    };
    let _count: c_long = done?;
    // `struct io_event`: data, object, result, result2.
    usize::try_from(event[2])
        .map_err(|_| Errno::from_raw(i32::try_from(-event[2]).unwrap_or(libc::EIO)))
}
