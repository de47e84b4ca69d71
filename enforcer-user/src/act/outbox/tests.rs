use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use time::OffsetDateTime;

use super::*;
use crate::config::StormBudget;

const WIDE: StormBudget = StormBudget { revocations: 100, per: Duration::from_secs(600) };

fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}

fn asked(credential: &str, fingerprint: Option<&str>) -> NewRow {
    NewRow {
        credential: credential.into(),
        agent: Some("a1".into()),
        finding: None,
        reason: "was denied 3 times".into(),
        automatic: true,
        violation: Violation { ktime_ns: 1, boot_id: "b".into(), time: now() },
        fingerprint: fingerprint.map(Into::into),
    }
}

fn rows(rows: Vec<NewRow>) -> Decision {
    Decision { rows, ..Decision::default() }
}

fn open(dir: &Path) -> Outbox {
    let opened = Outbox::open(dir).expect("opens");
    assert_eq!(opened.moved_aside, None);
    opened.outbox
}

#[test]
fn a_decision_survives_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let decision = Decision {
        hold: Some(Hold { agent: "a1".into(), reason: "r".into(), since: now() }),
        incident: Some(Incident { agent: "a1".into(), boot_id: "b".into(), ktime_ns: 7 }),
        rows: vec![asked("key", Some("f1"))],
    };
    let recorded = open(dir.path()).record(&decision, WIDE, now()).expect("recorded");
    let outbox = open(dir.path());
    assert_eq!(outbox.pending().expect("rows"), recorded.queued);
    assert_eq!(outbox.holds().expect("holds")[0].reason, "r");
    assert!(outbox.handled(decision.incident.as_ref().expect("one")).expect("asked"));
    assert_eq!(outbox.counts().expect("counts"), Counts { pending: 1, dead: 0 });
}

#[test]
fn the_file_is_for_its_owner_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let outbox = open(dir.path());
    let mode = std::fs::metadata(outbox.path()).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_same_value_of_a_credential_is_queued_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let outbox = open(dir.path());
    let record = || outbox.record(&rows(vec![asked("key", Some("f1"))]), WIDE, now());
    let mut row = record().expect("first").queued.remove(0);
    assert_eq!(record().expect("pending").known, [row.clone()]);
    row.state = RowState::Confirmed;
    outbox.save(&row).expect("saved");
    assert_eq!(record().expect("confirmed").known, [row]);
    assert_eq!(outbox.counts().expect("counts"), Counts::default());
}

#[test]
fn a_rotated_secret_is_queued_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let outbox = open(dir.path());
    let both = rows(vec![asked("key", Some("f1")), asked("key", Some("f2"))]);
    assert_eq!(outbox.record(&both, WIDE, now()).expect("recorded").queued.len(), 2);
}

#[test]
fn a_dead_row_is_taken_up_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let outbox = open(dir.path());
    let record = || outbox.record(&rows(vec![asked("key", Some("f1"))]), WIDE, now());
    let mut row = record().expect("first").queued.remove(0);
    row.state = RowState::Dead;
    outbox.save(&row).expect("saved");
    assert_eq!(outbox.counts().expect("counts"), Counts { pending: 0, dead: 1 });
    assert_ne!(record().expect("again").queued[0].id, row.id);
    assert_eq!(outbox.counts().expect("counts"), Counts { pending: 1, dead: 0 });
}

#[test]
fn without_a_fingerprint_only_a_pending_row_stands() {
    let dir = tempfile::tempdir().expect("a directory");
    let outbox = open(dir.path());
    let record = || outbox.record(&rows(vec![asked("key", None)]), WIDE, now());
    let mut row = record().expect("first").queued.remove(0);
    assert_eq!(record().expect("pending").queued, []);
    row.state = RowState::Confirmed;
    outbox.save(&row).expect("saved");
    assert_eq!(record().expect("again").queued.len(), 1);
}

#[test]
fn the_storm_budget_outlives_a_restart_and_spares_revocations_by_hand() {
    let dir = tempfile::tempdir().expect("a directory");
    let budget = StormBudget { revocations: 2, ..WIDE };
    let storm = rows(["c1", "c2", "c3"].map(|c| asked(c, Some("f"))).into());
    let recorded = open(dir.path()).record(&storm, budget, now()).expect("recorded");
    assert_eq!((recorded.queued.len(), recorded.over_budget), (2, vec!["c3".to_owned()]));
    let outbox = open(dir.path());
    let later = outbox.record(&rows(vec![asked("c4", Some("f"))]), budget, now());
    assert_eq!(later.expect("recorded").over_budget, ["c4"]);
    let by_hand = NewRow { automatic: false, ..asked("c4", Some("f")) };
    let by_hand = outbox.record(&rows(vec![by_hand]), budget, now()).expect("recorded");
    assert_eq!(by_hand.queued.len(), 1);
    let after = now() + Duration::from_secs(601);
    let next = outbox.record(&rows(vec![asked("c5", Some("f"))]), budget, after);
    assert_eq!(next.expect("recorded").queued.len(), 1);
}

#[test]
fn a_later_alarm_and_another_boot_are_not_handled() {
    let dir = tempfile::tempdir().expect("a directory");
    let outbox = open(dir.path());
    let alarm =
        |boot: &str, ktime_ns| Incident { agent: "a1".into(), boot_id: boot.into(), ktime_ns };
    let decision = Decision { incident: Some(alarm("b1", 10)), ..Decision::default() };
    outbox.record(&decision, WIDE, now()).expect("recorded");
    let handled = |incident| outbox.handled(&incident).expect("asked");
    let asked = [alarm("b1", 9), alarm("b1", 10), alarm("b1", 11), alarm("b2", 10)];
    assert_eq!(asked.map(handled), [true, true, false, false]);
}

#[test]
fn a_release_forgets_the_quarantine() {
    let dir = tempfile::tempdir().expect("a directory");
    let outbox = open(dir.path());
    let hold = |reason: &str| Hold { agent: "a1".into(), reason: reason.into(), since: now() };
    outbox.hold(&hold("first")).expect("held");
    outbox.hold(&hold("second")).expect("held");
    assert_eq!(outbox.holds().expect("holds")[0].reason, "first");
    outbox.unhold("a1").expect("released");
    outbox.unhold("a1").expect("released twice");
    assert_eq!(outbox.holds().expect("holds"), []);
}

#[test]
fn a_second_daemon_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let _first = open(dir.path());
    assert!(matches!(Outbox::open(dir.path()), Err(OutboxError::InUse { .. })));
}

#[test]
fn damage_anywhere_moves_the_file_aside_or_is_repaired() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("outbox.redb");
    open(dir.path()).record(&rows(vec![asked("key", Some("f1"))]), WIDE, now()).expect("made");
    let sound = std::fs::read(&path).expect("read");
    for place in (0..sound.len()).step_by(sound.len() / 24).chain(0..16) {
        let mut broken = sound.clone();
        let end = (place + 2048).min(broken.len());
        broken[place..end].iter_mut().for_each(|byte| *byte ^= 0x5a);
        std::fs::write(&path, &broken).expect("written");
        let outbox = Outbox::open(dir.path()).expect("opens").outbox;
        outbox.record(&rows(vec![asked("next", Some("f1"))]), WIDE, now()).expect("works");
    }
}

#[test]
fn garbage_is_moved_aside_and_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    for garbage in [&b"not a database"[..], &[0xa5; 9000]] {
        std::fs::write(dir.path().join("outbox.redb"), garbage).expect("written");
        let opened = Outbox::open(dir.path()).expect("opens");
        let aside = opened.moved_aside.expect("moved aside");
        assert_eq!(std::fs::read(aside).expect("kept"), garbage);
        assert_eq!(opened.outbox.pending().expect("rows"), []);
    }
}
