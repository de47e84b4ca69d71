use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::entry::Link;
use super::rotation::Rotation;
use super::storage::{LogFile, Rotated, Storage};
use super::writer::{Losses, Writer, own_event};
use super::*;
use tokio::sync::watch;

use crate::config::AuditSettings;
use crate::events::{Event, EventKind};

fn event(message: &str) -> Event {
    own_event(EventKind::Denied, "no-rule", message.into())
}

fn open(dir: &Path) -> Writer<LogFile> {
    super::open::open(&dir.join(LOG), &AuditSettings::default(), Arc::default()).expect("opens")
}

/// A log of `n` entries, flushed.
fn written(n: usize) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut writer = open(dir.path());
    (1..=n).for_each(|i| writer.write(&event(&format!("event {i}"))));
    assert!(writer.flush());
    let path = dir.path().join(LOG);
    (dir, path)
}

/// The log with its lines changed by `change`.
fn changed(n: usize, change: impl FnOnce(&mut Vec<String>)) -> (tempfile::TempDir, PathBuf) {
    let (dir, path) = written(n);
    let text = std::fs::read_to_string(&path).expect("read");
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(&path, text).expect("written");
    (dir, path)
}

fn broken_at(path: &Path) -> u64 {
    match verify(path) {
        Err(VerifyError::Broken { line, .. } | VerifyError::Cut { line, .. }) => line,
        other => panic!("must be broken, is {other:?}"),
    }
}

#[test]
fn an_untouched_log_verifies_and_is_roots_alone() {
    let (_dir, path) = written(50);
    let verified = verify(&path).expect("holds");
    assert_eq!((verified.entries, verified.checkpoint, verified.unfinished), (50, Some(50), false));
    assert!(verified.first <= verified.last);
    for file in [path.clone(), path.with_file_name("audit.head")] {
        let mode = std::fs::metadata(file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn an_edit_is_seen_at_its_line() {
    let (_dir, path) = changed(9, |lines| lines[4] = lines[4].replace("event 5", "event 6"));
    assert_eq!(broken_at(&path), 5);
}

#[test]
fn even_a_changed_space_is_seen() {
    let (_dir, path) = changed(9, |lines| lines[4] = lines[4].replace("\":", "\": "));
    assert_eq!(broken_at(&path), 5);
}

#[test]
fn an_edit_with_its_hash_made_to_fit_breaks_the_next_line() {
    let (_dir, path) = changed(9, |lines| {
        let mut entry: Entry = serde_json::from_str(&lines[4]).expect("an entry");
        entry.event["message"] = "nothing happened".into();
        entry.hash = entry.digest();
        lines[4] = entry.line().expect("a line");
    });
    assert_eq!(broken_at(&path), 6);
}

#[test]
fn removal_reordering_and_doubling_are_seen() {
    let (_dir, path) = changed(9, |lines| drop(lines.remove(4)));
    assert_eq!(broken_at(&path), 5);
    let (_dir, path) = changed(9, |lines| lines.swap(2, 3));
    assert_eq!(broken_at(&path), 3);
    let (_dir, path) = changed(9, |lines| lines.insert(4, lines[3].clone()));
    assert_eq!(broken_at(&path), 5);
    let (_dir, path) = changed(9, |lines| drop(lines.drain(..3)));
    assert!(matches!(verify(&path), Err(VerifyError::Gone { through: 3, .. })));
}

#[test]
fn a_cut_at_the_end_is_seen_against_the_checkpoint_and_not_without() {
    let (_dir, path) = changed(9, |lines| lines.truncate(7));
    let error = verify(&path).expect_err("cut").to_string();
    assert!(error.contains("checkpoint names entry 9, the log ends at 7"), "{error}");
    std::fs::remove_file(path.with_file_name("audit.head")).expect("removed");
    assert!(matches!(verify(&path), Err(VerifyError::NoCheckpoint { .. })));
}

#[test]
fn a_rewritten_log_does_not_fit_the_checkpoint() {
    let (_dir, path) = written(9);
    let (_other_dir, other) = written(9);
    std::fs::copy(&other, &path).expect("replaced");
    assert_eq!(broken_at(&path), 9);
}

#[test]
fn a_restart_continues_the_chain() {
    let (dir, path) = written(3);
    let mut writer = open(dir.path());
    writer.write(&event("after the restart"));
    assert!(writer.flush());
    assert_eq!(verify(&path).expect("holds").entries, 4);
}

#[test]
fn a_torn_line_is_repaired_and_the_repair_is_on_record() {
    let (dir, path) = written(3);
    let mut bytes = std::fs::read(&path).expect("read");
    bytes.extend_from_slice(br#"{"seq":4,"time":"20"#);
    std::fs::write(&path, &bytes).expect("written");
    assert!(verify(&path).expect("holds").unfinished);
    assert!(open(dir.path()).flush());
    let verified = verify(&path).expect("holds");
    assert_eq!((verified.entries, verified.unfinished), (4, false));
    let last = tail(&path, 1).expect("read").remove(0);
    assert_eq!(last.event["reason"], "audit-repair");
}

#[test]
fn a_cut_found_at_start_is_on_record() {
    let (dir, path) = changed(9, |lines| lines.truncate(7));
    assert!(open(dir.path()).flush());
    assert!(matches!(verify(&path), Err(VerifyError::OnRecord { line: 8, .. })));
    let last = tail(&path, 1).expect("read").remove(0);
    assert_eq!(
        (&last.event["kind"], &last.event["reason"]),
        (&"tamper".into(), &"audit-cut".into())
    );
}

#[test]
fn a_broken_end_is_moved_aside_and_a_new_chain_says_so() {
    let (dir, path) = changed(9, |lines| lines[8] = "garbage".into());
    assert!(open(dir.path()).flush());
    assert_eq!(tail(&path, 9).expect("read")[0].event["reason"], "audit-damaged");
    assert!(dir.path().join("audit.jsonl.damaged-1").exists());
    assert!(matches!(verify(&path), Err(VerifyError::OnRecord { line: 1, .. })));
}

#[test]
fn the_tail_is_the_end_also_of_a_long_log() {
    let (_dir, path) = written(2_000);
    let seqs: Vec<_> = tail(&path, 3).expect("read").iter().map(|entry| entry.seq).collect();
    assert_eq!(seqs, [1998, 1999, 2000]);
    assert_eq!(tail(&path, 5_000).expect("read").len(), 2_000);
    assert_eq!(tail(&path, 0).expect("read").len(), 0);
}

/// A fake disk: keeps half of what it is given while it is full.
struct FakeDisk {
    full: Arc<AtomicBool>,
    bytes: Vec<u8>,
}

impl Storage for FakeDisk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let full = self.full.load(Ordering::SeqCst);
        let taken = if full { bytes.len() / 2 } else { bytes.len() };
        self.bytes.extend_from_slice(&bytes[..taken]);
        if full { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.bytes.truncate(usize::try_from(len).expect("small"));
        Ok(())
    }
    fn sync(&mut self, _: &Link) -> io::Result<()> {
        Ok(())
    }
    fn rotate(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }
    fn rotated(&self) -> io::Result<Vec<Rotated>> {
        Ok(Vec::new())
    }
    fn remove(&mut self, _: &Rotated) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_a_full_disk_lost_is_counted_and_written_down_later() {
    let (full, losses) = (Arc::new(AtomicBool::new(false)), Arc::new(Losses::default()));
    let storage = FakeDisk { full: full.clone(), bytes: Vec::new() };
    let link = Link::default();
    let mut writer = Writer {
        storage,
        link,
        len: 0,
        losses: losses.clone(),
        trouble: None,
        due: None,
        rotation: Rotation::new(AuditSettings::default()),
        flushed: watch::Sender::new(0),
    };
    writer.write(&event("before"));
    full.store(true, Ordering::SeqCst);
    (0..5).for_each(|_| writer.write(&event("lost")));
    full.store(false, Ordering::SeqCst);
    writer.write(&event("after"));
    assert_eq!(losses.total.load(Ordering::SeqCst), 5);
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join(LOG);
    std::fs::write(&path, &writer.storage.bytes).expect("written");
    super::head::Head::of(&writer.link).write(&path.with_file_name("audit.head")).expect("written");
    assert_eq!(verify(&path).expect("holds").entries, 3);
    let message = tail(&path, 2).expect("read")[0].event["message"].to_string();
    assert!(message.contains("5 audit entries lost"), "{message}");
}

#[tokio::test]
async fn the_writer_ends_when_its_handles_do_and_everything_is_on_disk() {
    let dir = tempfile::tempdir().expect("a directory");
    let (audit, join) = Audit::start(dir.path(), &AuditSettings::default()).expect("starts");
    (0..500).for_each(|i| audit.append(&event(&format!("event {i}"))));
    assert!(audit.sync().await);
    let verified = verify(&dir.path().join(LOG)).expect("holds");
    assert_eq!((verified.entries, verified.checkpoint), (500, Some(500)));
    audit.append(&event("last"));
    assert_eq!(audit.lost(), 0);
    drop(audit);
    join.await.expect("ended well");
    assert_eq!(verify(&dir.path().join(LOG)).expect("holds").entries, 501);
}
