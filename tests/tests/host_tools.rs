//! What other people's programs make of it: `curl` as the agent, Prometheus'
//! `promtool` as the reader of the metrics.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use enforcer_tests::{
    ALLOWED_V4, ALLOWED_V6, BASIC, Daemon, ECHO_PORT, FORBIDDEN_V4, FORBIDDEN_V6, Lab, cgroup,
    daemon, privileged, skip,
};

#[test]
fn curl_is_refused_at_once_and_says_so() {
    let test = "curl_is_refused_at_once_and_says_so";
    if !privileged(test) || !has("curl", test) {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let mut daemon = Daemon::start(&lab);
    check_curl(&lab);
    daemon.kill9();
    check_curl(&lab);
    assert_eq!(lab.peer.packets_to(FORBIDDEN_V4), []);
    assert_eq!(lab.peer.packets_to(FORBIDDEN_V6), []);
}

#[test]
fn promtool_finds_nothing_wrong_with_the_metrics() {
    let test = "promtool_finds_nothing_wrong_with_the_metrics";
    let promtool = std::env::var("ENFORCER_PROMTOOL").unwrap_or_else(|_| "promtool".to_owned());
    if !privileged(test) || !has(&promtool, test) {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let daemon = Daemon::start(&lab);
    lab.agent("worker").expect_refused(&format!("tcp d {FORBIDDEN_V4} 443"));
    let (status, text) = daemon.http("/metrics");
    assert_eq!(status, 200);
    let mut check = Command::new(promtool);
    check.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut check = check.stderr(Stdio::piped()).spawn().expect("start promtool");
    check.stdin.take().expect("stdin is piped").write_all(text.as_bytes()).expect("feed it");
    let output = check.wait_with_output().expect("promtool ends");
    assert!(output.status.success(), "{}", complaint(&output));
    assert_eq!(complaint(&output), "");
}

fn check_curl(lab: &Lab) {
    for agent in ["worker", "worker/nested"] {
        for address in [ALLOWED_V4.to_owned(), format!("[{ALLOWED_V6}]")] {
            let output = curl(lab, agent, &address);
            assert_eq!(output.stdout, b"ok\n", "{agent} {address}: {}", complaint(&output));
        }
    }
    for (agent, address) in [
        ("worker", FORBIDDEN_V4.to_owned()),
        ("worker", format!("[{FORBIDDEN_V6}]")),
        ("worker/nested", FORBIDDEN_V4.to_owned()),
    ] {
        let output = curl(lab, agent, &address);
        assert_eq!(output.status.code(), Some(7), "{agent} {address}: {output:?}");
        let said = complaint(&output);
        assert!(said.contains("Operation not permitted"), "{agent} {address}: {said}");
    }
    // A process of no agent cannot make a socket; curl calls that an error of connecting.
    for address in [ALLOWED_V4, FORBIDDEN_V4] {
        let output = curl(lab, "sibling", address);
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    }
    let mut exec = daemon::enforcer(lab, &["exec", "--agent", "worker", "--", "curl", "-sS"]);
    let output = exec.args(["-m", "5", &url(FORBIDDEN_V4)]).output().expect("run enforcer exec");
    assert_eq!(output.status.code(), Some(7), "{output:?}");
}

/// `-v` names the errno of each attempt; two seconds are a time-out, not a refusal.
fn curl(lab: &Lab, agent: &str, address: &str) -> Output {
    let mut command = lab.command("curl");
    command.args(["-sS", "-v", "-m", "2", &url(address)]).env_clear();
    cgroup::put(&mut command, &lab.cgroup(agent)).output().expect("run curl")
}

fn url(address: &str) -> String {
    format!("http://{address}:{ECHO_PORT}/")
}

fn complaint(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn has(program: &str, test: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        skip(test, &format!("no {program}; `cargo xtask setup --tests` installs it"));
    }
    found
}
