//! `enforcer doctor` tells the truth: of a host that has all, and of hosts
//! that lack something.

use std::fs;

use enforcer_tests::crippled::{Diagnosis, hide, install, own_mounts, read_only, unmount, without};
use enforcer_tests::privileged;
use seccompiler::{SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};

const BPF_PROG_LOAD: u64 = 5;

#[test]
fn a_whole_host_can_enforce() {
    if !privileged("a_whole_host_can_enforce") {
        return;
    }
    let diagnosis = Diagnosis::of(&[], || Ok(()));
    assert!(diagnosis.can_enforce());
    let may_lack = ["security hooks", "Unix sockets", "Landlock for `exec`", "JIT", "cgroup v1"];
    let unexpected: Vec<_> =
        diagnosis.complaints().into_iter().filter(|name| !may_lack.contains(name)).collect();
    assert_eq!(unexpected, Vec::<&str>::new());
    let hierarchies = fs::read_to_string("/proc/self/cgroup").expect("readable");
    let hybrid = hierarchies.lines().any(|line| !line.starts_with("0::"));
    assert_eq!(diagnosis.complaints().contains(&"cgroup v1"), hybrid);
    let judged = diagnosis.check("Unix sockets").0 == "ok";
    let hooks = !diagnosis.check("security hooks").1.starts_with("none");
    assert_eq!(judged, hooks || release() >= (6, 7));
    assert_eq!(diagnosis.check("Landlock for `exec`").0 == "ok", release() >= (6, 12));
}

#[test]
fn settings_that_are_no_good_are_not_taken_for_the_defaults() {
    if !privileged("settings_that_are_no_good_are_not_taken_for_the_defaults") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("enforcer.toml");
    std::fs::write(&file, "version = 1\nrot = \"agents.slice\"\n").expect("written");
    let named = ["--config", file.to_str().expect("a path")];
    let diagnosis = Diagnosis::of(&named, || Ok(()));
    assert!(!diagnosis.can_enforce());
    says(&diagnosis, "settings", "missing", "unknown key `rot`");
}

#[test]
fn cgroups_that_cannot_be_written_are_told_from_those_that_can() {
    if !privileged("cgroups_that_cannot_be_written_are_told_from_those_that_can") {
        return;
    }
    let mount = enforcer_user::kernel::cgroup2_mount().expect("cgroup v2");
    let diagnosis = Diagnosis::of(&[], move || {
        own_mounts()?;
        read_only(&mount)
    });
    assert!(!diagnosis.can_enforce());
    says(&diagnosis, "cgroup v2", "missing", "read-only");
}

#[test]
fn a_kernel_without_type_information_is_told_from_one_with() {
    if !privileged("a_kernel_without_type_information_is_told_from_one_with") {
        return;
    }
    let diagnosis = Diagnosis::of(&[], || own_mounts().and_then(|()| hide("/sys/kernel/btf")));
    assert!(!diagnosis.can_enforce());
    says(&diagnosis, "type information (BTF)", "missing", "CONFIG_DEBUG_INFO_BTF=y");
    says(&diagnosis, "security hooks", "degraded", "enforcer exec");
    says(&diagnosis, "escape watch", "degraded", "leaves its cgroup is not ended");
    says(&diagnosis, "program cgroup_skb/egress", "ok", "loads");
}

#[test]
fn a_host_without_cgroup2_is_told_how_to_get_it() {
    if !privileged("a_host_without_cgroup2_is_told_how_to_get_it") {
        return;
    }
    let mounts = cgroup2_mounts();
    let diagnosis = Diagnosis::of(&[], move || {
        own_mounts()?;
        mounts.iter().try_for_each(|mount| unmount(mount))
    });
    assert!(!diagnosis.can_enforce());
    says(&diagnosis, "cgroup v2", "missing", "mount -t cgroup2");
}

#[test]
fn pins_outside_a_bpf_file_system_are_missing() {
    if !privileged("pins_outside_a_bpf_file_system_are_missing") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("enforcer.toml");
    let text = format!("version = 1\nbpf_dir = {:?}\n", folder.path().join("pins"));
    fs::write(&config, text).expect("written");
    let config = config.to_str().expect("UTF-8");
    let diagnosis = Diagnosis::of(&["--config", config], || Ok(()));
    assert!(!diagnosis.can_enforce());
    says(&diagnosis, "bpffs", "missing", "would end with the daemon");
}

#[test]
fn a_host_whose_bpffs_is_not_mounted_gets_it_from_the_daemon() {
    if !privileged("a_host_whose_bpffs_is_not_mounted_gets_it_from_the_daemon") {
        return;
    }
    let diagnosis = Diagnosis::of(&[], || own_mounts().and_then(|()| hide("/sys/fs/bpf")));
    assert!(diagnosis.can_enforce());
    says(&diagnosis, "bpffs", "ok", "not mounted yet; `enforcer run` mounts /sys/fs/bpf");
}

#[test]
fn a_kernel_that_takes_no_programs_is_told_what_each_is_for() {
    if !privileged("a_kernel_that_takes_no_programs_is_told_what_each_is_for") {
        return;
    }
    let loads = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, BPF_PROG_LOAD);
    let loads = SeccompRule::new(vec![loads.expect("a condition")]).expect("a rule");
    let filter = without(&[(libc::SYS_bpf, vec![loads])], libc::EINVAL);
    let diagnosis = Diagnosis::of(&[], move || install(&filter));
    assert!(!diagnosis.can_enforce());
    says(&diagnosis, "program cgroup_skb/egress", "missing", "packets are not judged at all");
    says(&diagnosis, "program cgroup/setsockopt", "missing", "CONFIG_CGROUP_BPF=y");
    says(&diagnosis, "map hash", "ok", "can be made");
    says(&diagnosis, "Unix sockets", "degraded", "container engines");
    assert_eq!(diagnosis.complaints().iter().filter(|n| n.starts_with("program ")).count(), 10);
}

#[test]
fn what_open_sockets_and_exec_lack_is_named_and_does_not_stop_enforcement() {
    if !privileged("what_open_sockets_and_exec_lack_is_named_and_does_not_stop_enforcement") {
        return;
    }
    let netlink = (libc::AF_NETLINK.cast_unsigned()).into();
    let netlink = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, netlink);
    let netlink = SeccompRule::new(vec![netlink.expect("a condition")]).expect("a rule");
    let calls = [
        (libc::SYS_socket, vec![netlink]),
        (libc::SYS_landlock_create_ruleset, vec![]),
        (libc::SYS_seccomp, vec![]),
    ];
    let filter = without(&calls, libc::ENOSYS);
    let diagnosis = Diagnosis::of(&[], move || install(&filter));
    assert!(diagnosis.can_enforce());
    says(&diagnosis, "open sockets", "degraded", "CONFIG_INET_DIAG_DESTROY");
    says(&diagnosis, "Landlock for `exec`", "degraded", "CONFIG_SECURITY_LANDLOCK=y");
    says(&diagnosis, "seccomp for `exec`", "degraded", "CONFIG_SECCOMP_FILTER=y");
}

#[test]
fn a_process_that_is_not_root_is_told_so_first() {
    if !privileged("a_process_that_is_not_root_is_told_so_first") {
        return;
    }
    let nobody = nix::unistd::Uid::from_raw(65534);
    let diagnosis = Diagnosis::of(&[], move || Ok(nix::unistd::setuid(nobody)?));
    assert!(!diagnosis.can_enforce());
    says(&diagnosis, "capabilities", "missing", "run as root");
    says(&diagnosis, "capabilities for `exec`", "degraded", "run as root");
}

#[track_caller]
fn says(diagnosis: &Diagnosis, check: &str, state: &str, words: &str) {
    let (is, said) = diagnosis.check(check);
    assert_eq!(is, state, "{check}: {said}");
    assert!(said.contains(words), "{check}: {said}");
}

fn cgroup2_mounts() -> Vec<String> {
    let mounts = fs::read_to_string("/proc/mounts").expect("the mounts");
    let mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    mounts.filter(|words| words[2] == "cgroup2").map(|words| words[1].to_owned()).collect()
}

fn release() -> (u32, u32) {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").expect("a release");
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
