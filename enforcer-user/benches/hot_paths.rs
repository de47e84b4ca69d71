//! What the daemon does most: a record becomes an event, an event is counted
//! against the rules, a policy becomes tables. `cargo bench -p enforcer-user`.

use std::fmt::Write;

use divan::{Bencher, black_box, counter::ItemsCount};
use enforcer_common::{Address, COMM_LEN, Hook, NO_RULE, Reason, Record, RecordKind};
use enforcer_user::compile::{RuleInfo, compile};
use enforcer_user::config::Settings;
use enforcer_user::correlate::Correlator;
use enforcer_user::events::{Event, Names, decode};
use enforcer_user::policy::{Inventory, parse};

fn main() {
    divan::main();
}

const AGENT: &str = "agent = \"worker\"\n";
const RESPOND: &str = "[[respond]]\nwhen = { event = \"denied\", count = 100, within = \"10s\" }\n\
                       do = [\"alert\"]\n";
/// How many prefixes the large policy has.
const PREFIXES: u32 = 100_000;

struct OneAgent;

impl Names for OneAgent {
    fn agent(&self, slot: u32, _generation: u32) -> Option<String> {
        (slot == 1).then(|| "worker".to_owned())
    }

    fn rule(&self, _: u32, _: u32) -> Option<RuleInfo> {
        None
    }
}

fn record() -> [u8; Record::SIZE] {
    let record = Record {
        ktime_ns: 1_000_000_000,
        cgroup_id: 7,
        socket_cookie: 9,
        destination: Address::v4([203, 0, 113, 9]).0,
        comm: [b'c'; COMM_LEN],
        pid: 42,
        uid: 1000,
        slot: 1,
        policy_id: 1,
        generation: 1,
        rule: NO_RULE,
        suppressed: 0,
        port: 443,
        protocol: 6,
        kind: RecordKind::Denied as u8,
        hook: Hook::Connect4 as u8,
        reason: Reason::NoRule as u8,
        reserved: [0; 2],
        detail: 0,
    };
    // SAFETY: integers only, and the layout has no padding (`kernel_abi!`).
    unsafe { std::mem::transmute(record) }
}

/// A policy that allows `prefixes` distinct networks.
fn policy(prefixes: u32) -> String {
    let mut text = format!("version = 1\n{AGENT}{RESPOND}[[allow]]\nports = [\"tcp/443\"]\nto = [");
    for n in 0..prefixes {
        let [a, b, c, _] = (0x1000_0000_u32 + (n << 8)).to_be_bytes();
        write!(text, "\"{a}.{b}.{c}.0/24\",").expect("a string takes everything");
    }
    text + "]\n"
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.capacity.prefixes = 4 * PREFIXES;
    settings
}

fn inventory(prefixes: u32) -> Inventory {
    parse(&policy(prefixes), None, &settings()).expect("a valid policy")
}

#[divan::bench]
fn decode_a_record(bencher: Bencher<'_, '_>) {
    let bytes = record();
    bencher.counter(ItemsCount::new(1_u32)).bench(|| decode(black_box(&bytes), &OneAgent));
}

#[divan::bench]
fn correlate_an_event(bencher: Bencher<'_, '_>) {
    let inventory = inventory(10);
    let mut correlator = Correlator::new(&inventory.policies, &inventory.credentials);
    let mut event: Event = decode(&record(), &OneAgent).expect("a valid record");
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        // One in a fifth of a second: the window stays half full.
        event.ktime_ns += 200_000_000;
        correlator.observe(black_box(&event))
    });
}

#[divan::bench(sample_count = 10)]
fn read_a_policy_of_100_k_prefixes(bencher: Bencher<'_, '_>) {
    let (text, settings) = (policy(PREFIXES), settings());
    bencher.counter(ItemsCount::new(PREFIXES)).bench(|| parse(black_box(&text), None, &settings));
}

#[divan::bench(sample_count = 10)]
fn compile_a_policy_of_100_k_prefixes(bencher: Bencher<'_, '_>) {
    let (inventory, settings) = (inventory(PREFIXES), settings());
    bencher.counter(ItemsCount::new(PREFIXES)).bench(|| compile(black_box(&inventory), &settings));
}
