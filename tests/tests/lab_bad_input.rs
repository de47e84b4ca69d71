//! A hundred malformed policies, settings and control messages: each a clear
//! error, the generation in force stays, nothing panics.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use enforcer_tests::{
    ALLOWED_V4, BASIC, Daemon, FORBIDDEN_V4, Lab, Random, SINK_PORT, TRIPWIRE, privileged,
};
use enforcer_user::config::Settings;
use enforcer_user::policy::load_files;

const POLICIES: usize = 40;
const SETTINGS: usize = 30;
const MESSAGES: usize = 30;
/// Mutations that stay valid are thrown away; this many tries find enough.
const TRIES: usize = 2000;
/// Lines that no file may end with.
const LINES: [&str; 3] = ["surprise = 1\n", "[[allow]]\n", "version = 2\n"];

#[test]
fn a_hundred_malformed_inputs_change_nothing() {
    if !privileged("a_hundred_malformed_inputs_change_nothing") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy(
        "worker",
        &format!("{BASIC}{TRIPWIRE}[limits]\npackets = {{ rate = \"2000/s\" }}"),
    );
    let daemon = Daemon::start(&lab);
    let mut random = Random::of_test();
    let policy = lab.path("policies.d/worker.toml");
    let settings = Settings::load(&lab.config()).expect("the lab's settings are valid");
    refuse_mutations(&lab, &mut random, &policy, POLICIES, |path| {
        load_files(&[path.to_owned()], &settings).is_err()
    });
    refuse_mutations(&lab, &mut random, &lab.config(), SETTINGS, |path| {
        Settings::load(path).is_err()
    });
    daemon.ok(&["reload"]);
    let generation = daemon.json(&["status"])["generation"].clone();
    for _ in 0..MESSAGES {
        let message = message(&mut random);
        refuse_message(&lab, &message);
    }
    assert_eq!(daemon.json(&["status"])["generation"], generation);
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
    let mut agent = lab.agent("worker");
    agent.expect_ok(&format!("tcp c {ALLOWED_V4} {SINK_PORT}"));
    agent.expect_refused(&format!("tcp d {FORBIDDEN_V4} {SINK_PORT}"));
}

/// Spoils `file` in `wanted` ways that are `malformed` in a copy, and shows each
/// to the daemon. What stays valid is never shown: it would be obeyed.
fn refuse_mutations(
    lab: &Lab,
    random: &mut Random,
    file: &Path,
    wanted: usize,
    malformed: impl Fn(&Path) -> bool,
) {
    let (good, candidate) =
        (fs::read(file).expect("read the good file"), lab.path("candidate.toml"));
    let mut refused = 0;
    for _ in 0..TRIES {
        let bad = mutated(&good, random);
        fs::write(&candidate, &bad).expect("write the candidate");
        if !malformed(&candidate) {
            continue;
        }
        fs::write(file, &bad).expect("spoil the file");
        // Not by `enforcer reload`: it reads the settings itself to find the daemon.
        let answer = tell(lab, br#"{"request":"reload"}"#);
        let clear = ["\"refused\"", "error: ", "--> /", "\"generation\":"];
        let shown = String::from_utf8_lossy(&bad);
        assert!(clear.iter().all(|words| answer.contains(words)), "{answer} to {shown}");
        refused += 1;
        if refused == wanted {
            break;
        }
    }
    fs::write(file, good).expect("put the good file back");
    assert_eq!(refused, wanted, "too few malformed ones of {}", file.display());
}

fn mutated(good: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] = random.byte(),
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, *random.of(b"\"[]{}=,.\n#/-0x\0\xff")),
            3 => bytes.truncate(at.max(1)),
            4 => {
                let end = (at + random.below(20)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => bytes.extend_from_slice(random.of(&LINES).as_bytes()),
        }
    }
    bytes
}

fn message(random: &mut Random) -> Vec<u8> {
    let good: [&[u8]; 4] = [
        br#"{"request":"status"}"#,
        br#"{"request":"quarantine","agent":"worker","reason":"x"}"#,
        br#"{"request":"revoke","credential":"c","reason":"x"}"#,
        br#"{"request":"rule","policy_id":1,"rule":0}"#,
    ];
    match random.below(5) {
        0 => (0..random.below(300)).map(|_| random.byte()).filter(|&b| b != b'\n').collect(),
        1 => vec![b'{'; 1 + random.below(5000)],
        2 => br#"{"request":"no-such-thing"}"#.to_vec(),
        3 => br#"{"request":"release","agent":"nobody-knows"}"#.to_vec(),
        _ => {
            let mut bytes = random.of(&good).to_vec();
            bytes.truncate(1 + random.below(bytes.len() - 1));
            bytes
        }
    }
}

/// The daemon answers with a failure or hangs up; it never obeys.
fn refuse_message(lab: &Lab, message: &[u8]) {
    let answer = tell(lab, message);
    let shown = String::from_utf8_lossy(message);
    assert!(answer.is_empty() || answer.contains("\"failed\""), "{shown}: {answer}");
}

/// Says a line to the control socket; the line that comes back, if any.
fn tell(lab: &Lab, message: &[u8]) -> String {
    let mut stream = UnixStream::connect(lab.path("control.sock")).expect("the daemon listens");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out");
    let _sent = stream.write_all(message).and_then(|()| stream.write_all(b"\n"));
    let mut answer = String::new();
    let read = BufReader::new(stream).read_line(&mut answer);
    assert!(read.is_ok(), "no answer to {}: {read:?}", String::from_utf8_lossy(message));
    answer
}
