use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::task::JoinHandle;

use super::*;
use crate::daemon::protocol::MAX_LINE;
use crate::events::{Event, EventKind};

#[derive(Default)]
struct Daemon {
    hub: EventHub,
}

impl Answers for Daemon {
    async fn answer(&self, request: Request) -> Reply {
        Reply::Done { message: format!("{request:?}") }
    }
    fn hub(&self) -> &EventHub {
        &self.hub
    }
}

struct Lab {
    _dir: tempfile::TempDir,
    path: PathBuf,
    daemon: Arc<Daemon>,
    server: JoinHandle<io::Result<()>>,
}

impl Lab {
    fn new() -> Self {
        Self::behind(nix::unistd::geteuid().as_raw(), "/no-such.slice")
    }

    fn behind(uid: u32, root: &str) -> Self {
        let dir = tempfile::tempdir().expect("made");
        let path = dir.path().join("run/control.sock");
        let daemon = Arc::new(Daemon::default());
        let listener = bind(&path).expect("bound");
        let gate = Gate { uid, root: root.into() };
        let server = tokio::spawn(serve(listener, gate, Arc::clone(&daemon)));
        Self { _dir: dir, path, daemon, server }
    }

    async fn client(&self) -> BufReader<UnixStream> {
        BufReader::new(UnixStream::connect(&self.path).await.expect("connected"))
    }

    /// Sends a line and gives the answer.
    async fn ask(&self, line: &[u8]) -> Reply {
        let mut client = self.client().await;
        client.write_all(line).await.expect("written");
        client.write_all(b"\n").await.expect("written");
        read(&mut client).await
    }
}

async fn read(client: &mut BufReader<UnixStream>) -> Reply {
    serde_json::from_str(&read_line(client).await).expect("a reply")
}

async fn read_line(client: &mut BufReader<UnixStream>) -> String {
    let mut line = String::new();
    let read = tokio::time::timeout(Duration::from_secs(5), client.read_line(&mut line));
    assert_ne!(read.await.expect("in time").expect("read"), 0, "hung up");
    line
}

/// Near misses, wrong types and noise; one line each.
fn malformed() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[ -~]{0,200}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..300),
        "[a-z-]{1,12}".prop_map(|r| format!("{{\"request\":\"{r}x\"}}").into_bytes()),
        Just(b"{\"request\":\"status\",\"extra\":1}".to_vec()),
        Just(b"{\"request\":\"quarantine\",\"agent\":7}".to_vec()),
        Just(b"[[[[[[[[[[[[[[[[[[[[[[[[".repeat(500)),
    ]
    .prop_map(|mut line| {
        line.retain(|&b| b != b'\n');
        line
    })
}

#[tokio::test]
async fn a_hundred_malformed_messages_get_clear_errors() {
    let lab = Lab::new();
    let mut runner = TestRunner::deterministic();
    for _ in 0..100 {
        let line = malformed().new_tree(&mut runner).expect("generated").current();
        let Reply::Failed { message, .. } = lab.ask(&line).await else {
            panic!("{} was answered", String::from_utf8_lossy(&line))
        };
        assert!(message.starts_with("request: "), "{message}");
    }
    assert!(matches!(lab.ask(b"{\"request\":\"status\"}").await, Reply::Done { .. }));
}

#[tokio::test]
async fn after_a_malformed_line_the_connection_goes_on() {
    let lab = Lab::new();
    let mut client = lab.client().await;
    client.write_all(b"nonsense\n{\"request\":\"agents\"}\n").await.expect("written");
    assert!(matches!(read(&mut client).await, Reply::Failed { .. }));
    assert_eq!(read(&mut client).await, Reply::Done { message: "Agents".to_owned() });
}

#[tokio::test]
async fn an_endless_line_is_cut_off() {
    let lab = Lab::new();
    let mut client = lab.client().await;
    client.write_all(&vec![b'a'; MAX_LINE + 1]).await.expect("written");
    let Reply::Failed { message, .. } = read(&mut client).await else { panic!("answered") };
    assert_eq!(message, "request: longer than 1048576 bytes");
    assert_eq!(client.read(&mut [0]).await.expect("read"), 0, "still open");
}

#[tokio::test]
async fn another_user_is_turned_away() {
    let lab = Lab::behind(nix::unistd::geteuid().as_raw() + 1, "/no-such.slice");
    let reply = read(&mut lab.client().await).await;
    let Reply::Failed { message, .. } = reply else { panic!("answered") };
    assert_eq!(message, "only root may use the control socket");
}

#[tokio::test]
async fn a_client_that_reads_nothing_blocks_nobody() {
    let lab = Lab::new();
    let mut slow = lab.client().await;
    slow.write_all(b"{\"request\":\"events\",\"follow\":true}\n").await.expect("written");
    for _ in 0..20_000 {
        lab.daemon.hub.publish(Event::now(EventKind::Denied, "x".repeat(100)));
    }
    assert!(matches!(lab.ask(b"{\"request\":\"status\"}").await, Reply::Done { .. }));
}

#[tokio::test]
async fn followed_events_are_past_ones_and_new_ones() {
    let lab = Lab::new();
    lab.daemon.hub.publish(Event::now(EventKind::Daemon, "old").of("a"));
    lab.daemon.hub.publish(Event::now(EventKind::Daemon, "other").of("b"));
    let mut client = lab.client().await;
    let ask = b"{\"request\":\"events\",\"agent\":\"a\",\"follow\":true}\n";
    client.write_all(ask).await.expect("written");
    assert!(read_line(&mut client).await.contains("\"seq\":1,"));
    lab.daemon.hub.publish(Event::now(EventKind::Daemon, "new").of("a"));
    assert!(read_line(&mut client).await.contains("\"seq\":3,"));
}

#[tokio::test]
async fn more_clients_than_places_are_told_so() {
    let lab = Lab::new();
    let mut held = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = lab.client().await;
        client.write_all(b"{\"request\":\"status\"}\n").await.expect("written");
        read(&mut client).await;
        held.push(client);
    }
    let Reply::Failed { message, .. } = read(&mut lab.client().await).await else {
        panic!("served")
    };
    assert!(message.starts_with("too many clients"), "{message}");
}

#[tokio::test]
async fn the_socket_is_private_and_a_live_one_is_not_replaced() {
    let lab = Lab::new();
    let mode = fs::metadata(&lab.path).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(matches!(bind(&lab.path), Err(SocketError::Taken(_))));
    lab.server.abort();
    drop(lab.server.await);
    bind(&lab.path).expect("a dead daemon's socket is replaced");
}

#[tokio::test]
async fn a_file_in_the_way_is_left_alone() {
    let dir = tempfile::tempdir().expect("made");
    let path = dir.path().join("control.sock");
    fs::write(&path, "precious").expect("written");
    assert!(matches!(bind(&path), Err(SocketError::NotASocket(_))));
    assert_eq!(fs::read_to_string(&path).expect("there"), "precious");
}

#[tokio::test]
async fn an_agent_is_refused_even_as_root() {
    // Every cgroup lies below "/": this test process is "an agent".
    let lab = Lab::behind(nix::unistd::geteuid().as_raw(), "/");
    let mut client = lab.client().await;
    let reply = read(&mut client).await;
    let Reply::Failed { message, .. } = reply else { panic!("let in: {reply:?}") };
    assert_eq!(message, "agents may not use the control socket");
}
