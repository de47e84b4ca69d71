//! Random packets under random policies: the kernel must say what `decide`
//! says over plain tables, and count it under the same reason.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use enforcer_common::{Flow, Hook, Reason, decide, parse_into};
use enforcer_tests::bench::Bench;
use enforcer_tests::forge::{V4, extension, icmp, tcp, udp, v6};
use enforcer_tests::naive::Tables;
use enforcer_tests::{Random, privileged};

const BATCHES: usize = 4;
const TWICE: u32 = 2;
const PORTS: [u16; 8] = [1, 53, 442, 443, 444, 8000, 8050, 65_535];
const PROTOCOLS: [u8; 6] = [0, 1, 6, 17, 47, 58];

#[test]
fn the_kernel_decides_as_the_tables_do() {
    if !privileged("the_kernel_decides_as_the_tables_do") {
        return;
    }
    let mut random = Random::of_test();
    let mut bench = Bench::new("[[allow]]\nto = [\"192.0.2.0/24\"]\nports = [\"any\"]\n");
    let (policies, packets) = effort();
    for _ in 0..policies {
        let policy = policy(&mut random);
        bench.change_policy(&policy);
        let mut tables = Tables::of(&bench.plan.agents[0]);
        for _ in 0..BATCHES {
            compare_batch(&bench, &tables, &mut random, &policy, packets);
        }
        bench.kernel.quarantine(&bench.agent).expect("quarantine the agent");
        tables.quarantined = true;
        compare_batch(&bench, &tables, &mut random, &policy, packets);
        bench.kernel.release(&bench.agent).expect("release the agent");
    }
}

/// How many policies, and packets a batch. An emulated machine takes ten times
/// as long for each.
fn effort() -> (usize, usize) {
    if std::env::var_os("ENFORCER_GUEST").is_some() { (10, 20) } else { (40, 100) }
}

fn compare_batch(
    bench: &Bench,
    tables: &Tables,
    random: &mut Random,
    policy: &str,
    packets: usize,
) {
    let before = bench.counters();
    let mut wanted = BTreeMap::<Reason, u64>::new();
    for _ in 0..packets {
        let packet = packet(random);
        let mut flow = Flow::UNREADABLE;
        let read = parse_into(&packet.as_slice(), &mut flow);
        let want = decide(tables, Hook::Egress, 1, &flow, read);
        // The second of them finds a shortcut where the first one was allowed.
        let (got, _) = bench.verdict_of_repeated(&packet, TWICE);
        assert_eq!(got, want.verdict, "{want:?} for {packet:02x?} under {policy}");
        *wanted.entry(want.reason).or_default() += u64::from(TWICE);
    }
    let moved: BTreeMap<_, _> =
        bench.moved_since(&before).into_iter().map(|(reason, by)| (reason, by.packets)).collect();
    assert_eq!(moved, wanted, "reasons under {policy}");
}

fn policy(random: &mut Random) -> String {
    let mut text = String::new();
    for _ in 0..=random.below(6) {
        let kind = if random.one_in(4) { "deny" } else { "allow" };
        let nets: Vec<String> = (0..=random.below(3)).map(|_| net(random)).collect();
        let ports: Vec<String> = (0..=random.below(2)).map(|_| ports(random)).collect();
        let (nets, ports) = (nets.join("\", \""), ports.join("\", \""));
        text += &format!("[[{kind}]]\nto = [\"{nets}\"]\nports = [\"{ports}\"]\n");
    }
    // Something is always allowed, so that no policy is all denials.
    text + "[[allow]]\nto = [\"192.0.2.0/24\"]\nports = [\"udp/443\"]\n"
}

/// Nets whose lengths nest and whose addresses collide often.
fn net(random: &mut Random) -> String {
    if random.one_in(3) {
        let len = *random.of(&[32_u8, 48, 64, 127, 128]);
        let bits = u128::from(address_v6(random)) & (u128::MAX << (128 - u32::from(len)));
        return format!("{}/{len}", Ipv6Addr::from(bits));
    }
    let len = *random.of(&[8_u32, 15, 24, 25, 31, 32]);
    let bits = u32::from(address_v4(random)) & (u32::MAX << (32 - len));
    format!("{}/{len}", Ipv4Addr::from(bits))
}

fn ports(random: &mut Random) -> String {
    let (a, b) = (*random.of(&PORTS), *random.of(&PORTS));
    let range = format!("{}-{}", a.min(b), a.max(b));
    match random.below(5) {
        0 => "icmp".to_owned(),
        1 => "any".to_owned(),
        2 => format!("tcp/{a}"),
        3 => format!("udp/{range}"),
        _ => format!("tcp/{range}"),
    }
}

fn address_v4(random: &mut Random) -> Ipv4Addr {
    let low = *random.of(&[0, 1, 127, 128, 255]);
    let third = *random.of(&[2, 3]);
    Ipv4Addr::new(192, *random.of(&[0, 1]), third, low)
}

fn address_v6(random: &mut Random) -> Ipv6Addr {
    if random.one_in(3) {
        return address_v4(random).to_ipv6_mapped();
    }
    let (a, b) = (*random.of(&[0, 1]), *random.of(&[0, 1, 0xffff]));
    Ipv6Addr::new(0x2001, 0xdb8, a, b, 0, 0, 0, *random.of(&[0, 1, 2]))
}

fn packet(random: &mut Random) -> Vec<u8> {
    let protocol = *random.of(&PROTOCOLS);
    let payload = match protocol {
        6 => tcp(*random.of(&PORTS)),
        17 => udp(*random.of(&PORTS), 4),
        _ => icmp(8),
    };
    let mut bytes = if random.one_in(2) {
        packet_v4(random, protocol, &payload)
    } else {
        packet_v6(random, protocol, payload)
    };
    if random.one_in(8) {
        bytes.truncate(1 + random.below(bytes.len()));
    }
    if random.one_in(6) {
        let at = random.below(bytes.len());
        bytes[at] = random.byte();
    }
    bytes
}

fn packet_v4(random: &mut Random, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let to = address_v4(random);
    let mut options = Vec::new();
    if random.one_in(3) {
        options.resize(4 * random.below(11), 1);
        for _ in 0..random.below(3).min(options.len()) {
            let at = random.below(options.len());
            options[at] = *random.of(&[0, 1, 2, 3, 4, 7, 131, 137, 148]);
        }
    }
    let fragment = if random.one_in(10) { *random.of(&[0x2000, 1, 0x1fff, 0x4000]) } else { 0 };
    V4 { to, options: &options, fragment, protocol, payload }.bytes()
}

fn packet_v6(random: &mut Random, protocol: u8, mut payload: Vec<u8>) -> Vec<u8> {
    let mut next = protocol;
    for _ in 0..random.below(10).saturating_sub(4) {
        let units = 1 + u8::try_from(random.below(3)).unwrap_or(0);
        let mut chain = extension(next, units);
        chain.extend(payload);
        payload = chain;
        next = *random.of(&[0, 60, 60, 60, 43, 44, 51, 59, 135]);
    }
    v6(address_v6(random), next, &payload)
}
