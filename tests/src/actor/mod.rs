//! The inside of `lab-agent`: one command a line (or one as arguments), one
//! JSON object in answer. `help` is the list below.

mod aim;
mod below;
mod carry;
mod crafted;
mod doors;
mod elsewhere;
mod guard;
mod handed;
mod host;
mod icmp;
mod steady;
mod stray;
mod join;
mod programs;
mod race;
mod reach;
mod ring;
mod tcp;
mod udp;
mod way_out;

use std::collections::HashMap;
use std::io::BufRead;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::ExitCode;

use nix::errno::Errno;
use serde_json::{Value, json};

use crate::wait::now_ns;

/// What a command comes to: fields of the answer, or what was refused.
pub type Done = Result<Value, Errno>;

/// Sockets that stay open between commands, by the name the test gave.
#[derive(Debug, Default)]
pub struct Streams {
    tcp: HashMap<String, TcpStream>,
    udp: HashMap<String, UdpSocket>,
    listeners: HashMap<String, TcpListener>,
    steady: HashMap<String, steady::Steady>,
    /// Held and never used.
    others: Vec<OwnedFd>,
}

/// Acts on the arguments, or on each line of stdin until it ends.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mut streams = Streams::default();
    if arguments.is_empty() {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            println!("{}", answer(&line, &mut streams));
        }
        return ExitCode::SUCCESS;
    }
    let answer = answer(&arguments.join(" "), &mut streams);
    println!("{answer}");
    if answer["ok"] == true { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn answer(line: &str, streams: &mut Streams) -> Value {
    let words: Vec<&str> = line.split_whitespace().collect();
    let start = now_ns();
    let done = act(&words, streams);
    let (start, end) = (json!(start), json!(now_ns()));
    let ok = done.is_ok();
    let mut answer = done.unwrap_or_else(|errno| json!({ "errno": format!("{errno:?}") }));
    answer["ok"] = json!(ok);
    answer["start_ns"] = start;
    answer["end_ns"] = end;
    answer
}

fn act(words: &[&str], streams: &mut Streams) -> Done {
    match *words {
        ["tcp", name, address, port] => tcp::connect(streams, name, address, port),
        ["write", name, bytes] => tcp::write(streams, name, bytes),
        ["write-loop", name, bytes, gap_us, count] => {
            tcp::write_loop(streams, name, bytes, gap_us, count)
        }
        ["stream", name, bytes, gap_us, seconds] => {
            tcp::stream(streams, name, bytes, gap_us, seconds)
        }
        ["listen", name, port] => tcp::listen(streams, name, port),
        ["accept", name] => tcp::accept(streams, name),
        ["reconnect", name, address, port] => tcp::reconnect(streams, name, address, port),
        ["tcp-rate", address, port, per_second, seconds] => {
            tcp::connect_rate(address, port, per_second, seconds)
        }
        ["close", name] => tcp::close(streams, name),
        ["udp", how, address, port, count] => udp::send(how, address, port, count),
        ["udp-open", name, address, port] => udp::open(streams, name, address, port),
        ["udp-send", name] => udp::send_on(streams, name),
        ["udp-send-to", name, address, port] => udp::send_to_on(streams, name, address, port),
        ["udp-wait", name, seconds] => udp::wait(streams, name, seconds),
        ["udp-echo", address, port] => udp::echo(address, port),
        ["flood", how, address, port, pps, seconds, threads, sockets, len] => {
            udp::flood(how, address, port, &[pps, seconds, threads, sockets, len])
        }
        ["steady", name, address, port, gap_us] => {
            steady::start(streams, name, address, port, gap_us)
        }
        ["steady-stop", name] => steady::stop(streams, name),
        ["storm", address, port, count] => steady::storm(streams, address, port, count),
        ["tcp-storm", address, port, threads, each] => {
            tcp::connect_storm(address, port, threads, each)
        }
        ["aim", how, address, port] => aim::at(how, address, port),
        ["in-name-of", source, address, port] => aim::in_the_name_of(source, address, port),
        ["turn", how, name, address, port] => aim::turn(streams, how, name, address, port),
        ["batch", addresses, port] => aim::batch(addresses, port),
        ["race", how, good, bad, port, rounds] => race::run(how, good, bad, port, rounds),
        ["carry", how, name] => carry::on(streams, how, name),
        ["carry-handed", how, fd] => carry::on_handed(how, fd),
        ["ring", how, kind, address, port] => ring::reach(how, kind, address, port),
        ["ring-option", level, name] => ring::option(level, name),
        ["crafted", what, address, port, by] => crafted::send(what, address, port, by),
        ["join", how, group, interface] => join::group(streams, how, group, interface),
        ["frame", how, interface, address, port] => below::frame(how, interface, address, port),
        ["enter", path] => elsewhere::enter(path),
        ["own-namespaces"] => elsewhere::own_namespaces(),
        ["route-change", kind] => elsewhere::change(kind),
        ["poke", pid] => elsewhere::poke(pid),
        ["mount-own", kind, folder] => elsewhere::mount_own(kind, folder),
        ["call-from", kind, own, to] => elsewhere::call_from(kind, own, to),
        ["udp-to-all", address, port] => elsewhere::to_all(address, port),
        ["answer", name] => elsewhere::answer(streams, name),
        ["stray", from, to, port, count] => stray::acknowledgements(from, to, port, count),
        ["change-root", folder] => elsewhere::change_root(folder),
        ["signal-by-descriptor", how, pid, signal] => reach::by_descriptor(how, pid, signal),
        ["starve", what, pid] => reach::starve(what, pid),
        ["own-program", how, cgroup] => programs::attach(streams, how, cgroup),
        ["ping", how, address] => icmp::ping(how, address),
        ["unix", path] => host::unix(streams, path),
        ["packet"] => host::packet(streams),
        ["raw"] => icmp::raw(),
        ["bpf", command] => way_out::bpf(command),
        ["unshare", flags] => way_out::unshare(flags),
        ["kill", pid, signal] => way_out::kill(pid, signal),
        ["ptrace", pid] => way_out::ptrace(pid),
        ["take", pid, fd] => way_out::take(pid, fd),
        ["request-key"] => way_out::request_key(),
        ["change", how, path] => way_out::change(how, path),
        ["clone-into", cgroup, marker] => way_out::clone_into(cgroup, marker),
        ["write-fd", fd, text] => way_out::write_fd(fd, text),
        ["handed", how, fd, address] => handed::act(how, fd, address),
        ["option", level, name] => guard::option(level, name),
        ["mknod", path, major, minor] => guard::mknod(path, major, minor),
        ["unix", how, name] => guard::unix(how, name),
        ["unix-listen", path] => guard::unix_listen(path),
        ["udp-by", interface, address, port] => guard::udp_by(interface, address, port),
        ["fds"] => host::descriptors(),
        ["status"] => host::status(),
        ["cgroup"] => host::cgroup(),
        ["socket", family, kind, protocol] => doors::socket(family, kind, protocol),
        ["call", name] => doors::call(name),
        ["open", how, path] => doors::open(how, path),
        ["lock", path] => doors::lock(streams, path),
        ["open-up", path] => doors::open_up(path),
        ["put", path, word] => doors::put(path, word),
        ["unlink", path] => doors::unlink(path),
        ["symlink", target, path] => doors::symlink(target, path),
        ["stat", path] => doors::stat(path),
        ["signal", pid] => doors::signal(pid),
        ["abstract-listen", name] => doors::abstract_listen(name),
        ["variable", name] => doors::variable(name),
        ["sleep", seconds] => host::sleep(seconds),
        ["exit", code] => host::exit(code),
        ["kill-self", signal] => host::kill_self(signal),
        _ => {
            eprintln!("lab-agent: do not understand {words:?}");
            Err(Errno::ENOSYS)
        }
    }
}

/// Reads a number, an address, anything that parses.
fn read<T: std::str::FromStr>(word: &str) -> Result<T, Errno> {
    word.parse().map_err(|_| {
        eprintln!("lab-agent: cannot read {word:?}");
        Errno::EINVAL
    })
}

/// The errno behind an I/O error.
fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
