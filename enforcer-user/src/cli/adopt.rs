//! `enforcer adopt`.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::client::{self, Client};
use crate::cli::failure::Failure;
use crate::cli::output::{OutputArgs, plain, table};
use crate::cli::settings;
use crate::daemon::protocol::{AdoptedSocket, Adoption, Reply, Request, SocketResult};

const HEADER: [&str; 4] = ["PID/FD", "SOCKET", "RESULT", "WHY"];

/// Of `enforcer adopt`.
#[derive(Args, Debug)]
#[command(after_help = "\
A socket belongs for ever to the cgroup that it was made in. The kernel judges no packet of one
that was made outside, so such sockets are destroyed, for both ends to see.
What is adopted keeps its capabilities: to start a program as an agent is better.

Examples:
  enforcer adopt --agent lead-enricher --pid 4242
  enforcer adopt --agent lead-enricher --cgroup system.slice/enricher.service")]
pub(crate) struct AdoptArgs {
    /// The agent
    #[arg(long)]
    agent: String,
    #[command(flatten)]
    target: TargetArgs,
    /// Leave connections that the policy allows now, though nothing will judge them again
    #[arg(long)]
    keep_allowed: bool,
    #[command(flatten)]
    output: OutputArgs,
}

/// One of them.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct TargetArgs {
    /// A process, with all its threads
    #[arg(long)]
    pid: Option<u32>,
    /// Every process in a cgroup and below, as in /proc/PID/cgroup
    #[arg(long, value_name = "PATH")]
    cgroup: Option<PathBuf>,
}

pub(crate) fn run(config: Option<&Path>, args: AdoptArgs) -> Result<(), Failure> {
    let settings = settings::load(config)?;
    let AdoptArgs { agent, target: TargetArgs { pid, cgroup }, keep_allowed, output } = args;
    let request = Request::Adopt { agent, pid, cgroup, keep_allowed };
    let reply = Client::connect(&settings.control_socket)?.ask(&request)?;
    let Reply::Adopted(adoption) = &reply else { return Err(client::unexpected(&reply)) };
    output.print(adoption, |width| render(adoption, width))
}

fn render(adoption: &Adoption, width: Option<u16>) -> String {
    let Adoption { agent, cgroup, processes, sockets, notes } = adoption;
    let processes = match processes.len() {
        1 => "1 process".to_owned(),
        many => format!("{many} processes"),
    };
    let mut text = format!("{processes} adopted as {}\ncgroup {}\n", plain(agent), plain(cgroup));
    if sockets.is_empty() {
        text += "no sockets were held\n";
    } else {
        let rows: Vec<_> = sockets.iter().map(row).collect();
        text += &format!("\n{}", table(HEADER, &rows, width));
    }
    let remarks = remarks(sockets).map(str::to_owned).chain(notes.iter().map(|n| plain(n)));
    for remark in remarks {
        text += &format!("\n{}\n", wrapped(&remark, width));
    }
    text
}

/// Lines of at most `width` columns, broken between words.
fn wrapped(text: &str, width: Option<u16>) -> String {
    let width = width.map_or(usize::MAX, usize::from);
    let (mut lines, mut column) = (String::new(), 0);
    for word in text.split_whitespace() {
        let len = word.chars().count();
        let breaks = column > 0 && column + 1 + len > width;
        column = if breaks || column == 0 { len } else { column + 1 + len };
        lines += if breaks {
            "\n"
        } else if lines.is_empty() {
            ""
        } else {
            " "
        };
        lines += word;
    }
    lines
}

fn row(socket: &AdoptedSocket) -> [String; 4] {
    let AdoptedSocket { pid, fd, kind, local, peer, result, why, .. } = socket;
    let ends = match (local, peer) {
        (Some(local), Some(peer)) => format!("{kind} {local} > {peer}"),
        (Some(end), None) => format!("{kind} {end}"),
        (None, Some(peer)) => format!("{kind} > {peer}"),
        (None, None) => kind.clone(),
    };
    [format!("{pid}/{fd}"), plain(&ends), word(*result).to_owned(), plain(why)]
}

const fn word(result: SocketResult) -> &'static str {
    match result {
        SocketResult::Destroyed => "destroyed",
        SocketResult::Kept => "kept",
        SocketResult::Open => "OPEN",
    }
}

/// What the words in the last column mean, where they need it.
fn remarks(sockets: &[AdoptedSocket]) -> impl Iterator<Item = &'static str> {
    let meanings = [
        (
            "made outside",
            "made outside: the kernel would never judge it; --keep-allowed leaves connections that the policy allows",
        ),
        (
            "allowed, made outside",
            "allowed, made outside: the policy allows it now; nothing judges it again",
        ),
        (
            "not judged",
            "not judged: no rule names such sockets; what was connected stays connected",
        ),
        (
            "cannot be ended",
            "cannot be ended: end the process, and start it anew with `enforcer exec`",
        ),
    ];
    let used = |why: &str| sockets.iter().any(|socket| socket.why == why);
    meanings.into_iter().filter(move |(why, _)| used(why)).map(|(_, meaning)| meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adoption() -> Adoption {
        let socket = |fd, kind: &str, ends: [Option<&str>; 2], result, why: &str| AdoptedSocket {
            pid: 4_194_303,
            fd,
            holders: 1,
            kind: kind.into(),
            local: ends[0].map(Into::into),
            peer: ends[1].map(Into::into),
            result,
            why: why.into(),
        };
        let (own, far) = (Some("10.20.0.1:40000"), Some("203.0.113.99:443"));
        let bus = [Some("/run/dbus/system_bus_socket"), Some("dbus-daemon[991]")];
        Adoption {
            agent: "lead-enricher".into(),
            cgroup: "/sys/fs/cgroup/agents.slice/lead-enricher".into(),
            processes: vec![4_194_303],
            sockets: vec![
                socket(3, "tcp", [own, far], SocketResult::Destroyed, "no-rule"),
                socket(
                    4,
                    "tcp",
                    [own, Some("10.20.0.9:5432")],
                    SocketResult::Destroyed,
                    "made outside",
                ),
                socket(5, "udp", [None, None], SocketResult::Destroyed, "made outside"),
                socket(6, "unix stream", bus, SocketResult::Open, "not judged"),
                socket(7, "packet raw", [None, None], SocketResult::Open, "cannot be ended"),
            ],
            notes: vec![
                "process 4194303 keeps CAP_NET_RAW: only `enforcer exec` takes them away".into(),
            ],
        }
    }

    #[test]
    fn an_adoption_fits_into_80_columns() {
        let text = render(&adoption(), Some(80));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_wide_screen_gets_a_table() {
        insta::assert_snapshot!(render(&adoption(), Some(100)));
    }

    #[test]
    fn nothing_held_is_said() {
        let none = Adoption { sockets: vec![], notes: vec![], ..adoption() };
        let text = render(&Adoption { processes: vec![1, 2], ..none }, None);
        let place = "/sys/fs/cgroup/agents.slice/lead-enricher";
        assert_eq!(
            text,
            format!("2 processes adopted as lead-enricher\ncgroup {place}\nno sockets were held\n")
        );
    }
}
