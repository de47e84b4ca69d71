//! Every socket that the adopted hold, and what it is.

use std::collections::HashMap;

use crate::sockets::{
    Diag, Grip, Holder, Kind, Netns, Socket, UnixSocket, held, raised, threads_of,
};

/// A socket that is held.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) inode: u32,
    /// At least one.
    pub(super) holders: Vec<Holder>,
    /// `None`: nobody could say.
    pub(super) kind: Option<Kind>,
    /// Index of its network namespace; `None` until it is found in one.
    pub(super) netns: Option<usize>,
    /// As sock_diag lists it; it lists no UDP socket without a port.
    pub(super) socket: Option<Socket>,
    pub(super) unix: Option<UnixSocket>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) found: Vec<Found>,
    pub(super) netns: Vec<Netns>,
    pub(super) problems: Vec<String>,
}

/// Looks at the sockets of these processes, which stand still.
pub(super) fn at(pids: &[u32]) -> Look {
    let netns = Netns::of_threads(&threads_of(pids));
    let mut look = Look { found: Vec::new(), netns, problems: Vec::new() };
    raised(|| held(pids).into_iter().for_each(|(inode, holders)| look.add(inode, holders)));
    for index in 0..look.netns.len() {
        look.ask(index);
    }
    look.found.sort_by_key(|found| found.holders[0]);
    look
}

// === impl Look ===

impl Look {
    fn add(&mut self, inode: u32, holders: Vec<Holder>) {
        let grip = holders.iter().find_map(|&holder| Grip::on(holder, inode).ok());
        let kind = grip.as_ref().and_then(|grip| grip.kind().ok());
        let netns = grip.and_then(|grip| grip.netns().ok()).map(|netns| self.place(netns));
        if kind.is_none() {
            let Holder { pid, fd } = holders[0];
            self.problems.push(format!("nobody can say what descriptor {fd} of process {pid} is"));
        }
        self.found.push(Found { inode, holders, kind, netns, socket: None, unix: None });
    }

    fn place(&mut self, netns: Netns) -> usize {
        let id = netns.id();
        self.netns.iter().position(|known| known.id() == id).unwrap_or_else(|| {
            self.netns.push(netns);
            self.netns.len() - 1
        })
    }

    /// Asks a network namespace about those of its sockets that are here.
    fn ask(&mut self, index: usize) {
        let here: HashMap<u32, usize> = (0..self.found.len())
            .filter(|&at| self.found[at].netns.is_none_or(|netns| netns == index))
            .map(|at| (self.found[at].inode, at))
            .collect();
        let is_unix = |at: &usize| self.found[*at].kind.is_some_and(|k| k.family == libc::AF_UNIX);
        let any_unix = here.values().any(is_unix);
        let asked = self.netns[index].visit(|diag: &mut Diag| {
            let sockets = diag.list(|socket| here.contains_key(&socket.inode))?;
            Ok((sockets, if any_unix { diag.unix() } else { Ok(Vec::new()) }))
        });
        match asked {
            Ok((sockets, unix)) => {
                self.problems.extend(unix.as_ref().err().map(ToString::to_string));
                self.note(index, &here, sockets, unix.unwrap_or_default());
            }
            Err(error) => self.problems.push(error.to_string()),
        }
    }

    fn note(
        &mut self,
        index: usize,
        here: &HashMap<u32, usize>,
        sockets: Vec<Socket>,
        unix: Vec<UnixSocket>,
    ) {
        for socket in sockets {
            if let Some(&at) = here.get(&socket.inode) {
                (self.found[at].socket, self.found[at].netns) = (Some(socket), Some(index));
            }
        }
        let named: HashMap<u32, Option<String>> =
            unix.iter().map(|socket| (socket.inode, socket.name.clone())).collect();
        for mut socket in unix {
            let Some(&at) = here.get(&socket.inode) else { continue };
            // A client has no name: what it is connected to tells more.
            let peer = socket.peer.and_then(|peer| named.get(&peer).cloned().flatten());
            socket.name = socket.name.or(peer);
            self.found[at].unix = Some(socket);
        }
    }
}
