//! The audit trail, passed on: to listeners that are down, slow, wrong, and to
//! a real rsyslogd with TLS. `ENFORCER_TEST_RSYSLOG_DIR` names a folder where
//! Debian's rsyslog is unpacked; without, that test says that it is skipped.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread::spawn;
use std::time::{Duration, Instant};

use enforcer_user::audit::{Audit, Sink, SinkView, start_sinks};
use enforcer_user::config::{AuditSettings, ExportFormat, SinkSettings, SinkTarget};
use enforcer_user::events::{Event, EventKind};
use rustls::pki_types::PrivateKeyDer;
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const LONG: Duration = Duration::from_secs(60);

/// A trail with one sink, until it is dropped.
struct Trail {
    audit: Audit,
    sink: Sink,
    told: UnboundedReceiver<Event>,
}

// === impl Trail ===

impl Trail {
    fn start(dir: &Path, to: SinkTarget, settings: &AuditSettings) -> Self {
        let (audit, _join) = Audit::start(dir, settings).expect("starts");
        let (tell, told) = unbounded_channel();
        let sink = SinkSettings { name: "siem".into(), format: ExportFormat::Jsonl, to };
        let sink = start_sinks(dir, &[sink], &audit, &tell).remove(0);
        Self { audit, sink, told }
    }

    async fn write(&self, from: u32, to: u32) {
        for i in from..=to {
            self.audit.append(&Event::now(EventKind::Denied, format!("event {i}")));
        }
        assert!(self.audit.sync().await);
    }

    fn view(&self) -> SinkView {
        self.sink.status.view()
    }

    /// Waits until the sink is where it should be.
    async fn until(&self, what: &str, is: impl Fn(&SinkView) -> bool) -> SinkView {
        let end = Instant::now() + LONG;
        loop {
            let view = self.view();
            if is(&view) {
                return view;
            }
            assert!(Instant::now() < end, "never {what}: {view:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn hears(&mut self, part: &str) -> Event {
        loop {
            let event = tokio::time::timeout(LONG, self.told.recv()).await;
            let event = event.unwrap_or_else(|_| panic!("never told {part}")).expect("a sink");
            if event.message.as_deref().is_some_and(|message| message.contains(part)) {
                return event;
            }
        }
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        self.sink.task.abort();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
    listener.local_addr().expect("an address").port()
}

fn syslog(port: u16, ca: Option<PathBuf>) -> SinkTarget {
    SinkTarget::Syslog { host: "localhost".into(), port, ca }
}

/// Octet-counted messages (RFC 6587, section 3.4.1) from a stream, to its end.
fn messages(stream: impl Read, to: &std::sync::mpsc::Sender<String>) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = Vec::new();
        if reader.read_until(b' ', &mut length).unwrap_or(0) == 0 {
            return;
        }
        let length = String::from_utf8(length).expect("digits");
        let mut message = vec![0; length.trim_end().parse().expect("a length")];
        if reader.read_exact(&mut message).is_err() || to.send(text(message)).is_err() {
            return;
        }
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("UTF-8")
}

/// The trail's own number of the entry in a syslog message.
fn seq(message: &str) -> u64 {
    let at = message.find("] {").expect("structured data, then JSON") + 2;
    let entry: Value = serde_json::from_str(&message[at..]).expect("JSON");
    entry["seq"].as_u64().expect("a number")
}

/// Accepts connections one after the other.
fn listener(port: u16, taken: impl Fn(TcpStream) + Send + 'static) {
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("listens");
    spawn(move || listener.incoming().flatten().for_each(taken));
}

fn plain(port: u16) -> Receiver<String> {
    let (to, received) = channel();
    listener(port, move |stream| messages(stream, &to));
    received
}

fn take(received: &Receiver<String>, n: usize) -> Vec<String> {
    (0..n).map(|_| received.recv_timeout(LONG).expect("a message")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_while_the_receiver_is_down() {
    let (dir, port) = (tempfile::tempdir().expect("a directory"), free_port());
    let settings = AuditSettings { rotate_size: 10_000, ..AuditSettings::default() };
    let mut trail = Trail::start(dir.path(), syslog(port, None), &settings);
    trail.write(1, 600).await;
    let told = trail.hears("takes no entries, they wait on disk").await;
    assert_eq!((told.kind, told.reason.as_deref()), (EventKind::Daemon, Some("audit-sink")));
    let view = trail.view();
    assert_eq!((view.lag, view.delivered, view.lost), (600, 0, 0));
    let received = plain(port);
    let got = take(&received, 600);
    assert_eq!(got.iter().map(|m| seq(m)).collect::<Vec<_>>(), (1..=600).collect::<Vec<_>>());
    trail.hears("takes entries again").await;
    let view = trail.until("delivered", |view| view.lag == 0).await;
    assert_eq!((view.delivered, view.lost), (600, 0));
    assert!(view.failures > 0);
    trail.write(601, 601).await;
    assert_eq!(seq(&take(&received, 1)[0]), 601);
    drop(trail);
    assert!(received.try_recv().is_err(), "nothing twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_rfc_5424_with_priority_kind_and_sequence() {
    let (dir, port) = (tempfile::tempdir().expect("a directory"), free_port());
    let received = plain(port);
    let trail = Trail::start(dir.path(), syslog(port, None), &AuditSettings::default());
    trail.write(1, 1).await;
    let message = take(&received, 1).remove(0);
    // Facility 13, severity 4.
    let rest = message.strip_prefix("<108>1 20").expect("priority, version, time");
    let (time, rest) = rest.split_once("Z ").expect("UTC");
    assert_eq!(time.len(), "26-11-22T03:00:00.123456".len(), "{time}");
    let (_host, rest) = rest.split_once(' ').expect("a host");
    let version = env!("CARGO_PKG_VERSION");
    let head = format!(
        "enforcer - denied [meta sequenceId=\"1\"][origin software=\"enforcer\" swVersion=\"{version}\"] {{"
    );
    assert!(rest.starts_with(&head), "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_goes_on_where_it_was() {
    let (dir, port) = (tempfile::tempdir().expect("a directory"), free_port());
    let received = plain(port);
    for round in 0..3_u32 {
        let trail = Trail::start(dir.path(), syslog(port, None), &AuditSettings::default());
        trail.write(round * 10 + 1, round * 10 + 10).await;
        trail.until("delivered", |view| view.lag == 0).await;
        let seqs: Vec<_> = take(&received, 10).iter().map(|m| seq(m)).collect();
        let first = u64::from(round) * 10 + 1;
        assert_eq!(seqs, (first..first + 10).collect::<Vec<_>>());
        // The writer ends with its last handle; the next one must find its files.
        let Trail { audit, .. } = &trail;
        assert!(audit.sync().await);
        drop(trail);
    }
    assert!(received.try_recv().is_err(), "nothing twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_retention_removed_before_it_was_delivered_is_counted_and_told() {
    let (dir, port) = (tempfile::tempdir().expect("a directory"), free_port());
    let settings =
        AuditSettings { rotate_size: 2_000, keep_size: 6_000, ..AuditSettings::default() };
    {
        let (audit, join) = Audit::start(dir.path(), &settings).expect("starts");
        (1..=200).for_each(|i| audit.append(&Event::now(EventKind::Denied, format!("event {i}"))));
        assert!(audit.sync().await);
        drop(audit);
        join.await.expect("ended well");
    }
    let received = plain(port);
    let mut trail = Trail::start(dir.path(), syslog(port, None), &settings);
    let told = trail.hears("entries not delivered: removed before it took them").await;
    assert_eq!(told.kind, EventKind::Lost);
    let first = seq(&take(&received, 1)[0]);
    let view = trail.until("delivered", |view| view.lag == 0).await;
    assert_eq!(view.lost, first - 1);
    assert!(view.lost > 100, "{view:?}");
    assert!(told.message.expect("said").contains(&format!("{} entries", view.lost)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_takes_nothing_holds_up_nobody() {
    let (dir, port) = (tempfile::tempdir().expect("a directory"), free_port());
    // Accepts and never reads: its buffers fill, and stay full.
    let held = Arc::new(Mutex::new(Vec::new()));
    listener(port, move |stream| held.lock().expect("not poisoned").push(stream));
    let trail = Trail::start(dir.path(), syslog(port, None), &AuditSettings::default());
    let message = "x".repeat(4_000);
    let begin = Instant::now();
    for _ in 0..5_000 {
        trail.audit.append(&Event::now(EventKind::Denied, message.clone()));
    }
    let handed_over = begin.elapsed();
    assert!(trail.audit.sync().await);
    assert_eq!(trail.audit.lost(), 0);
    assert!(handed_over < Duration::from_secs(5), "{handed_over:?}");
    assert!(trail.view().lag > 1_000, "{:?}", trail.view());
}

/// One HTTP request a connection.
fn http(port: u16, answer: impl Fn(&str, &str) -> u16 + Send + 'static) {
    listener(port, move |mut stream| {
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().expect("a length");
            }
            head += &line;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        let status = answer(&head, &text(body));
        let answer =
            format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        drop(stream.write_all(answer.as_bytes()));
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn http_gets_json_lines_with_its_token_and_is_asked_again_after_503() {
    let (dir, port) = (tempfile::tempdir().expect("a directory"), free_port());
    let token = dir.path().join("token");
    fs::write(&token, "t0ken\n").expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&token, mode).expect("set");
    let got = Arc::new(Mutex::new((Vec::<u64>::new(), 0)));
    let to = got.clone();
    http(port, move |head, body| {
        assert!(head.contains("authorization: Bearer t0ken"), "{head}");
        assert!(head.contains("content-type: application/x-ndjson"), "{head}");
        let mut got = to.lock().expect("not poisoned");
        got.1 += 1;
        if got.1 <= 2 {
            return 503;
        }
        let seq = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["seq"].as_u64();
        got.0.extend(body.lines().map(|line| seq(line).expect("a number")));
        200
    });
    let url = format!("http://127.0.0.1:{port}/ingest");
    let to = SinkTarget::Http { url, token: Some(token), ca: None };
    let mut trail = Trail::start(dir.path(), to, &AuditSettings::default());
    trail.write(1, 300).await;
    trail.hears("takes no entries, they wait on disk: answered 503").await;
    let view = trail.until("delivered", |view| view.lag == 0).await;
    assert_eq!((view.delivered, view.lost, view.failures), (300, 0, 2));
    assert_eq!(got.lock().expect("not poisoned").0, (1..=300).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_http_refuses_is_lost_alone_and_told() {
    let (dir, port) = (tempfile::tempdir().expect("a directory"), free_port());
    http(port, |_, body| if body.contains("event 13\"") { 400 } else { 200 });
    let url = format!("http://127.0.0.1:{port}/");
    let to = SinkTarget::Http { url, token: None, ca: None };
    let mut trail = Trail::start(dir.path(), to, &AuditSettings::default());
    trail.write(1, 40).await;
    let told = trail.hears("1 entries not delivered: entry 13 is refused: answered 400").await;
    assert_eq!(told.kind, EventKind::Lost);
    let view = trail.until("delivered", |view| view.lag == 0).await;
    assert_eq!((view.delivered, view.lost, view.failures), (39, 1, 0));
}

/// A certificate for `localhost` that is its own authority, and its key.
struct Certified {
    pem: String,
    key: String,
}

fn certified() -> Certified {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).expect("made");
    Certified { pem: made.cert.pem(), key: made.signing_key.serialize_pem() }
}

fn written(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, text).expect("written");
    path
}

/// A TLS server that reads octet-counted messages.
fn tls(port: u16, own: &Certified) -> Receiver<String> {
    use rustls::pki_types::pem::PemObject;
    let chain = rustls::pki_types::CertificateDer::pem_slice_iter(own.pem.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>().expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("fits");
    let (config, (to, received)) = (Arc::new(config), channel());
    listener(port, move |stream| {
        let session = rustls::ServerConnection::new(config.clone()).expect("a session");
        messages(rustls::StreamOwned::new(session, stream), &to);
    });
    received
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_with_who_has_a_certificate_of_the_authority_and_with_nobody_else() {
    let dir = tempfile::tempdir().expect("a directory");
    let (port, own) = (free_port(), certified());
    let received = tls(port, &own);
    let wrong = written(dir.path(), "ca.pem", &certified().pem);
    let mut trail =
        Trail::start(dir.path(), syslog(port, Some(wrong.clone())), &AuditSettings::default());
    trail.write(1, 20).await;
    let told = trail.hears("takes no entries").await.message.expect("said");
    assert!(told.to_lowercase().contains("certificate"), "{told}");
    assert!(received.try_recv().is_err(), "nothing was said to a stranger");
    // The file is read at each connection.
    written(dir.path(), "ca.pem", &own.pem);
    let got = take(&received, 20);
    assert_eq!(got.iter().map(|m| seq(m)).collect::<Vec<_>>(), (1..=20).collect::<Vec<_>>());
    let view = trail.until("delivered", |view| view.lag == 0).await;
    assert_eq!((view.delivered, view.lost), (20, 0));
}

/// A real rsyslogd, ended when dropped.
struct Rsyslog(Child);

impl Drop for Rsyslog {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Rsyslog {
    fn start(unpacked: &Path, dir: &Path, port: u16, own: &Certified) -> Self {
        let path = |name: &str| dir.join(name).display().to_string();
        let ca = written(dir, "ca.pem", &own.pem).display().to_string();
        let key = written(dir, "key.pem", &own.key).display().to_string();
        let (work, log) = (path("work"), path("siem.log"));
        fs::create_dir_all(&work).expect("made");
        let config = format!(
            r#"global(workDirectory="{work}" maxMessageSize="64k" defaultNetstreamDriverCAFile="{ca}"
  defaultNetstreamDriverCertFile="{ca}" defaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="anon")
template(name="line" type="list") {{ property(name="app-name") constant(value=" ") property(name="msgid")
  constant(value=" ") property(name="structured-data") constant(value=" ") property(name="msg") constant(value="\n") }}
input(type="imtcp" address="127.0.0.1" port="{port}")
action(type="omfile" file="{log}" template="line" asyncWriting="off")
"#
        );
        let config = written(dir, "rsyslog.conf", &config);
        let libraries = fs::read_dir(unpacked.join("usr/lib")).expect("libraries").flatten();
        let libraries =
            libraries.map(|entry| entry.path()).find(|path| path.join("rsyslog").is_dir());
        let libraries = libraries.expect("rsyslog's modules");
        let mut command = Command::new(unpacked.join("usr/sbin/rsyslogd"));
        command.arg("-n").arg("-f").arg(config).arg("-i").arg(dir.join("pid"));
        command.arg("-M").arg(libraries.join("rsyslog")).env("LD_LIBRARY_PATH", &libraries);
        Self(command.stderr(Stdio::null()).spawn().expect("rsyslogd starts"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_rsyslogd_writes_every_entry_it_is_sent_over_tls() {
    let Some(unpacked) = std::env::var_os("ENFORCER_TEST_RSYSLOG_DIR").map(PathBuf::from) else {
        println!(
            "SKIP: a_real_rsyslogd_writes_every_entry_it_is_sent_over_tls: ENFORCER_TEST_RSYSLOG_DIR does not name an unpacked rsyslog"
        );
        return;
    };
    let dir = tempfile::tempdir().expect("a directory");
    let (port, own) = (free_port(), certified());
    let ca = written(dir.path(), "trusted.pem", &own.pem);
    let trail = Trail::start(dir.path(), syslog(port, Some(ca)), &AuditSettings::default());
    trail.write(1, 100).await;
    let first = Rsyslog::start(&unpacked, dir.path(), port, &own);
    trail.until("delivered", |view| view.lag == 0).await;
    let log = dir.path().join("siem.log");
    let lines = || fs::read_to_string(&log).unwrap_or_default().lines().count();
    let end = Instant::now() + LONG;
    while lines() < 100 {
        assert!(Instant::now() < end, "{} lines", lines());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // It goes away, and comes back: what was written meanwhile arrives.
    drop(first);
    trail.write(101, 300).await;
    let _second = Rsyslog::start(&unpacked, dir.path(), port, &own);
    trail.until("delivered", |view| view.lag == 0).await;
    while lines() < 300 {
        assert!(Instant::now() < end, "{} lines", lines());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let text = fs::read_to_string(&log).expect("read");
    let mut seqs: Vec<_> = text.lines().map(seq).collect();
    seqs.dedup();
    assert_eq!(seqs, (1..=300).collect::<Vec<_>>());
    assert!(text.starts_with("enforcer denied [meta sequenceId=\"1\"]"), "{text:.200}");
    assert_eq!(trail.view().lost, 0);
}
