//! What the process is and has.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::signal::{Signal, raise};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use serde_json::json;

use super::{Done, Streams, errno, read};

/// Open descriptors with what they lead to.
pub(super) fn descriptors() -> Done {
    let own = fs::read_dir("/proc/self/fd").map_err(|error| errno(&error))?;
    let open: BTreeMap<String, String> = own
        .flatten()
        .filter_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned();
            // The listing itself needs one.
            let listing = target.ends_with("/fd");
            (!listing).then(|| (entry.file_name().to_string_lossy().into_owned(), target))
        })
        .collect();
    Ok(json!({ "fds": open }))
}

/// Fields of `/proc/self/status`.
pub(super) fn status() -> Done {
    let text = fs::read_to_string("/proc/self/status").map_err(|error| errno(&error))?;
    let fields: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.trim()))
        .collect();
    Ok(json!({ "status": fields }))
}

/// The cgroup, relative to the cgroup2 mount.
pub(super) fn cgroup() -> Done {
    let text = fs::read_to_string("/proc/self/cgroup").map_err(|error| errno(&error))?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::"));
    Ok(json!({ "cgroup": path }))
}

/// Does nothing for a while.
pub(super) fn sleep(seconds: &str) -> Done {
    std::thread::sleep(Duration::from_secs(read(seconds)?));
    Ok(json!({}))
}

/// Ends with this code.
pub(super) fn exit(code: &str) -> Done {
    std::process::exit(read(code)?)
}

/// Ends by this signal, named as `SIGTERM`.
pub(super) fn kill_self(signal: &str) -> Done {
    raise(read::<Signal>(signal)?)?;
    Ok(json!({}))
}

/// Connects to a Unix socket and keeps the connection.
pub(super) fn unix(streams: &mut Streams, path: &str) -> Done {
    let stream = UnixStream::connect(path).map_err(|error| errno(&error))?;
    streams.others.push(stream.into());
    Ok(json!({}))
}

/// Makes a packet socket and keeps it.
pub(super) fn packet(streams: &mut Streams) -> Done {
    let (kind, flags) = (SockType::Raw, SockFlag::SOCK_CLOEXEC);
    let made = socket(AddressFamily::Packet, kind, flags, SockProtocol::EthAll)?;
    streams.others.push(made);
    Ok(json!({}))
}
