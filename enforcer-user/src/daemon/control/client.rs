//! One client of the control socket.

use std::io;
use std::sync::Arc;

use time::OffsetDateTime;
use tokio::io::{AsyncReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::OwnedSemaphorePermit;

use super::line::{self, Unusable};
use super::{Answers, Gate, IDLE};
use crate::daemon::protocol::{EventLine, Reply, Request};
use crate::events::{Delivery, Event};

/// Serves one client to its end. Without a place it is told to come again.
pub(super) async fn serve<A: Answers>(
    stream: UnixStream,
    gate: Gate,
    place: Option<OwnedSemaphorePermit>,
    answers: Arc<A>,
) {
    let full = place.is_none().then_some("too many clients at once; try again");
    let refusal = gate.refusal(&stream).or(full);
    let (reader, mut writer) = stream.into_split();
    let done = match refusal {
        Some(why) => line::write(&mut writer, &failed(why.to_owned())).await,
        None => converse(BufReader::new(reader), &mut writer, answers.as_ref()).await,
    };
    if let Err(error) = done {
        tracing::debug!("control client hung up: {error}");
    }
}

async fn converse<A: Answers>(
    mut reader: BufReader<OwnedReadHalf>,
    writer: &mut OwnedWriteHalf,
    answers: &A,
) -> io::Result<()> {
    loop {
        match line::request(&mut reader, IDLE).await {
            Ok(None) => return Ok(()),
            Ok(Some(Request::Events { agent, since, follow })) => {
                let wanted = Wanted { agent, since };
                return events(&mut reader, writer, answers, &wanted, follow).await;
            }
            Ok(Some(request)) => {
                line::write(writer, &answers.answer(request).await).await?;
                answers.told();
            }
            Err(why @ Unusable::Malformed(_)) => {
                line::write(writer, &failed(why.to_string())).await?
            }
            Err(why) => return line::write(writer, &failed(why.to_string())).await,
        }
    }
}

struct Wanted {
    agent: Option<String>,
    since: Option<OffsetDateTime>,
}

impl Wanted {
    fn has(&self, event: &Event) -> bool {
        self.since.is_none_or(|since| event.time >= since)
            && self.agent.as_ref().is_none_or(|agent| event.agent.as_ref() == Some(agent))
    }
}

/// Past events, then new ones until the client hangs up.
async fn events<A: Answers>(
    reader: &mut BufReader<OwnedReadHalf>,
    writer: &mut OwnedWriteHalf,
    answers: &A,
    wanted: &Wanted,
    follow: bool,
) -> io::Result<()> {
    let (past, mut new) = answers.hub().subscribe();
    for event in past.into_iter().filter(|e| wanted.has(e)) {
        line::write(writer, event.as_ref()).await?;
    }
    if !follow {
        return Ok(());
    }
    let mut ignored = [0; 64];
    loop {
        tokio::select! {
            delivery = new.next() => match delivery {
                Some(Delivery::Event(event)) if wanted.has(&event) => {
                    line::write(writer, event.as_ref()).await?;
                }
                Some(Delivery::Event(_)) => {}
                Some(Delivery::Skipped(skipped)) => {
                    line::write(writer, &EventLine::Skipped { skipped }).await?;
                }
                None => return Ok(()),
            },
            read = reader.read(&mut ignored) => if read? == 0 { return Ok(()) },
        }
    }
}

fn failed(message: String) -> Reply {
    Reply::Failed { message, hint: None }
}
