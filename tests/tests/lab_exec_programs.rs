//! Programs that have nothing to do with ways out work under `enforcer exec`.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use enforcer_tests::{ALLOWED_V4, BASIC, Daemon, ECHO_PORT, Lab, daemon, privileged};

#[test]
fn ordinary_programs_work() {
    if !privileged("ordinary_programs_work") {
        return;
    }
    let lab = Lab::new();
    lab.write_policy("worker", BASIC);
    let _daemon = Daemon::start(&lab);
    let work = work();
    let url = format!("http://{ALLOWED_V4}:{ECHO_PORT}/");
    let script = work.path().join("script");
    let mut file = std::fs::File::create(&script).expect("a script");
    file.write_all(PROGRAMS.as_bytes()).expect("written");
    let words = ["exec", "--agent", "worker", "--user", "61234:61234", "--"];
    let mut command = daemon::enforcer(&lab, &words);
    command.env("HOME", work.path()).env("URL", url).env("TMPDIR", work.path());
    let said = command.arg("sh").arg(&script).current_dir(work.path()).output().expect("run exec");
    let (stdout, stderr) =
        (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success() && stdout.ends_with("done\n"), "{stdout}\n{stderr}");
}

/// Those of them that this host has.
const PROGRAMS: &str = r#"
set -eu
has() { command -v "$1" >/dev/null && "$@" --version >/dev/null 2>&1; }
test "$(seq 100 | grep 7 | sort -r | wc -l)" = 19
if command -v getent >/dev/null; then getent hosts localhost >/dev/null; fi
if command -v bash >/dev/null; then bash -c 'set -o pipefail; cat <(seq 3) | tac | { read n; test "$n" = 3; cat >/dev/null; }'; fi
if has curl; then curl -sS --max-time 20 -o /dev/null "$URL"; fi
if has git; then
  git init -q repository && cd repository
  git -c user.name=a -c user.email=a@b commit -q --allow-empty -m first && git log --oneline | grep -q first
  cd ..
fi
if has /usr/bin/python3; then /usr/bin/python3 -I - <<'END'
import asyncio, concurrent.futures, multiprocessing, socket, subprocess, tempfile, threading
found = []
threads = [threading.Thread(target=found.append, args=(n,)) for n in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
assert sorted(found) == list(range(8))
assert subprocess.run(['echo', 'hello'], capture_output=True).stdout == b'hello\n'
with concurrent.futures.ProcessPoolExecutor(2) as pool: assert list(pool.map(abs, [-1, -2])) == [1, 2]
async def shell(): return await (await asyncio.create_subprocess_shell('exit 3')).wait()
assert asyncio.run(shell()) == 3
tempfile.NamedTemporaryFile().write(b'x')
a, b = socket.socketpair(); a.send(b'x'); assert b.recv(1) == b'x'
socket.getaddrinfo('localhost', 80)
END
fi
if has node; then node -e '
const { execSync } = require("child_process"), { Worker } = require("worker_threads"), fs = require("fs");
if (execSync("echo hello").toString() !== "hello\n") process.exit(1);
fs.promises.writeFile("node.txt", "x").then(() => fs.promises.readFile("node.txt"));
new Worker("process.exit(0)", { eval: true }).on("exit", code => process.exit(code));
'; fi
echo done
"#;

/// A folder that any user may write, in no folder of the lab.
fn work() -> tempfile::TempDir {
    let work = tempfile::tempdir().expect("a folder");
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(work.path(), open).expect("let others in");
    work
}
