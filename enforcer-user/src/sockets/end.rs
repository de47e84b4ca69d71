//! The end of sockets, wherever they are.

use std::path::Path;

use super::diag::Diag;
use super::error::SocketsError;
use super::netns::Netns;
use super::socket::Socket;
use super::subtree::Subtree;

/// A listener may have accepted one more while it was ended; what is made in
/// spite of a cut is denied packet by packet.
const ROUNDS: u32 = 3;

/// What has ended.
#[derive(Debug, Default)]
pub struct Ended {
    /// The sockets, each with the index of the cgroup it was made in or below.
    pub sockets: Vec<(usize, Socket)>,
    /// What could not be looked at or destroyed, one sentence each.
    pub problems: Vec<String>,
}

/// Destroys those of the sockets made in the cgroups `roots` (absolute) or
/// below that `condemned` picks, which is told the index of the root. Looks
/// into the daemon's own network namespace and into those that processes in
/// the cgroups are in. Blocks.
pub fn end<P: AsRef<Path>>(
    roots: &[P],
    mut condemned: impl FnMut(usize, &Socket) -> bool + Send,
) -> Ended {
    let subtree = Subtree::of(roots);
    let mut ended = Ended::default();
    if subtree.cgroups.is_empty() {
        return ended;
    }
    let mut is_condemned = |socket: &Socket| {
        subtree.cgroups.get(&socket.cgroup_id).is_some_and(|&root| condemned(root, socket))
    };
    for netns in Netns::of_threads(&subtree.threads) {
        let visited = netns.visit(|diag| empty(diag, &mut is_condemned));
        match visited {
            Ok((sockets, problems)) => {
                let of = |socket: Socket| Some((*subtree.cgroups.get(&socket.cgroup_id)?, socket));
                ended.sockets.extend(sockets.into_iter().filter_map(of));
                ended.problems.extend(problems);
            }
            Err(error) => ended.problems.push(error.to_string()),
        }
    }
    ended
}

/// Listeners go first, so that they accept no more.
fn empty(
    diag: &mut Diag,
    is_condemned: &mut impl FnMut(&Socket) -> bool,
) -> Result<(Vec<Socket>, Vec<String>), SocketsError> {
    let (mut gone, mut problems) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut found = diag.list(&mut *is_condemned)?;
        found.sort_by_key(|socket| !socket.state.is_listening());
        let before = gone.len();
        problems.clear();
        for socket in found {
            match diag.destroy(&socket) {
                Ok(true) => gone.push(socket),
                Ok(false) => {}
                Err(error) => problems.push(error.to_string()),
            }
        }
        if gone.len() == before {
            break;
        }
    }
    Ok((gone, problems))
}
