//! What settings mean.

use std::path::Path;
use std::time::Duration;

use crate::config::{AuditSettings, Capacity, ExportFormat, Settings, SinkTarget, StormBudget};

#[test]
fn one_line_is_enough_and_the_rest_is_default() {
    let settings = super::load("version = 1").expect("valid");
    assert_eq!(settings, Settings::default());
    assert_eq!(settings.metrics_listen.to_string(), "127.0.0.1:9635");
    assert_eq!(settings.capacity, Capacity { agents: 1024, prefixes: 65_536, port_rules: 131_072 });
    let storm = StormBudget { revocations: 20, per: Duration::from_secs(600) };
    assert_eq!(settings.storm_budget, storm);
}

#[test]
fn relative_paths_count_from_the_files_folder_and_the_root_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("enforcer.toml");
    let text = "version = 1\nroot = \"a/b/\"\npolicies = \"p.d\"\nstate_dir = \"/var/x\"\ncontrol_socket = \"run/c.sock\"";
    std::fs::write(&path, text).expect("written");
    let settings = Settings::load(&path).expect("valid");
    assert_eq!(settings.root, Path::new("a/b"));
    assert_eq!(settings.policies, folder.path().join("p.d"));
    assert_eq!(settings.state_dir, Path::new("/var/x"));
    assert_eq!(settings.control_socket, folder.path().join("run/c.sock"));
}

#[test]
fn a_later_file_overrides_an_earlier_one_key_by_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let conf_d = folder.path().join("conf.d");
    std::fs::create_dir(&conf_d).expect("made");
    let path = folder.path().join("enforcer.toml");
    let first = "version = 1\nroot = \"a\"\n[storm_budget]\nrevocations = 1\nper = \"1m\"";
    std::fs::write(&path, first).expect("written");
    let write = |name: &str, text: &str| std::fs::write(conf_d.join(name), text).expect("written");
    write("20.toml", "version = 1\nroot = \"c\"\npolicies = \"p\"");
    write("10.toml", "version = 1\nroot = \"b\"\n[storm_budget]\nrevocations = 0");
    write("30.ignored", "not TOML");
    let settings = Settings::load(&path).expect("valid");
    assert_eq!(settings.root, Path::new("c"));
    assert_eq!(settings.policies, folder.path().join("p"));
    let storm = StormBudget { revocations: 0, per: Duration::from_secs(60) };
    assert_eq!(settings.storm_budget, storm);
}

#[test]
fn the_audit_trail_is_kept_for_90_days_and_sent_nowhere_by_default() {
    let audit = super::load("version = 1\n[audit]").expect("valid").audit;
    assert_eq!(audit, AuditSettings::default());
    assert_eq!((audit.rotate_size, audit.keep_size), (64 << 20, 4 << 30));
    assert_eq!((audit.keep.as_secs(), audit.sinks.len()), (90 * 86_400, 0));
}

#[test]
fn sinks_are_read_with_files_that_count_from_the_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("enforcer.toml");
    let text = "version = 1\n[audit]\nrotate_size = \"1MiB\"\nkeep = \"7d\"\nkeep_size = \"2GiB\"\n\
        [[audit.sink]]\nname = \"a\"\nkind = \"syslog\"\nformat = \"ocsf\"\naddress = \"[::1]:6514\"\ntls = true\nca = \"ca.pem\"\n\
        [[audit.sink]]\nname = \"b\"\nkind = \"http\"\nurl = \"http://127.0.0.1:8080/x\"\ntoken_file = \"/t\"";
    std::fs::write(&path, text).expect("written");
    let audit = Settings::load(&path).expect("valid").audit;
    assert_eq!((audit.rotate_size, audit.keep_size), (1 << 20, 2 << 30));
    assert_eq!(audit.keep, Duration::from_secs(7 * 86_400));
    let ca = Some(folder.path().join("ca.pem"));
    let syslog = SinkTarget::Syslog { host: "::1".into(), port: 6514, ca };
    let url = "http://127.0.0.1:8080/x".into();
    let http = SinkTarget::Http { url, token: Some("/t".into()), ca: None };
    assert_eq!(audit.sinks.iter().map(|sink| &sink.to).collect::<Vec<_>>(), [&syslog, &http]);
    assert_eq!(audit.sinks[0].format, ExportFormat::Ocsf);
}

#[test]
fn resolvers_and_ipv6_addresses_are_read() {
    let text = "version = 1\nresolvers = [\"127.0.0.53:53\", \"[::1]:5353\"]\n[metrics]\nlisten = \"[::1]:1\"";
    let settings = super::load(text).expect("valid");
    assert_eq!(settings.resolvers.len(), 2);
    assert!(settings.metrics_listen.is_ipv6());
}
