//! Every kind of event, exported, against the published schemas (tests/schemas).

use std::collections::BTreeMap;

use enforcer_user::audit::{Entry, OCSF_VERSION, ecs, ocsf};
use enforcer_user::events::{Destination, Event, EventKind, Process};
use jsonschema::Validator;
use serde_json::{Value, json};
use time::macros::datetime;

const HOST: &str = "host-1.example";

fn entry(event: Value) -> Entry {
    let time = datetime!(2026-11-22 03:00:00.25 UTC);
    Entry { seq: 7, time, prev: "0".repeat(64), hash: "ab".repeat(32), event }
}

fn of(event: &Event) -> Entry {
    entry(serde_json::to_value(event).expect("serializes"))
}

/// With everything an event can say.
fn full(kind: EventKind) -> Event {
    Event {
        agent: Some("lead-enricher".into()),
        verdict: Some("deny".into()),
        reason: Some("no-rule".into()),
        hook: Some("connect4".into()),
        proto: Some("tcp".into()),
        destination: Some(to("203.0.113.9", 443)),
        process: Some(Process {
            pid: 812,
            comm: "python3".into(),
            exe: Some("/usr/bin/python3.11".into()),
            uid: 990,
        }),
        rule: Some("/etc/enforcer/policies.d/a.toml:7".into()),
        policy_generation: 8,
        credentials: vec!["hubspot-crm".into()],
        suppressed: 3,
        sockets: Some(2),
        ..Event::now(kind, "what else there is to say")
    }
}

fn to(ip: &str, port: u16) -> Destination {
    Destination { ip: ip.parse().expect("an address"), port, name: Some("evil.example".into()) }
}

/// Each kind with everything, with nothing, and in the ways that are told apart.
fn events() -> Vec<Event> {
    let mut all: Vec<_> = EventKind::ALL.into_iter().map(full).collect();
    all.extend(EventKind::ALL.map(|kind| Event { message: None, ..Event::now(kind, "") }));
    for kind in EventKind::ALL {
        let destination = Some(to("2001:db8::9", 53));
        all.push(Event { destination, proto: Some("udp".into()), ..full(kind) });
        let destination = Some(Destination { name: None, ..to("::1", 0) });
        all.push(Event { destination, proto: Some("icmp".into()), ..full(kind) });
        all.push(Event { proto: Some("132".into()), process: None, verdict: None, ..full(kind) });
    }
    for step in ["queued", "known", "confirmed", "retried", "failed", "over-budget", "no-revoker"] {
        let reason = Some(step.into());
        all.push(Event { reason, ..Event::now(EventKind::Revocation, step) });
    }
    all.push(Event { reason: Some("alert".into()), ..Event::now(EventKind::Daemon, "agent a") });
    for says in ["started, enforces anew", "stopped; what is pinned", "failed; what is pinned"] {
        all.push(Event::now(EventKind::Daemon, says));
    }
    all.push(Event::now(EventKind::Policy, "refused, generation 7 stays in force:\nerror"));
    all
}

/// A validator for each class.
fn classes() -> BTreeMap<u64, Validator> {
    let text = include_str!("schemas/ocsf.json");
    let Value::Object(mut file) = serde_json::from_str(text).expect("JSON") else {
        panic!("a map")
    };
    let objects = file.remove("$defs").expect("objects");
    let Some(Value::Object(classes)) = file.remove("classes") else { panic!("classes") };
    let compile = |(uid, mut schema): (String, Value)| {
        schema["$defs"] = objects.clone();
        let validator = jsonschema::draft202012::new(&schema).expect("a schema");
        (uid.parse().expect("a number"), validator)
    };
    classes.into_iter().map(compile).collect()
}

fn wrong(classes: &BTreeMap<u64, Validator>, told: &Value) -> Vec<String> {
    let class = told["class_uid"].as_u64().expect("a class");
    let validator = classes.get(&class).unwrap_or_else(|| panic!("no schema of class {class}"));
    validator.iter_errors(told).map(|e| format!("{}: {e}", e.instance_path())).collect()
}

#[test]
fn every_kind_of_event_is_valid_ocsf() {
    let classes = classes();
    let mut used = BTreeMap::<u64, u32>::new();
    for event in events() {
        let told = ocsf(&of(&event), HOST);
        assert_eq!(wrong(&classes, &told), Vec::<String>::new(), "{event:?}\n{told:#}");
        let (class, activity) = (&told["class_uid"], &told["activity_id"]);
        let (class, activity) = (class.as_u64().expect("one"), activity.as_u64().expect("one"));
        assert_eq!(told["type_uid"], class * 100 + activity);
        assert_eq!(told["category_uid"], class / 1000);
        assert_eq!(told["metadata"]["version"], OCSF_VERSION);
        assert_eq!(told["metadata"]["uid"], "ab".repeat(32), "the entry can be found again");
        *used.entry(class).or_default() += 1;
    }
    assert_eq!(
        used.keys().copied().collect::<Vec<_>>(),
        classes.keys().copied().collect::<Vec<_>>()
    );
}

#[test]
fn the_schemas_find_what_is_wrong() {
    let classes = classes();
    let good = ocsf(&of(&full(EventKind::Denied)), HOST);
    let spoiled = |change: fn(&mut Value)| {
        let mut told = good.clone();
        change(&mut told);
        wrong(&classes, &told)
    };
    assert!(spoiled(|_| ()).is_empty());
    for change in [
        |told: &mut Value| told["evnt"] = 1.into(),
        |told: &mut Value| told["severity_id"] = Value::Null,
        |told: &mut Value| told["action_id"] = 77.into(),
        |told: &mut Value| told["dst_endpoint"]["port"] = "443".into(),
        |told: &mut Value| drop(told.as_object_mut().expect("a map").remove("time")),
    ] {
        assert!(!spoiled(change).is_empty());
    }
}

#[test]
fn each_kind_is_of_its_class() {
    let class = |event: &Event| ocsf(&of(event), HOST)["class_uid"].clone();
    let dns = |kind| Event { destination: Some(to("192.0.2.53", 53)), ..full(kind) };
    for (kind, expected) in [
        (EventKind::Denied, 4001),
        (EventKind::WouldDeny, 4001),
        (EventKind::RateLimited, 4001),
        (EventKind::Connected, 4001),
        (EventKind::Quarantined, 2004),
        (EventKind::Disconnected, 4001),
        (EventKind::Adopted, 3004),
        (EventKind::Released, 3004),
        (EventKind::Tamper, 2004),
        (EventKind::Revocation, 3001),
        (EventKind::Policy, 3004),
        (EventKind::Lost, 6008),
        (EventKind::Daemon, 6002),
    ] {
        assert_eq!(class(&full(kind)), expected, "{kind:?}");
    }
    for kind in [EventKind::Denied, EventKind::WouldDeny, EventKind::Connected] {
        assert_eq!(class(&dns(kind)), 4003, "{kind:?}");
    }
    let device = Event { proto: None, destination: None, ..full(EventKind::Denied) };
    assert_eq!(class(&device), 0, "a device file is no network");
}

#[test]
fn a_denial_says_who_where_and_by_which_rule_in_both_schemas() {
    let entry = of(&full(EventKind::Denied));
    let told = ocsf(&entry, HOST);
    assert_eq!(told["dst_endpoint"]["ip"], "203.0.113.9");
    assert_eq!(told["actor"]["app_name"], "lead-enricher");
    assert_eq!(told["actor"]["process"]["pid"], 812);
    assert_eq!(told["firewall_rule"]["name"], "/etc/enforcer/policies.d/a.toml:7");
    assert_eq!((&told["action_id"], &told["disposition_id"]), (&2.into(), &2.into()));
    assert_eq!(told["unmapped"]["credentials"], json!(["hubspot-crm"]));
    let told = ecs(&entry, HOST);
    assert_eq!(told["destination"]["port"], 443);
    assert_eq!(told["labels"]["agent"], "lead-enricher");
    assert_eq!(told["event"]["type"], json!(["connection", "denied"]));
    assert_eq!(told["rule"]["name"], "/etc/enforcer/policies.d/a.toml:7");
}

#[test]
fn an_entry_of_another_version_is_exported_whole() {
    let strange = json!({ "kind": "not-yet-known", "x": [1, null] });
    let told = ocsf(&entry(strange.clone()), HOST);
    assert_eq!(wrong(&classes(), &told), Vec::<String>::new());
    assert_eq!(told["unmapped"]["event"]["kind"], "not-yet-known");
    let told = ecs(&entry(strange.clone()), HOST);
    assert_eq!(misfits(&told), Vec::<String>::new());
    assert_eq!(told["event"]["original"], strange.to_string());
}

#[test]
fn every_kind_of_event_is_valid_ecs() {
    for event in events() {
        let told = ecs(&of(&event), HOST);
        assert_eq!(misfits(&told), Vec::<String>::new(), "{event:?}\n{told:#}");
    }
}

#[test]
fn the_list_of_fields_finds_what_is_wrong() {
    for wrong in [
        json!({ "evnt": 1 }),
        json!({ "event": { "kind": "odd" } }),
        json!({ "event": { "category": "network" } }),
        json!({ "event": { "category": ["iam"], "type": ["connection"] } }),
        json!({ "destination": { "port": "443" } }),
        json!({ "destination": { "ip": "evil.example" } }),
        json!({ "@timestamp": "yesterday" }),
    ] {
        assert!(!misfits(&wrong).is_empty(), "{wrong}");
    }
}

/// What ECS does not know or takes otherwise.
fn misfits(told: &Value) -> Vec<String> {
    let fields: Value = serde_json::from_str(include_str!("schemas/ecs.json")).expect("JSON");
    let mut found = Vec::new();
    walk(told, "", &fields, &mut found);
    let expected = |category: &Value| {
        let name = category.as_str().unwrap_or_default();
        fields["event.category"]["values"][name].as_array().cloned().unwrap_or_default()
    };
    let list = |name: &str| told["event"][name].as_array().cloned().unwrap_or_default();
    let types: Vec<_> = list("category").iter().flat_map(expected).collect();
    found.extend(list("type").iter().filter(|t| !types.contains(t)).map(|t| format!("type {t}")));
    found
}

fn walk(told: &Value, name: &str, fields: &Value, found: &mut Vec<String>) {
    let field = &fields[name];
    match told.as_object() {
        Some(map) if field.is_null() => {
            for (key, value) in map {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                walk(value, &name, fields, found);
            }
        }
        _ if field.is_null() => found.push(format!("unknown field {name}")),
        _ if fits(told, field) => {}
        _ => found.push(format!("{name} may not be {told}")),
    }
}

fn fits(value: &Value, field: &Value) -> bool {
    if field["list"] == true {
        return value.as_array().is_some_and(|all| all.iter().all(|one| one_fits(one, field)));
    }
    one_fits(value, field)
}

fn one_fits(value: &Value, field: &Value) -> bool {
    let text = value.as_str();
    let rfc3339 = time::format_description::well_known::Rfc3339;
    let of_type = match field["type"].as_str().expect("a type") {
        "date" => text.is_some_and(|text| time::OffsetDateTime::parse(text, &rfc3339).is_ok()),
        "ip" => text.is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()),
        "long" => value.is_i64(),
        "object" => value.as_object().is_some_and(|map| map.values().all(Value::is_string)),
        _ => text.is_some(),
    };
    let allowed = field["values"].as_object();
    of_type && allowed.is_none_or(|allowed| text.is_some_and(|text| allowed.contains_key(text)))
}
