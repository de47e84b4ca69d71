//! The outbox when its file cannot grow. A limit on file size stands in for a
//! full disk, in a process of its own, because it holds for all threads.

use std::process::Command;
use std::time::Duration;

use enforcer_user::act::outbox::{Counts, Decision, NewRow, Outbox, Violation};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, Signal, signal};
use time::OffsetDateTime;

use crate::acting::WIDE;

const DIR: &str = "ENFORCER_FULL_DISK_DIR";
const DEADLINE: Duration = Duration::from_secs(60);

fn decision(number: u64) -> Decision {
    let time = OffsetDateTime::now_utc();
    let row = NewRow {
        credential: format!("key-{number}"),
        agent: None,
        finding: None,
        reason: "x".repeat(50_000),
        automatic: false,
        violation: Violation { ktime_ns: 1, boot_id: "boot".into(), time },
        fingerprint: Some("f".into()),
    };
    Decision { rows: vec![row], ..Decision::default() }
}

/// Not a test of its own: the process with the limit.
#[test]
fn the_process_whose_files_cannot_grow() {
    let Ok(dir) = std::env::var(DIR) else { return };
    let outbox = Outbox::open(dir.as_ref()).expect("opens").outbox;
    let record = |number| outbox.record(&decision(number), WIDE, OffsetDateTime::now_utc());
    record(0).expect("recorded");
    // SAFETY: ignoring a signal runs no code; this process tests nothing else.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.expect("ignored");
    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).expect("a limit");
    let size = std::fs::metadata(outbox.path()).expect("there").len();
    setrlimit(Resource::RLIMIT_FSIZE, size, hard).expect("limited");
    let written = (1..).take_while(|&number| record(number).is_ok()).count() as u64;
    record(written + 1).expect_err("still full");
    setrlimit(Resource::RLIMIT_FSIZE, hard, hard).expect("lifted");
    let begun = std::time::Instant::now();
    while record(written + 1).is_err() {
        assert!(begun.elapsed() < DEADLINE, "the outbox does not come back");
    }
    let pending = written + 2;
    assert_eq!(outbox.counts().expect("counts"), Counts { pending, dead: 0 });
}

#[test]
fn the_outbox_comes_back_when_the_disk_has_room_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut child = Command::new(std::env::current_exe().expect("this test"));
    child.args(["--exact", "full_disk::the_process_whose_files_cannot_grow"]);
    let ended = child.env(DIR, dir.path()).output().expect("ran");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
}
