//! Syslog: RFC 5424 messages, octet-counted over TCP (RFC 6587, section 3.4.1)
//! or TLS (RFC 5425).

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use time::UtcOffset;
use time::macros::format_description;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;

use super::target::Line;
use crate::events::EventKind;

/// Longest time for a connection, and for a batch to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is asked whether the peer's host has got everything.
const POLL: Duration = Duration::from_millis(2);
/// "Log audit" (RFC 5424, table 1).
const FACILITY: u8 = 13;
/// `sequenceId` begins anew behind it (RFC 5424, section 7.3.1).
const MAX_SEQUENCE: u64 = 2_147_483_647;

/// A receiver, connected while it answers.
#[derive(Debug)]
pub(super) struct Syslog {
    peer: String,
    port: u16,
    ca: Option<PathBuf>,
    host: String,
    connection: Option<Connection>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + Sync> Stream for T {}

struct Connection {
    stream: Box<dyn Stream>,
    /// The socket below; open as long as `stream` is.
    fd: RawFd,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("fd", &self.fd).finish_non_exhaustive()
    }
}

// === impl Syslog ===

impl Syslog {
    pub(super) fn new(peer: String, port: u16, ca: Option<PathBuf>, host: String) -> Self {
        Self { peer, port, ca, host, connection: None }
    }

    /// Syslog has no answer. Delivered is what the peer's kernel has
    /// acknowledged on a connection that still stands; after an error the
    /// whole batch is sent again, so that some may arrive twice.
    pub(super) async fn send(&mut self, lines: &[Line]) -> Result<(), String> {
        let bytes: String = lines.iter().map(|line| frame(line, &self.host)).collect();
        let mut connection = match self.standing().await {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let sent = timeout(PATIENCE, connection.deliver(bytes.as_bytes())).await;
        sent.map_err(|_| format!("{} takes nothing", self.peer))?
            .map_err(|error| format!("{}: {error}", self.peer))?;
        self.connection = Some(connection);
        Ok(())
    }

    async fn standing(&mut self) -> Option<Connection> {
        let mut connection = self.connection.take()?;
        let ended = connection.ended().await;
        (!ended).then_some(connection)
    }

    async fn connect(&self) -> Result<Connection, String> {
        let (peer, port) = (self.peer.as_str(), self.port);
        let connected = timeout(PATIENCE, self.try_connect()).await;
        let connected = connected.map_err(|_| "no answer in time".to_owned());
        connected
            .and_then(|done| done.map_err(|error| error.to_string()))
            .map_err(|error| format!("connect to {peer} port {port}: {error}"))
    }

    async fn try_connect(&self) -> io::Result<Connection> {
        let tcp = TcpStream::connect((self.peer.as_str(), self.port)).await?;
        tcp.set_nodelay(true)?;
        let fd = tcp.as_raw_fd();
        let Some(ca) = &self.ca else { return Ok(Connection { stream: Box::new(tcp), fd }) };
        let name = ServerName::try_from(self.peer.clone()).map_err(io::Error::other)?;
        let tls = TlsConnector::from(trusting(ca)?).connect(name, tcp).await?;
        Ok(Connection { stream: Box::new(tls), fd })
    }
}

/// Read at each connection: certificates are replaced.
fn trusting(ca: &PathBuf) -> io::Result<Arc<ClientConfig>> {
    let unread = |error| io::Error::other(format!("read {}: {error}", ca.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).map_err(unread)? {
        roots.add(certificate.map_err(unread)?).map_err(io::Error::other)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

// === impl Connection ===

impl Connection {
    /// Whether the peer has closed it; it never says anything.
    async fn ended(&mut self) -> bool {
        let mut byte = [0];
        timeout(Duration::ZERO, self.stream.read(&mut byte)).await.is_ok()
    }

    async fn deliver(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await?;
        let mut byte = [0];
        while unacknowledged(self.fd)? > 0 {
            tokio::select! {
                read = self.stream.read(&mut byte) => {
                    read?;
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
                () = sleep(POLL) => {}
            }
        }
        Ok(())
    }
}

/// Bytes that the peer's kernel has not acknowledged (`SIOCOUTQ` of tcp(7)).
fn unacknowledged(fd: RawFd) -> io::Result<i32> {
    let mut bytes = 0;
    // SAFETY: TIOCOUTQ, which is SIOCOUTQ, writes one `int` to the pointer,
    // which is valid for the call; the descriptor is the connection's own.
    let rc = unsafe { libc::ioctl(fd, libc::TIOCOUTQ, &raw mut bytes) };
    if rc == 0 { Ok(bytes) } else { Err(io::Error::last_os_error()) }
}

/// `LEN SP MSG`, the length in bytes.
fn frame(line: &Line, host: &str) -> String {
    let message = message(line, host);
    format!("{} {message}", message.len())
}

/// Without a byte order mark: receivers that parse JSON do not expect one, and
/// the grammar leaves it out for MSG-ANY.
fn message(line: &Line, host: &str) -> String {
    let form =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:6]Z");
    let time = line.entry.time.to_offset(UtcOffset::UTC);
    let time = time.format(form).unwrap_or_else(|_| "-".into());
    let priority = FACILITY * 8 + severity(line.kind);
    let kind = line.kind.map_or("-", EventKind::as_str);
    let sequence = (line.entry.seq - 1) % MAX_SEQUENCE + 1;
    let version = env!("CARGO_PKG_VERSION");
    let host: String = host.chars().filter(char::is_ascii_graphic).take(255).collect();
    format!(
        "<{priority}>1 {time} {host} enforcer - {kind} \
         [meta sequenceId=\"{sequence}\"][origin software=\"enforcer\" swVersion=\"{version}\"] {}",
        line.text
    )
}

/// RFC 5424, table 2.
const fn severity(kind: Option<EventKind>) -> u8 {
    const ALERT: u8 = 1;
    const ERROR: u8 = 3;
    const WARNING: u8 = 4;
    const NOTICE: u8 = 5;
    const INFORMATIONAL: u8 = 6;
    match kind {
        Some(EventKind::Quarantined | EventKind::Tamper) => ALERT,
        Some(EventKind::Lost) => ERROR,
        Some(EventKind::Denied | EventKind::RateLimited | EventKind::Disconnected) => WARNING,
        Some(
            EventKind::Revocation
            | EventKind::Released
            | EventKind::Adopted
            | EventKind::Policy
            | EventKind::WouldDeny,
        ) => NOTICE,
        Some(EventKind::Connected | EventKind::Daemon) | None => INFORMATIONAL,
    }
}
