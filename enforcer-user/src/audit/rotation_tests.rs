//! Files that the log is rotated into: what is found when somebody touches
//! them, and what a kill leaves.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use time::OffsetDateTime;

use super::segment::Segment;
use super::storage::LogFile;
use super::writer::{Writer, own_event};
use super::*;
use crate::config::AuditSettings;
use crate::events::{Event, EventKind};

const DAY: time::Duration = time::Duration::DAY;

fn event(i: usize) -> Event {
    own_event(EventKind::Denied, "no-rule", format!("event {i}"))
}

/// Rotated every three entries or so.
fn small() -> AuditSettings {
    AuditSettings { rotate_size: 1_500, ..AuditSettings::default() }
}

fn open(dir: &Path, settings: &AuditSettings) -> Writer<LogFile> {
    super::open::open(&dir.join(LOG), settings, Default::default()).expect("opens")
}

/// A trail of `n` entries in many files.
fn written(n: usize, settings: &AuditSettings) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut writer = open(dir.path(), settings);
    (1..=n).for_each(|i| writer.write(&event(i)));
    assert!(writer.flush());
    let log = dir.path().join(LOG);
    (dir, log)
}

fn rotated(log: &Path) -> Vec<PathBuf> {
    Segment::all(log).expect("listed").into_iter().map(|segment| segment.path).collect()
}

fn reasons(log: &Path) -> Vec<String> {
    let reason = |entry: Entry| entry.event["reason"].as_str().unwrap_or_default().to_owned();
    entries(log).expect("opens").map(|entry| reason(entry.expect("an entry"))).collect()
}

#[test]
fn the_chain_goes_through_all_files_and_so_do_those_who_read_it() {
    let (dir, log) = written(40, &small());
    let files = rotated(&log).len() as u64 + 1;
    assert!(files > 5, "{files}");
    let verified = verify(&log).expect("holds");
    assert_eq!((verified.entries, verified.files, verified.removed), (40, files, 0));
    let seqs: Vec<_> = entries(&log).expect("opens").map(|e| e.expect("an entry").seq).collect();
    assert_eq!(seqs, (1..=40).collect::<Vec<_>>());
    let last: Vec<_> = tail(&log, 25).expect("read").iter().map(|entry| entry.seq).collect();
    assert_eq!(last, (16..=40).collect::<Vec<_>>());
    let mut writer = open(dir.path(), &small());
    writer.write(&event(41));
    assert!(writer.flush());
    assert_eq!(verify(&log).expect("holds").entries, 41);
}

#[test]
fn each_file_is_roots_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (_dir, log) = written(20, &small());
    for file in rotated(&log).into_iter().chain([log]) {
        let mode = std::fs::metadata(file).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_removed_file_is_found() {
    let (_dir, log) = written(40, &small());
    let files = rotated(&log);
    std::fs::remove_file(&files[2]).expect("removed");
    let error = verify(&log).expect_err("broken");
    assert!(
        matches!(&error, VerifyError::Broken { path, line: 1, .. } if *path == files[3]),
        "{error}"
    );
}

#[test]
fn files_removed_from_the_beginning_are_found() {
    let (_dir, log) = written(40, &small());
    let files = rotated(&log);
    files[..2].iter().for_each(|file| std::fs::remove_file(file).expect("removed"));
    let error = verify(&log).expect_err("gone").to_string();
    assert!(error.contains("were removed, and not by retention"), "{error}");
    rotated(&log).iter().for_each(|file| std::fs::remove_file(file).expect("removed"));
    assert!(matches!(verify(&log), Err(VerifyError::Gone { .. })), "also all of them");
}

#[test]
fn exchanged_files_are_found() {
    let (_dir, log) = written(40, &small());
    let files = rotated(&log);
    let aside = log.with_file_name("aside");
    for (from, to) in [(&files[1], &aside), (&files[2], &files[1]), (&aside, &files[2])] {
        std::fs::rename(from, to).expect("renamed");
    }
    let error = verify(&log).expect_err("broken");
    assert!(
        matches!(&error, VerifyError::Broken { path, line: 1, .. } if *path == files[1]),
        "{error}"
    );
}

#[test]
fn a_truncated_or_edited_file_is_found() {
    let (_dir, log) = written(40, &small());
    let file = &rotated(&log)[2];
    let text = std::fs::read_to_string(file).expect("read");
    let without_last = &text[..=text.trim_end().rfind('\n').expect("lines")];
    for changed in [without_last, &text[..text.len() - 9], "", &text.replace("event", "incident")] {
        std::fs::write(file, changed).expect("written");
        assert!(matches!(verify(&log), Err(VerifyError::Broken { .. })), "{changed}");
    }
    std::fs::write(file, &text).expect("written");
    assert!(verify(&log).is_ok());
    std::fs::remove_file(&log).expect("removed");
    assert!(matches!(verify(&log), Err(VerifyError::Cut { .. })), "the newest is missing");
}

#[test]
fn what_retention_removed_is_told_from_what_somebody_removed() {
    let settings = AuditSettings { keep_size: 3_000, ..small() };
    let (_dir, log) = written(40, &settings);
    let verified = verify(&log).expect("holds");
    assert!(verified.removed > 20, "{}", verified.removed);
    assert!(reasons(&log).contains(&"audit-retention".to_owned()));
    let kept: u64 = rotated(&log).iter().map(|f| f.metadata().expect("there").len()).sum();
    assert!(kept <= 3_000, "{kept} bytes");
    std::fs::remove_file(&rotated(&log)[0]).expect("removed");
    assert!(matches!(verify(&log), Err(VerifyError::Gone { .. })), "one more than it says");
}

#[test]
fn what_is_older_than_is_kept_goes_and_what_is_younger_stays() {
    let (dir, log) = written(20, &small());
    let files = rotated(&log).len();
    let mut writer = open(dir.path(), &small());
    let now = OffsetDateTime::now_utc();
    writer.retire(now + DAY * 89);
    assert_eq!(rotated(&log).len(), files);
    writer.retire(now + DAY * 91);
    assert_eq!(rotated(&log).len(), 0);
    assert!(writer.flush());
    assert!(verify(&log).expect("holds").removed > 10);
}

#[test]
fn a_kill_between_two_removals_is_not_taken_for_somebody_elses() {
    let (dir, log) = written(20, &small());
    let last = rotated(&log).pop().expect("files");
    let bytes = std::fs::read(&last).expect("read");
    let mut writer = open(dir.path(), &small());
    writer.retire(OffsetDateTime::now_utc() + DAY * 91);
    assert!(writer.flush());
    // All were to be removed, and the newest of them was not yet.
    std::fs::write(&last, bytes).expect("written");
    let verified = verify(&log).expect("holds");
    assert!(verified.removed > 0 && verified.files == 2, "{verified:?}");
}

#[test]
fn a_new_day_begins_a_file_with_a_checkpoint_of_the_day_before() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut writer = open(dir.path(), &AuditSettings::default());
    (1..=5).for_each(|i| writer.write(&event(i)));
    let (now, end) = (OffsetDateTime::now_utc(), writer.link.clone());
    writer.turn(now);
    assert!(rotated(&dir.path().join(LOG)).is_empty(), "today is not over");
    writer.turn(now + DAY);
    assert!(writer.flush());
    let log = dir.path().join(LOG);
    assert_eq!((rotated(&log).len(), verify(&log).expect("holds").entries), (1, 6));
    let told = tail(&log, 1).expect("read").remove(0).event;
    assert_eq!(told["reason"], "audit-checkpoint");
    assert_eq!(told["checkpoint"]["seq"], 5);
    assert_eq!(told["checkpoint"]["hash"], end.hash.as_str());
    assert_eq!(told["checkpoint"]["day"], now.date().to_string());
}

#[test]
fn a_trail_that_was_written_anew_does_not_go_through_an_old_checkpoint() {
    let (_dir, log) = written(20, &small());
    let tenth = entries(&log).expect("opens").nth(9).expect("ten").expect("an entry");
    let mark = |seq, hash: &str| verify_against(&log, Some((seq, hash.to_owned())));
    assert!(mark(10, &tenth.hash).is_ok());
    assert!(matches!(mark(11, &tenth.hash), Err(VerifyError::Broken { .. })));
    assert!(matches!(mark(21, &tenth.hash), Err(VerifyError::Cut { checkpoint: 21, .. })));
}

#[test]
fn a_log_that_does_not_follow_its_files_is_moved_aside_with_them() {
    let (dir, log) = written(20, &small());
    let last = rotated(&log).pop().expect("files");
    std::fs::remove_file(last).expect("removed");
    let files = rotated(&log).len();
    assert!(open(dir.path(), &small()).flush());
    assert!(matches!(verify(&log), Err(VerifyError::OnRecord { line: 1, .. })));
    let aside = std::fs::read_dir(dir.path()).expect("listed").flatten();
    let aside = aside.filter(|f| f.file_name().to_string_lossy().ends_with(".damaged-1")).count();
    assert_eq!(aside, files + 1);
}

const DIR: &str = "ENFORCER_AUDIT_CRASH_DIR";

/// Not a test of its own: the process that is killed. Says each entry that is
/// on disk.
#[tokio::test(flavor = "multi_thread")]
async fn the_writer_that_is_killed() {
    let Ok(dir) = std::env::var(DIR) else { return };
    // Every entry is a file of its own: a kill hits a rotation more often than not.
    let settings = AuditSettings { rotate_size: 1, ..AuditSettings::default() };
    let (audit, _join) = Audit::start(dir.as_ref(), &settings).expect("starts");
    for i in 0.. {
        audit.append(&event(i));
        assert!(audit.sync().await);
        println!("\nsynced {i}");
    }
}

fn victim(dir: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    let name = "audit::rotation_tests::the_writer_that_is_killed";
    command.args(["--exact", name, "--nocapture"]).env(DIR, dir);
    command.stdout(Stdio::piped()).spawn().expect("starts")
}

#[test]
fn a_kill_during_rotation_loses_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let log = dir.path().join(LOG);
    let mut synced = 0;
    for round in 0..8_u64 {
        let mut child = victim(dir.path());
        let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let said = |line: String| line.starts_with("synced ");
        while synced < (round + 1) * 5 {
            let line = lines.next().expect("it goes on").expect("text");
            synced += u64::from(said(line));
        }
        child.kill().expect("killed");
        child.wait().expect("waited");
        synced +=
            lines.map_while(Result::ok).filter(|line| line.starts_with("synced ")).count() as u64;
        let verified = verify(&log).expect("holds, whatever the kill left");
        assert!(verified.entries >= synced, "{} of {synced}", verified.entries);
    }
    let settings = AuditSettings { keep: Duration::from_secs(1), ..AuditSettings::default() };
    drop(open(dir.path(), &settings));
    let repairs =
        reasons(&log).iter().filter(|r| !["no-rule", "audit-repair"].contains(&r.as_str())).count();
    assert_eq!(repairs, 0, "no start found the trail cut or damaged");
}

/// Each state that a kill between two steps of a rotation leaves.
#[test]
fn every_step_of_a_rotation_can_be_the_last() {
    let (dir, log) = written(20, &small());
    let before = verify(&log).expect("holds").entries;
    let first = super::segment::open_all(&log).expect("opens").len();
    // Renamed, and no new file yet.
    let seq = tail(&log, 1).expect("read")[0].seq;
    std::fs::rename(&log, Segment::path(&log, seq)).expect("renamed");
    assert_eq!(verify(&log).expect("holds").entries, before);
    assert_eq!(tail(&log, 3).expect("read").len(), 3);
    // The new file, empty.
    std::fs::write(&log, "").expect("made");
    assert_eq!(verify(&log).expect("holds").entries, before);
    let mut writer = open(dir.path(), &small());
    writer.write(&event(21));
    assert!(writer.flush());
    let verified = verify(&log).expect("holds");
    assert_eq!((verified.entries, verified.files), (before + 1, first as u64 + 1));
    assert!(reasons(&log).iter().all(|reason| reason == "no-rule"));
}

#[test]
fn readers_beside_a_writer_that_rotates_always_find_a_whole_chain() {
    let dir = tempfile::tempdir().expect("a directory");
    let settings = AuditSettings { rotate_size: 1, keep_size: 20_000, ..AuditSettings::default() };
    let mut writer = open(dir.path(), &settings);
    writer.write(&event(0));
    assert!(writer.flush());
    let log = dir.path().join(LOG);
    let writing = std::thread::spawn(move || {
        (1..=150).for_each(|i| writer.write(&event(i)));
        assert!(writer.flush());
    });
    while !writing.is_finished() {
        verify(&log).expect("holds");
    }
    writing.join().expect("ended well");
    assert!(verify(&log).expect("holds").removed > 0);
}
