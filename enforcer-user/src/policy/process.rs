//! `[process]`: what an agent's processes may do beyond sending to addresses.

use crate::config::reader::Table;
use crate::config::words::{Problem, one_of, quoted};
use crate::policy::{Capability, ProcessGrants, UnixName};

/// Room for a name in `sockaddr_un` beside the NUL byte that ends a path or
/// begins an abstract name (`unix(7)`).
const MAX_UNIX: usize = 107;
/// `IFNAMSIZ` without its NUL byte.
const MAX_INTERFACE: usize = 15;

/// Capabilities that no policy can grant, and what each would undo.
const UNDOING: [(Capability, &str); 14] = [
    (Capability::CAP_SYS_ADMIN, "mounts, moves between cgroups and detaches programs"),
    (Capability::CAP_NET_ADMIN, "routes, tunnels and translates allowed packets anywhere"),
    (Capability::CAP_NET_RAW, "sends frames that no hook sees"),
    (Capability::CAP_BPF, "edits the tables the verdicts are read from"),
    (Capability::CAP_PERFMON, "loads programs that read the kernel's memory"),
    (Capability::CAP_SYS_PTRACE, "takes over processes that are not enforced"),
    (Capability::CAP_SYS_MODULE, "loads code into the kernel"),
    (Capability::CAP_SYS_RAWIO, "writes to the kernel's memory and to devices"),
    (Capability::CAP_MKNOD, "makes devices that send packets past the hooks"),
    (Capability::CAP_SYS_BOOT, "starts another kernel"),
    (Capability::CAP_SYS_TIME, "sets the clock that credentials expire by"),
    (Capability::CAP_CHECKPOINT_RESTORE, "restores processes with sockets made elsewhere"),
    (Capability::CAP_DAC_READ_SEARCH, "opens every file by handle, the credentials' too"),
    (Capability::CAP_SETPCAP, "puts capabilities back"),
];

/// Reads `[process]`; without it nothing is granted.
pub(super) fn process(table: &Table<'_>) -> ProcessGrants {
    let Some(table) = table.get("process").and_then(|value| value.table()) else {
        return ProcessGrants::default();
    };
    table.only(&["capabilities", "unix", "interfaces"]);
    ProcessGrants {
        capabilities: list(&table, "capabilities", capability),
        unix: list(&table, "unix", unix),
        interfaces: list(&table, "interfaces", interface),
    }
}

/// A key's elements, each once.
fn list<T: PartialEq>(
    table: &Table<'_>,
    key: &str,
    parse: fn(&str) -> Result<T, Problem>,
) -> Vec<T> {
    let mut read = Vec::new();
    for item in table.get(key).and_then(|value| value.list_of(parse)).unwrap_or_default() {
        if !read.contains(&item) {
            read.push(item);
        }
    }
    read
}

fn capability(text: &str) -> Result<Capability, Problem> {
    let known = caps::all();
    let Some(found) = known.iter().find(|known| known.to_string() == text) else {
        return Err(unknown_capability(text, &known));
    };
    match UNDOING.iter().find(|(undoing, _)| undoing == found) {
        None => Ok(*found),
        Some((_, why)) => Err(Problem::new(format!("{text} would undo enforcement: it {why}"))
            .hint("no agent gets it: let a process outside do what needs it")),
    }
}

fn unknown_capability(text: &str, known: &caps::CapsHashSet) -> Problem {
    let mut names: Vec<_> = known.iter().map(ToString::to_string).collect();
    names.sort();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let problem = one_of("capability", text, &names);
    match problem.hint.as_deref() {
        Some(near) if near.starts_with("did") => problem,
        _ => problem.hint("write it as in capabilities(7): `CAP_NET_BIND_SERVICE`"),
    }
}

fn unix(text: &str) -> Result<UnixName, Problem> {
    let bad = |what: &str| Problem::new(format!("{} {what}", quoted(text)));
    if text.contains('\0') {
        return Err(bad("has a NUL byte in it").hint("names with NUL bytes cannot be granted"));
    }
    match text.strip_prefix('@') {
        Some("") => Err(bad("names no socket").hint("write the name after the `@`")),
        Some(name) if name.len() > MAX_UNIX => Err(too_long(name)),
        Some(name) => Ok(UnixName::Abstract(name.to_owned())),
        None if !text.starts_with('/') => {
            Err(bad("is not an absolute path")
                .hint("start with `/`, or with `@` for an abstract name"))
        }
        None => path(text),
    }
}

/// Compared byte by byte in the kernel, so it is written the one normal way.
fn path(text: &str) -> Result<UnixName, Problem> {
    let bad = |what: &str| Problem::new(format!("{} {what}", quoted(text)));
    let folder = text.strip_suffix('/');
    let components = folder.unwrap_or(text).split('/').skip(1);
    for component in components {
        if matches!(component, "" | "." | "..") {
            let hint = "write the path without `.`, `..` and doubled slashes";
            let what = match component {
                "" => "has an empty component".to_owned(),
                dots => format!("has a component `{dots}`"),
            };
            return Err(bad(&what).hint(hint));
        }
    }
    match folder {
        Some("") => Err(bad("is every socket of the host").hint("name folders or sockets")),
        // A socket below it has a name of at least one byte.
        Some(_) if text.len() >= MAX_UNIX => Err(too_long(text)),
        Some(_) => Ok(UnixName::Under(text.to_owned())),
        None if text.len() > MAX_UNIX => Err(too_long(text)),
        None => Ok(UnixName::Path(text.to_owned())),
    }
}

fn too_long(name: &str) -> Problem {
    let message = format!("{} is {} bytes long", quoted(name), name.len());
    Problem::new(message).hint(format!("names of Unix sockets have at most {MAX_UNIX} bytes"))
}

/// As the kernel's `dev_valid_name`.
fn interface(text: &str) -> Result<String, Problem> {
    let bad = |c: char| c == '/' || c == ':' || c == '\0' || c.is_ascii_whitespace();
    if matches!(text, "" | "." | "..") || text.len() > MAX_INTERFACE || text.contains(bad) {
        let problem = Problem::new(format!("{} is no name of an interface", quoted(text)));
        return Err(problem.hint(format!(
            "1 to {MAX_INTERFACE} bytes without `/`, `:` and blanks, as `ip link` shows it"
        )));
    }
    Ok(text.to_owned())
}
