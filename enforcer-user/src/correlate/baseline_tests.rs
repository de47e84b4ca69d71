use super::*;

const SECOND: u64 = 1_000_000_000;

fn baseline() -> Baseline {
    Baseline::new(Sampled::Bytes, Duration::from_secs(10), OffsetDateTime::UNIX_EPOCH)
}

/// What the last call says of these values, one for each part.
fn after(baseline: &mut Baseline, from: u64, values: &[u64]) -> Option<Reading> {
    let at = |i: usize| (from + i as u64) * 10 * SECOND;
    let said = values.iter().enumerate();
    said.map(|(i, &value)| baseline.add(Sampled::Bytes, at(i), value)).last().flatten()
}

#[test]
fn nothing_is_said_before_enough_parts_are_known() {
    let mut baseline = baseline();
    // The part that is not over is not known yet.
    assert_eq!(after(&mut baseline, 1, &[1_000_000; LEAST]), None);
    assert!(after(&mut baseline, 1 + LEAST as u64, &[1_000_000]).is_some());
}

#[test]
fn values_of_one_part_add_up_and_the_usual_is_their_median() {
    let mut baseline = baseline();
    after(&mut baseline, 1, &[1_000_000; LEAST]);
    let now = (1 + LEAST as u64) * 10 * SECOND;
    baseline.add(Sampled::Bytes, now, 400_000);
    let reading = baseline.add(Sampled::Bytes, now + 9 * SECOND, 600_000).expect("known");
    assert_eq!((reading.value, reading.usual, reading.part), (1_000_000, 1_000_000, now));
    assert!(reading.score.abs() < 0.001, "{reading:?}");
}

#[test]
fn regular_traffic_may_grow_by_four_fifths_and_not_by_more() {
    let mut baseline = baseline();
    after(&mut baseline, 1, &[1_000_000; PAST]);
    let reading = |value| {
        let mut baseline = baseline.clone();
        after(&mut baseline, 1000, &[value]).expect("known").score
    };
    assert!(reading(1_790_000) < 8.0 && reading(1_810_000) > 8.0);
}

#[test]
fn an_agent_that_does_next_to_nothing_may_do_something() {
    let mut baseline = baseline();
    after(&mut baseline, 1, &[100; PAST]);
    let small = after(&mut baseline, 1000, &[400_000]).expect("known");
    assert!(small.score < 8.0, "{small:?}");
}

#[test]
fn half_of_the_past_may_be_odd() {
    let mut baseline = baseline();
    let mixed: Vec<u64> =
        (0..100).map(|i| if i % 5 < 3 { 1_000_000 } else { 50_000_000 }).collect();
    after(&mut baseline, 1, &mixed);
    let reading = after(&mut baseline, 1000, &[1_000_000]).expect("known");
    assert_eq!(reading.usual, 1_000_000);
}

#[test]
fn parts_of_rest_are_not_learnt() {
    let mut baseline = baseline();
    let working: Vec<u64> = (0..600).map(|i| if i % 20 == 0 { 5_000_000 } else { 0 }).collect();
    after(&mut baseline, 1, &working);
    let reading = after(&mut baseline, 1000, &[5_000_000]).expect("known");
    assert!(reading.score.abs() < 0.001, "{reading:?}");
}

#[test]
fn one_theft_does_not_make_the_next_one_usual_but_a_lasting_change_does() {
    let mut baseline = baseline();
    after(&mut baseline, 1, &[1_000_000; PAST]);
    let first = after(&mut baseline, 300, &[100_000_000]).expect("known").score;
    let second = after(&mut baseline, 301, &[100_000_000]).expect("known").score;
    assert!(first > 8.0 && (first - second).abs() < 1.0, "{first} then {second}");
    // Until they are more than half, and then step by step.
    let lasting = vec![100_000_000; 40 * PAST];
    let last = after(&mut baseline, 302, &lasting).expect("known").score;
    assert!(last < 8.0, "{last}");
}

#[test]
fn what_was_learnt_outlives_the_daemon() {
    let mut baseline = baseline();
    after(&mut baseline, 1, &[1_000_000; PAST]);
    let text = serde_json::to_string(&baseline).expect("written");
    let mut next: Baseline = serde_json::from_str(&text).expect("read");
    let reading = after(&mut next, 1, &[100_000_000]).expect("known at once");
    assert!(reading.score > 8.0 && reading.usual == 1_000_000, "{reading:?}");
}
