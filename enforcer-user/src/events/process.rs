//! What `/proc` still knows about a process that a record names.

use std::fs;

use nix::time::{ClockId, clock_gettime};

/// Clock ticks a second in `/proc/PID/stat`; fixed at 100 for user space
/// (proc_pid_stat(5), `USER_HZ`).
const TICKS_PER_SECOND: u128 = 100;

/// The program of `pid`, if that process already ran at `ktime_ns`
/// (`CLOCK_MONOTONIC`): a later one only has its number.
pub fn exe_of(pid: u32, ktime_ns: u64) -> Option<String> {
    if pid == 0 {
        return None;
    }
    let exe = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let started = started_ns(&stat)?;
    let slack = 1_000_000_000 / TICKS_PER_SECOND;
    (started <= u128::from(ktime_ns) + suspended_ns() + slack)
        .then(|| exe.to_string_lossy().into_owned())
}

/// The name of a process, as `ps(1)` shows it; `None` where it has ended.
pub fn comm_of(pid: u32) -> Option<String> {
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(comm.trim().to_owned())
}

/// Field 22 of `/proc/PID/stat` as nanoseconds since boot. The name in field 2
/// may hold anything, also spaces and brackets, so counting starts behind it.
fn started_ns(stat: &str) -> Option<u128> {
    let behind_name = stat.rsplit_once(')')?.1;
    let ticks: u128 = behind_name.split_ascii_whitespace().nth(19)?.parse().ok()?;
    Some(ticks * 1_000_000_000 / TICKS_PER_SECOND)
}

/// Time spent suspended: start times count it, `CLOCK_MONOTONIC` does not.
fn suspended_ns() -> u128 {
    let read = |clock| {
        clock_gettime(clock)
            .map_or(0, |t| i128::from(t.tv_sec()) * 1_000_000_000 + i128::from(t.tv_nsec()))
    };
    let suspended = read(ClockId::CLOCK_BOOTTIME) - read(ClockId::CLOCK_MONOTONIC);
    u128::try_from(suspended).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::monotonic_ns;

    #[test]
    fn this_process_is_found() {
        let own = std::env::current_exe().expect("has an exe");
        assert_eq!(exe_of(std::process::id(), monotonic_ns()), Some(own.display().to_string()));
    }

    #[test]
    fn a_process_younger_than_the_record_is_not_taken_for_its_author() {
        assert_eq!(exe_of(std::process::id(), 0), None);
        assert_eq!(exe_of(0, monotonic_ns()), None);
    }

    #[test]
    fn a_name_full_of_brackets_and_spaces_is_stepped_over() {
        let stat = "7 (a) b (c)) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 250 0";
        assert_eq!(started_ns(stat), Some(2_500_000_000));
        assert_eq!(started_ns("7 (a"), None);
        assert_eq!(started_ns("7 (a) S 1"), None);
    }
}
