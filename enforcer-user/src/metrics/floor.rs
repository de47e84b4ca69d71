//! Counters that never go backwards.

use std::collections::HashMap;

use enforcer_common::Reason;

use super::snapshot::CounterRow;

/// What was shown so far. The kernel's counters restart from zero when the
/// maps are made anew; Prometheus counters must not.
#[derive(Debug, Default)]
pub(super) struct Floor {
    rows: HashMap<Key, [Count; 4]>,
}

type Key = (String, Reason, bool);

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// Sum of what was reached before each restart.
    before: u64,
    /// The value read last.
    last: u64,
}

// === impl Floor ===

impl Floor {
    /// Takes the rows read now and gives every row ever seen, none of its
    /// values lower than the last time.
    pub(super) fn raise(&mut self, now: &[CounterRow]) -> Vec<CounterRow> {
        for row in now {
            let key = (row.agent.clone(), row.reason, row.audited);
            let counts = self.rows.entry(key).or_default();
            for (count, value) in
                counts.iter_mut().zip([row.packets, row.bytes, row.connections, row.sockets])
            {
                count.see(value);
            }
        }
        self.rows.iter().map(|(key, counts)| row(key, counts)).collect()
    }
}

fn row((agent, reason, audited): &Key, counts: &[Count; 4]) -> CounterRow {
    let [packets, bytes, connections, sockets] = counts.map(|c| c.before.saturating_add(c.last));
    let (agent, reason, audited) = (agent.clone(), *reason, *audited);
    CounterRow { agent, reason, audited, packets, bytes, connections, sockets }
}

// === impl Count ===

impl Count {
    fn see(&mut self, value: u64) {
        if value < self.last {
            self.before = self.before.saturating_add(self.last);
        }
        self.last = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(packets: u64) -> CounterRow {
        CounterRow {
            agent: "a".to_owned(),
            reason: Reason::NoRule,
            audited: false,
            packets,
            bytes: 10 * packets,
            connections: 0,
            sockets: 0,
        }
    }

    #[test]
    fn a_counter_that_restarts_goes_on_from_where_it_was() {
        let mut floor = Floor::default();
        let shown: Vec<u64> =
            [5, 9, 2, 3].iter().map(|&n| floor.raise(&[at(n)])[0].packets).collect();
        assert_eq!(shown, [5, 9, 11, 12]);
    }

    #[test]
    fn a_row_that_is_not_read_keeps_its_value() {
        let mut floor = Floor::default();
        floor.raise(&[at(5)]);
        assert_eq!(floor.raise(&[]), [at(5)]);
    }
}
