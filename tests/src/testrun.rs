//! The kernel's own judgement of a packet that was never sent:
//! `BPF_PROG_TEST_RUN` on the program that the product has attached.

use std::path::Path;
use std::time::Duration;

use aya::programs::links::{FdLink, PinnedLink};
use aya::programs::{CgroupSkb, CgroupSkbAttachType, TestRun, TestRunOptions, loaded_programs};
use enforcer_common::Verdict;

use crate::forge::framed;

/// Size of `struct __sk_buff` and offset of its `gso_segs`
/// (`include/uapi/linux/bpf.h`).
const SK_BUFF: usize = 192;
const GSO_SEGS: usize = 164;

/// The egress program behind a pinned link.
#[derive(Debug)]
pub struct Judge(CgroupSkb);

// === impl Judge ===

impl Judge {
    /// The program that judges packets for the pins in `bpf_dir`.
    ///
    /// # Panics
    /// When there is none.
    pub fn of(bpf_dir: &Path) -> Self {
        let pin = bpf_dir.join("links/egress_skb");
        let link = FdLink::from(PinnedLink::from_pin(pin).expect("a pinned link"));
        let id = link.info().expect("the link's info").program_id();
        let info = loaded_programs()
            .filter_map(Result::ok)
            .find(|program| program.id() == id)
            .expect("the link's program is loaded");
        let attached = Some(CgroupSkbAttachType::Egress);
        let program = CgroupSkb::from_program_info(info, "egress_skb".into(), attached);
        Self(program.expect("a handle on the program"))
    }

    /// What becomes of `packet` (from its IP header on) when a socket of the
    /// calling process sends it.
    ///
    /// # Panics
    /// When the kernel does not run the program.
    pub fn verdict(&self, packet: &[u8]) -> Verdict {
        self.run(packet, None, 1).0
    }

    /// The verdict on the last of `times` equal packets of one socket, and what
    /// one of them took.
    ///
    /// # Panics
    /// When the kernel does not run the program.
    pub fn verdict_of_repeated(&self, packet: &[u8], times: u32) -> (Verdict, Duration) {
        self.run(packet, None, times)
    }

    /// The same for the last of `times` equal packets of one socket that the wire
    /// will see as `segments` packets each (GSO).
    ///
    /// # Panics
    /// When the kernel does not run the program.
    pub fn verdict_of_segments(&self, packet: &[u8], segments: u32, times: u32) -> Verdict {
        let mut context = [0; SK_BUFF];
        context[GSO_SEGS..GSO_SEGS + 4].copy_from_slice(&segments.to_ne_bytes());
        self.run(packet, Some(&context), times).0
    }

    fn run(&self, packet: &[u8], ctx_in: Option<&[u8]>, repeat: u32) -> (Verdict, Duration) {
        let frame = framed(packet);
        let options =
            TestRunOptions { data_in: Some(&frame), ctx_in, repeat, ..TestRunOptions::new() };
        let result = self.0.test_run(options).expect("the kernel runs the program");
        let verdict = match result.return_value {
            1 => Verdict::Allow,
            0 => Verdict::Deny,
            other => panic!("a cgroup program must return 0 or 1, not {other}"),
        };
        (verdict, result.duration)
    }
}
