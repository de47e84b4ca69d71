//! The acts, in order. Each checks what it claims: a demo that only prints
//! success proves nothing.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::demo::clock;
use crate::demo::story::{act, printed, so, typed};
use crate::demo::world::{ALLOWED, AUTH_SERVER, FORBIDDEN, World};

/// Plays all of them.
pub(crate) fn play(world: &mut World<'_>) -> Result<()> {
    the_policy(world)?;
    an_allowed_call(world)?;
    a_denied_call(world)?;
    the_cap(world)?;
    three_violations(world)?;
    after_the_quarantine(world)?;
    the_record(world)
}

fn the_policy(world: &World<'_>) -> Result<()> {
    act(1, "The policy, as the kernel has it");
    for destination in [format!("{ALLOWED}:8080/tcp"), format!("{FORBIDDEN}:8080/tcp")] {
        typed(&format!("enforcer explain demo-agent {destination}"));
        printed(&world.enforcer(&["explain", "demo-agent", &destination])?);
    }
    let alive = introspect(world)?;
    ensure!(alive["active"] == true, "the token should be alive: {alive}");
    so("the agent holds an OAuth token; the authorization server says it is active");
    Ok(())
}

fn an_allowed_call(world: &World<'_>) -> Result<()> {
    act(2, "An allowed call");
    let url = format!("http://{ALLOWED}:8080/");
    typed(&format!("enforcer exec --agent demo-agent --user nobody -- curl -sS {url}"));
    let said = world.agent(&["curl", "-sS", "--max-time", "5", &url])?;
    printed(&said);
    ensure!(said.contains("contacts"), "the allowed call failed: {said}");
    Ok(())
}

fn a_denied_call(world: &World<'_>) -> Result<()> {
    act(3, "A call that the policy does not name");
    let url = format!("http://{FORBIDDEN}:8080/");
    typed(&format!("enforcer exec --agent demo-agent --user nobody -- curl -v {url}"));
    let said = world.agent(&["curl", "-v", "--max-time", "5", &url])?;
    let refused = said.lines().find(|line| line.contains("Operation not permitted"));
    printed(refused.with_context(|| format!("not refused: {said}"))?);
    let counts = world.counts()?;
    ensure!(counts["forbidden"] == 0, "the forbidden API was reached: {counts}");
    so("refused at once; the forbidden API has seen 0 connections");
    Ok(())
}

fn the_cap(world: &World<'_>) -> Result<()> {
    act(4, "The cap: 200 packets a second, burst 50");
    let before = datagrams(world)?;
    let answer = world.agent_program(&format!("flood connected {ALLOWED} 9000 1000 3 1 1 64"))?;
    let attempts =
        answer["attempts"].as_u64().with_context(|| format!("the agent said {answer}"))?;
    let arrived = datagrams(world)? - before;
    so(&format!(
        "the agent tried {attempts} datagrams in 3 seconds; {arrived} arrived (3 × 200 + 50 = 650)"
    ));
    ensure!((560..=740).contains(&arrived), "{arrived} datagrams arrived, expected about 650");
    Ok(())
}

fn three_violations(world: &World<'_>) -> Result<()> {
    act(5, "The third violation within ten seconds");
    let tripped = world.eventually("the quarantine", || violate(world))?;
    so("the kernel has cut the agent off by itself");
    let dead = world.eventually("the revocation", || confirmed(world))?;
    let ms = clock::milliseconds_between(&tripped, &dead).context("times that cannot be read")?;
    so(&format!(
        "token revoked (RFC 7009) and confirmed dead (RFC 7662) {ms:.1} ms after the packet"
    ));
    let token = introspect(world)?;
    typed(&format!("curl … {AUTH_SERVER}/introspect"));
    printed(&token.to_string());
    ensure!(token["active"] == false, "the token is still alive");
    Ok(())
}

/// One more violation; when it was, if the kernel has had enough by then.
fn violate(world: &World<'_>) -> Result<String> {
    let answer = world.agent_program(&format!("tcp x {FORBIDDEN} 8080"))?;
    let errno = answer["errno"].as_str().unwrap_or("connected");
    println!("   connect to {FORBIDDEN}:8080: {errno}");
    ensure!(errno == "EPERM", "expected EPERM: {answer}");
    let event = world.events("quarantined")?.pop().context("not quarantined yet")?;
    event["time"].as_str().map(str::to_owned).context("an event without a time")
}

fn after_the_quarantine(world: &World<'_>) -> Result<()> {
    act(6, "Nothing leaves any more, not even what was allowed");
    let before = world.counts()?;
    let said =
        world.agent(&["curl", "-v", "--max-time", "5", &format!("http://{ALLOWED}:8080/")])?;
    let refused = said.lines().find(|line| line.contains("Operation not permitted"));
    printed(refused.with_context(|| format!("not refused: {said}"))?);
    let after = world.counts()?;
    ensure!(before == after, "something arrived at the peer: {before} then {after}");
    so("the peer has received nothing since");
    typed("enforcer agents");
    printed(&world.enforcer(&["agents"])?);
    Ok(())
}

fn the_record(world: &World<'_>) -> Result<()> {
    act(7, "The record");
    typed("curl http://127.0.0.1:9635/metrics");
    let metrics = world.metrics()?;
    let shown = [
        "enforcer_packets_total",
        "enforcer_quarantined",
        "enforcer_connections_total",
        "enforcer_violations_total",
        "enforcer_rate_limited_total",
        "enforcer_revocations_total",
        "enforcer_enforcement_verified",
    ];
    let wanted = metrics
        .lines()
        .filter(|line| shown.iter().any(|name| line.starts_with(name)) && !line.ends_with(" 0"));
    printed(&wanted.collect::<Vec<_>>().join("\n"));
    typed("enforcer audit verify");
    printed(&world.enforcer(&["audit", "verify"])?);
    Ok(())
}

fn introspect(world: &World<'_>) -> Result<Value> {
    world.ask("enforcer:client", "introspect", &format!("token={}", world.token))
}

fn datagrams(world: &World<'_>) -> Result<u64> {
    world.counts()?["datagrams"].as_u64().context("the peer counts no datagrams")
}

/// When the authorization server told the daemon that the token is dead: the
/// first introspection after the revocation that found it inactive.
fn confirmed(world: &World<'_>) -> Result<String> {
    let calls = world.calls()?;
    let revoked =
        calls.iter().position(|call| call["result"] == "revoked").context("not revoked yet")?;
    let dead = calls[revoked..]
        .iter()
        .find(|call| call["result"] == "inactive")
        .context("not confirmed yet")?;
    match dead["time"].as_str() {
        Some(time) => Ok(time.to_owned()),
        None => bail!("a call without a time: {dead}"),
    }
}
