//! The client's end of the control socket: blocking, one JSON object a line.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::cli::failure::{Code, Failure};
use crate::daemon::protocol::{EventLine, MAX_LINE, Reply, Request};

/// A daemon that takes longer than this does not answer: it may be stopped.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A connection to the daemon.
pub(crate) struct Client {
    socket: PathBuf,
    stream: BufReader<UnixStream>,
}

// === impl Client ===

impl Client {
    /// Connects to the control socket.
    ///
    /// # Errors
    /// [`Code::NoDaemon`] when nobody answers there.
    pub(crate) fn connect(socket: &Path) -> Result<Self, Failure> {
        Self::connect_for(socket, ANSWER_WITHIN)
    }

    /// As [`Client::connect`], waiting at most `patience` for each answer.
    pub(crate) fn connect_for(socket: &Path, patience: Duration) -> Result<Self, Failure> {
        let stream = UnixStream::connect(socket).map_err(|error| refused(socket, &error))?;
        let client = Self { socket: socket.to_owned(), stream: BufReader::new(stream) };
        client.wait_at_most(Some(patience))?;
        Ok(client)
    }

    fn wait_at_most(&self, patience: Option<Duration>) -> Result<(), Failure> {
        let stream = self.stream.get_ref();
        stream
            .set_read_timeout(patience)
            .and_then(|()| stream.set_write_timeout(patience))
            .map_err(|error| self.lost(&error))
    }

    /// Sends a request and waits for its reply.
    ///
    /// # Errors
    /// [`Code::NoDaemon`] when the daemon goes away or does not answer in
    /// time; [`Code::Failed`] when it says that it could not do it.
    pub(crate) fn ask(&mut self, request: &Request) -> Result<Reply, Failure> {
        self.send(request)?;
        let line = self.line()?.ok_or_else(|| self.hung_up())?;
        understood(&self.socket, &line)
    }

    /// Sends an `events` request; its answer is read with [`Client::event`].
    pub(crate) fn ask_events(&mut self, request: &Request) -> Result<(), Failure> {
        self.send(request)?;
        // Between two events any time may pass.
        self.wait_at_most(None)
    }

    /// The next line of the answer to `events`; `None` at its end. Ends early,
    /// with [`Failure::HungUp`], when nobody reads `reader` any more: the next
    /// event, and with it a failing write, may be hours away.
    pub(crate) fn event(&mut self, reader: BorrowedFd<'_>) -> Result<Option<EventLine>, Failure> {
        if self.stream.buffer().is_empty() {
            self.wait_for_event(reader)?;
        }
        let Some(line) = self.line()? else { return Ok(None) };
        if let Ok(event) = serde_json::from_str(&line) {
            return Ok(Some(event));
        }
        Err(unexpected(&understood(&self.socket, &line)?))
    }

    fn wait_for_event(&self, reader: BorrowedFd<'_>) -> Result<(), Failure> {
        let socket = PollFd::new(self.stream.get_ref().as_fd(), PollFlags::POLLIN);
        // No events asked for: an error is told always.
        let mut fds = [socket, PollFd::new(reader, PollFlags::empty())];
        match poll(&mut fds, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(self.lost(&errno.into())),
        }
        let hung_up = fds[1].revents().is_some_and(|seen| seen.contains(PollFlags::POLLERR));
        if hung_up { Err(Failure::HungUp) } else { Ok(()) }
    }

    fn send(&mut self, request: &Request) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(request)
            .map_err(|error| Failure::failed(format!("write the request as JSON: {error}")))?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line).map_err(|error| self.lost(&error))
    }

    /// One line without its end; `None` where the daemon has said all.
    fn line(&mut self) -> Result<Option<String>, Failure> {
        let mut line = String::new();
        let mut bounded = (&mut self.stream).take(MAX_LINE as u64);
        bounded.read_line(&mut line).map_err(|error| self.lost(&error))?;
        match line.strip_suffix('\n') {
            Some(whole) => Ok(Some(whole.to_owned())),
            None if line.is_empty() => Ok(None),
            None if line.len() < MAX_LINE => Err(self.hung_up()),
            None => Err(Failure::failed(format!("answer longer than {MAX_LINE} bytes"))),
        }
    }

    fn lost(&self, error: &io::Error) -> Failure {
        // Linux says EAGAIN when SO_RCVTIMEO is over.
        let cause = if error.kind() == io::ErrorKind::WouldBlock {
            "no answer in time".to_owned()
        } else {
            error.to_string()
        };
        no_daemon(format!("talk to the daemon at {}: {cause}", self.socket.display()))
    }

    /// The daemon ended, or ended the talk.
    pub(crate) fn hung_up(&self) -> Failure {
        no_daemon(format!("talk to the daemon at {}: it hung up", self.socket.display()))
    }
}

/// A reply of another kind than the request asks for.
pub(crate) fn unexpected(reply: &Reply) -> Failure {
    Failure::failed(format!("the daemon gave an answer that does not fit: {reply:?}"))
        .hint("are the daemon and this command of the same version?")
}

/// A reply; one that says "failed" is an error.
fn understood(socket: &Path, line: &str) -> Result<Reply, Failure> {
    let reply = serde_json::from_str(line).map_err(|error| {
        Failure::failed(format!("understand the daemon at {}: {error}", socket.display()))
            .hint("are the daemon and this command of the same version?")
    })?;
    let Reply::Failed { message, hint } = reply else { return Ok(reply) };
    let failure = Failure::failed(message);
    Err(match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    })
}

fn refused(socket: &Path, error: &io::Error) -> Failure {
    let failure = no_daemon(format!("connect to the daemon at {}: {error}", socket.display()));
    if error.kind() == io::ErrorKind::PermissionDenied {
        return failure.hint("only root may talk to the daemon");
    }
    failure
}

fn no_daemon(message: String) -> Failure {
    Failure::new(Code::NoDaemon, message)
        .hint("is `enforcer run` up? without it what is pinned goes on enforcing, if anything is: `enforcer doctor`")
}

#[cfg(test)]
mod tests;
