use std::os::unix::net::UnixListener;
use std::thread::{self, JoinHandle};

use super::*;

/// A daemon that reads one request line and says `answer`, then hangs up.
fn daemon(answer: &'static str) -> (tempfile::TempDir, PathBuf, JoinHandle<String>) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("control.sock");
    let listener = UnixListener::bind(&path).expect("bind");
    let serving = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let mut request = String::new();
        BufReader::new(stream.try_clone().expect("clone")).read_line(&mut request).expect("a line");
        stream.write_all(answer.as_bytes()).expect("answer");
        request
    });
    (dir, path, serving)
}

fn code(failure: &Failure) -> Option<Code> {
    match failure {
        Failure::Error { code, .. } => Some(*code),
        Failure::HungUp | Failure::Reported(_) => None,
    }
}

fn ask(answer: &'static str) -> Result<Reply, Failure> {
    let (_dir, path, serving) = daemon(answer);
    let reply = Client::connect(&path).expect("connected").ask(&Request::Reload);
    assert_eq!(serving.join().expect("served"), "{\"request\":\"reload\"}\n");
    reply
}

#[test]
fn a_request_gets_its_reply() {
    let reply = ask("{\"reply\":\"reloaded\",\"generation\":8}\n");
    assert_eq!(reply, Ok(Reply::Reloaded { generation: 8 }));
}

#[test]
fn a_refusal_keeps_the_daemons_hint() {
    let failure =
        ask("{\"reply\":\"failed\",\"message\":\"no\",\"hint\":\"do\"}\n").expect_err("a failure");
    assert_eq!(failure, Failure::failed("no").hint("do"));
}

#[test]
fn a_daemon_that_hangs_up_did_not_answer() {
    for answer in ["", "{\"reply\":\"relo"] {
        assert_eq!(code(&ask(answer).expect_err("a failure")), Some(Code::NoDaemon), "{answer:?}");
    }
}

#[test]
fn nonsense_is_a_failure_and_no_panic() {
    for answer in ["\n", "{}\n", "[1]\n", "{\"reply\":\"what\"}\n"] {
        assert_eq!(code(&ask(answer).expect_err("a failure")), Some(Code::Failed), "{answer:?}");
    }
}

#[test]
fn a_missing_daemon_is_exit_4_with_a_hint() {
    let dir = tempfile::tempdir().expect("a folder");
    let failure = Client::connect(&dir.path().join("none.sock")).err().expect("refused");
    assert_eq!(code(&failure), Some(Code::NoDaemon));
    assert!(matches!(failure, Failure::Error { hint: Some(_), .. }));
}

#[test]
fn events_come_until_the_daemon_has_said_all() {
    let (_dir, path, serving) =
        daemon("{\"skipped\":4}\n{\"reply\":\"failed\",\"message\":\"x\"}\n");
    let mut client = Client::connect(&path).expect("connected");
    let request = Request::Events { agent: None, since: None, follow: false };
    client.ask_events(&request).expect("sent");
    let null = std::fs::File::open("/dev/null").expect("null");
    serving.join().expect("served");
    assert_eq!(client.event(null.as_fd()), Ok(Some(EventLine::Skipped { skipped: 4 })));
    assert_eq!(client.event(null.as_fd()), Err(Failure::failed("x")));
    assert_eq!(client.event(null.as_fd()), Ok(None));
}

#[test]
fn waiting_for_events_ends_when_nobody_reads_them() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("control.sock");
    let _silent = UnixListener::bind(&path).expect("bind");
    let (reader, writer) = io::pipe().expect("a pipe");
    let mut client = Client::connect(&path).expect("connected");
    client.ask_events(&Request::Events { agent: None, since: None, follow: true }).expect("sent");
    drop(reader);
    assert_eq!(client.event(writer.as_fd()), Err(Failure::HungUp));
}
