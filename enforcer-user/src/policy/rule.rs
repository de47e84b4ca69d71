//! `[[allow]]` and `[[deny]]`.

use ipnet::IpNet;

use crate::config::reader::Table;
use crate::config::source::Spot;
use crate::config::words::Problem;
use crate::policy::address::destinations;
use crate::policy::ports::{ALL, ports};
use crate::policy::{CredentialId, Location, Ports, Rule};

/// A rule, and where its credential is named.
pub(super) struct WrittenRule {
    pub(super) rule: Rule,
    pub(super) credential: Option<Spot>,
}

/// Reads every rule of a policy, in file order whatever their kind.
pub(super) fn rules(table: &Table<'_>) -> Vec<WrittenRule> {
    let of = |key| table.get(key).map(|value| value.tables()).unwrap_or_default();
    let mut tables: Vec<_> = of("allow").into_iter().map(|table| (true, table)).collect();
    tables.extend(of("deny").into_iter().map(|table| (false, table)));
    tables.sort_by_key(|(_, table)| table.offset());
    tables.into_iter().filter_map(|(allow, table)| rule(allow, &table)).collect()
}

fn rule(allow: bool, table: &Table<'_>) -> Option<WrittenRule> {
    table.only(&["to", "ports", "credential", "tls_name"]);
    if let Some(value) = table.get("tls_name") {
        let problem = Problem::new("`tls_name` is not supported by this version");
        value.error(problem.hint("remove it, and name addresses that only this server has"));
    }
    let to = to(table);
    let ports = port_list(allow, table);
    let credential = table.get("credential");
    let id = credential.map(|value| value.parse(CredentialId::parse));
    let location =
        Location { file: table.source().path().clone(), line: table.source().line(table.offset()) };
    let rule = Rule { allow, to: to?, ports: ports?, credential: id.flatten(), location };
    Some(WrittenRule { rule, credential: credential.map(|value| value.spot()) })
}

fn to(table: &Table<'_>) -> Option<Vec<IpNet>> {
    let hint = "name destinations: `to = [\"192.0.2.0/24\"]`";
    let mut nets = table.need("to", hint)?.list_of(destinations)?.concat();
    let mut seen = std::collections::HashSet::new();
    nets.retain(|net| seen.insert(*net));
    Some(nets)
}

fn port_list(allow: bool, table: &Table<'_>) -> Option<Vec<Ports>> {
    if !allow && table.get("ports").is_none() {
        return Some(vec![ALL]);
    }
    table.need("ports", "name protocols and ports: `ports = [\"tcp/443\"]`")?.list_of(ports)
}
