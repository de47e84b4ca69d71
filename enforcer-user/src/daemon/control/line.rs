//! Lines of JSON in, lines of JSON out, both bounded in size and time.

use std::io;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::WRITE;
use crate::daemon::protocol::{MAX_LINE, Request};

/// What came instead of a request.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// Too long to be read to its end: the connection is closed.
    #[error("request: longer than {MAX_LINE} bytes")]
    TooLong,
    /// No request; the next line may be one.
    #[error("request: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The client said nothing for too long.
    #[error("request: none within {} s", .0.as_secs())]
    Idle(Duration),
    /// The connection failed.
    #[error("read a request: {0}")]
    Io(#[from] io::Error),
}

/// Reads the next request; `None` when the client is done. Empty lines count
/// as malformed.
pub(super) async fn request<R: AsyncBufRead + Unpin>(
    reader: &mut R,
    idle: Duration,
) -> Result<Option<Request>, Unusable> {
    let mut line = Vec::new();
    let mut bounded = reader.take(MAX_LINE as u64 + 1);
    let read = timeout(idle, bounded.read_until(b'\n', &mut line));
    if read.await.map_err(|_| Unusable::Idle(idle))?? == 0 {
        return Ok(None);
    }
    if line.len() > MAX_LINE {
        return Err(Unusable::TooLong);
    }
    Ok(Some(parse(&line)?))
}

/// serde lets unknown keys pass beside a tag without fields of its own
/// (`deny_unknown_fields` does not reach unit variants), so they are looked for.
fn parse(line: &[u8]) -> serde_json::Result<Request> {
    let given: Value = serde_json::from_slice(line)?;
    let request = Request::deserialize(&given)?;
    let known = serde_json::to_value(&request)?;
    let unknown = given.as_object().and_then(|g| g.keys().find(|k| known.get(k).is_none()));
    match unknown {
        None => Ok(request),
        Some(key) => Err(serde_json::Error::custom(format_args!("unknown field `{key}`"))),
    }
}

/// Writes one value as one line.
pub(super) async fn write<W: AsyncWrite + Unpin>(
    writer: &mut W,
    value: &impl Serialize,
) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    let written = timeout(WRITE, writer.write_all(&line)).await;
    written.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}
