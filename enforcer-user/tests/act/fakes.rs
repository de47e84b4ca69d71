//! A fake provider: a thread that answers HTTP/1.1 as a closure says, byte by
//! byte, also wrongly; and a fake of the kernel's quarantine.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use enforcer_user::act::{Cut, QuarantineError, QuarantineHandle};
use enforcer_user::policy::AgentName;

/// What the fake was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: String,
}

type Script = dyn Fn(&Asked) -> Vec<u8> + Send + Sync;

/// Serves until dropped, one request a connection.
pub(crate) struct FakeProvider {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

// === impl FakeProvider ===

impl FakeProvider {
    pub(crate) fn new(script: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listens");
        let address = listener.local_addr().expect("an address");
        let (asked, stop) = (Arc::<Mutex<Vec<_>>>::default(), Arc::new(AtomicBool::new(false)));
        let (notes, ended) = (asked.clone(), stop.clone());
        let script: Arc<Script> = Arc::new(script);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let (notes, script) = (notes.clone(), script.clone());
                // Ends with its connection; a panic in it shows as no answer.
                std::thread::spawn(move || serve(stream, &notes, &*script));
            }
        });
        Self { address, asked, stop, thread: Some(thread) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) fn everything(&self) -> Vec<Asked> {
        self.asked.lock().expect("not poisoned").clone()
    }

    pub(crate) fn asked(&self, path: &str) -> Vec<Asked> {
        let asked = self.asked.lock().expect("not poisoned");
        asked.iter().filter(|asked| asked.path == path).cloned().collect()
    }
}

impl Drop for FakeProvider {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        self.thread.take().map(JoinHandle::join);
    }
}

fn serve(mut stream: TcpStream, notes: &Mutex<Vec<Asked>>, script: &Script) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let asked = Asked { method, path, headers, body: String::from_utf8(body).ok()? };
    notes.lock().ok()?.push(asked.clone());
    stream.write_all(&script(&asked)).ok()
}

/// A whole answer.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n");
    format!("{head}connection: close\r\n\r\n{body}").into_bytes()
}

pub(crate) fn json(status: u16, body: &str) -> Vec<u8> {
    answer(status, "content-type: application/json\r\n", body)
}

/// A fake authorization server with one living token: what it does to it, and
/// how often a revocation had an effect.
#[derive(Default)]
pub(crate) struct FakeToken {
    dead: AtomicBool,
    pub(crate) effective: Mutex<u32>,
}

// === impl FakeToken ===

impl FakeToken {
    /// Answers `/revoke` and `/introspect` as RFC 7009 and RFC 7662 say.
    pub(crate) fn answer(&self, asked: &Asked) -> Vec<u8> {
        if asked.path == "/revoke" {
            if !self.dead.swap(true, Ordering::SeqCst) {
                *self.effective.lock().expect("not poisoned") += 1;
            }
            return answer(200, "", "");
        }
        let active = !self.dead.load(Ordering::SeqCst);
        json(200, &format!(r#"{{"active":{active}}}"#))
    }
}

/// A fake kernel: notes who was cut off; refuses while told to.
#[derive(Default)]
pub(crate) struct FakeKernel {
    pub(crate) cut: Mutex<Vec<String>>,
    pub(crate) refuse: AtomicBool,
}

// === impl FakeKernel ===

impl QuarantineHandle for FakeKernel {
    fn quarantine(&self, agent: &AgentName, _: &str) -> Result<Cut, QuarantineError> {
        let agent = agent.as_str().to_owned();
        if self.refuse.load(Ordering::SeqCst) {
            return Err(QuarantineError { agent, source: "the fake refuses".into() });
        }
        let mut cut = self.cut.lock().expect("not poisoned");
        let known = cut.contains(&agent);
        cut.push(agent);
        Ok(if known { Cut::Already } else { Cut::New })
    }
}
