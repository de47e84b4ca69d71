//! The sockets of agents as the kernel lists them (sock_diag(7)), and their
//! end. A socket lives in a network namespace and belongs to the cgroup that it
//! was made in; both are looked at, whatever process holds the socket now.

mod error;
mod diag;
mod socket;
mod netns;
mod subtree;
mod end;
mod held;
mod kind;
mod grip;
mod unix;

pub use diag::Diag;
pub use end::{Ended, end};
pub use error::SocketsError;
pub use grip::Grip;
pub use held::{Holder, held, holders_of, threads_of};
pub use kind::Kind;
pub use netns::{Netns, raised};
pub use socket::{Socket, State};
pub use subtree::Subtree;
pub use unix::UnixSocket;
