//! `/metrics` as a table, and the comparison that lets nothing move unseen.

use std::collections::BTreeMap;

/// Every sample by its series, labels sorted by name, and the counters' names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    samples: BTreeMap<String, f64>,
    counters: Vec<String>,
}

/// How much a counter is to have moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// By exactly so much.
    Is(u64),
    /// By so much or more.
    AtLeast(u64),
    /// By any amount, zero included.
    Any,
}

// === impl Metrics ===

impl Metrics {
    /// Reads the Prometheus text format.
    pub fn parse(text: &str) -> Self {
        let mut metrics = Self::default();
        for line in text.lines() {
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                if let Some(name) = kind.strip_suffix(" counter") {
                    metrics.counters.push(name.to_owned());
                }
            } else if let Some((series, value)) = line.rsplit_once(' ') {
                let value = value.parse().unwrap_or(f64::NAN);
                metrics.samples.insert(normal(series), value);
            }
        }
        metrics
    }

    /// The sample of a series such as `name{a="1",b="2"}`; 0 when absent.
    pub fn get(&self, series: &str) -> f64 {
        self.samples.get(&normal(series)).copied().unwrap_or(0.0)
    }

    /// Whether there is a sample of this series.
    pub fn has(&self, series: &str) -> bool {
        self.samples.contains_key(&normal(series))
    }

    /// The sum over all series of `name` that carry all of `labels`, each
    /// written `key="value"`.
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let of = |series: &str| {
            series.split('{').next() == Some(name) && labels.iter().all(|l| series.contains(l))
        };
        self.samples.iter().filter(|(series, _)| of(series)).map(|(_, value)| value).sum()
    }

    fn counters(&self) -> impl Iterator<Item = &String> {
        let is_counter = |series: &str| {
            let name = series.split('{').next().unwrap_or_default();
            name.starts_with("enforcer_") && self.counters.iter().any(|c| c == name)
        };
        self.samples.keys().filter(move |series| is_counter(series))
    }
}

/// One spelling for a series, whatever the order of its labels.
fn normal(series: &str) -> String {
    let Some((name, rest)) = series.split_once('{') else { return series.to_owned() };
    let mut labels: Vec<&str> = rest.trim_end_matches('}').split_inclusive("\",").collect();
    labels.iter_mut().for_each(|label| *label = label.trim_end_matches(','));
    labels.sort_unstable();
    format!("{name}{{{}}}", labels.join(","))
}

/// Compares *every* `enforcer_*` counter: those listed must have moved as
/// said, all others not at all. The self-check goes on in the background: its
/// own refusals are left out, and where it has just run, sums that hold them
/// may be higher than said.
///
/// # Panics
/// Naming every counter that moved otherwise.
pub fn expect(before: &Metrics, after: &Metrics, wanted: &[(&str, Change)]) {
    let wanted: BTreeMap<String, Change> =
        wanted.iter().map(|(series, change)| (normal(series), *change)).collect();
    let mut all: Vec<&String> = after.counters().chain(wanted.keys()).collect();
    all.sort_unstable();
    all.dedup();
    let canaries = |metrics: &Metrics| metrics.sum("enforcer_packets_total", &[CANARY]);
    let checked = canaries(before) != canaries(after);
    let wrong: Vec<String> = all
        .into_iter()
        .filter(|series| !series.contains(CANARY))
        .filter_map(|series| {
            let moved = after.get(series) - before.get(series);
            let want = wanted.get(series).copied().unwrap_or(Change::Is(0));
            let want = if checked && holds_canaries(series) { want.or_more() } else { want };
            (!want.holds(moved)).then(|| format!("{series} moved by {moved}, not {want:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "counters moved otherwise:\n{}", wrong.join("\n"));
}

/// Label of what the self-check was refused.
const CANARY: &str = "reason=\"canary\"";

/// Families without a reason count the self-check's refusals with the others.
fn holds_canaries(series: &str) -> bool {
    let families = ["enforcer_connections_total", "enforcer_bytes_total"];
    families.iter().any(|family| series.starts_with(family)) && series.contains("\"deny\"")
}

impl Change {
    fn or_more(self) -> Self {
        if let Self::Is(n) = self { Self::AtLeast(n) } else { self }
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of tests stay far below 2^53")]
    fn holds(self, moved: f64) -> bool {
        match self {
            Self::Is(n) => moved == n as f64,
            Self::AtLeast(n) => moved >= n as f64,
            Self::Any => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# TYPE enforcer_a_total counter\nenforcer_a_total{y=\"2\",x=\"1\"} 3\n\
                        # TYPE enforcer_g gauge\nenforcer_g 7\n";

    #[test]
    fn labels_are_found_in_any_order() {
        let metrics = Metrics::parse(TEXT);
        assert_eq!(metrics.get("enforcer_a_total{x=\"1\",y=\"2\"}"), 3.0);
        assert_eq!(metrics.sum("enforcer_a_total", &["x=\"1\""]), 3.0);
        assert!(metrics.has("enforcer_g"));
    }

    #[test]
    #[should_panic(expected = "enforcer_a_total{x=\"1\",y=\"2\"} moved by 3")]
    fn a_counter_nobody_named_must_not_move() {
        expect(&Metrics::default(), &Metrics::parse(TEXT), &[]);
    }

    #[test]
    fn gauges_may_move() {
        let wanted = [("enforcer_a_total{x=\"1\",y=\"2\"}", Change::Is(3))];
        expect(&Metrics::default(), &Metrics::parse(TEXT), &wanted);
    }
}
