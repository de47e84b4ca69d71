//! What the programs say of their own accord: decisions, quarantines, and the
//! log messages for people who debug the programs themselves.

use std::os::fd::{AsRawFd, RawFd};
use std::path::Path;

use aya::maps::{MapData, RingBuf};
use aya_log::EbpfLogger;

use super::error::KernelError;
use super::maps::ring;
use super::programs::Programs;

/// The ring buffers; to be read by one task each.
pub struct Rings {
    /// Decisions.
    pub records: RingBuf<MapData>,
    /// Quarantines.
    pub alarms: RingBuf<MapData>,
    /// Log messages of the programs.
    pub log: ProgramLog,
}

/// Log messages of the programs, on their way to the `log` crate.
pub struct ProgramLog(EbpfLogger<&'static dyn log::Log>);

// === impl Rings ===

impl Rings {
    pub(super) fn open(maps: &Path, programs: &mut Programs) -> Result<Self, KernelError> {
        Ok(Self {
            records: ring(maps, "RECORDS")?,
            alarms: ring(maps, "ALARMS")?,
            log: ProgramLog(EbpfLogger::init(&mut programs.ebpf)?),
        })
    }
}

// === impl ProgramLog ===

impl ProgramLog {
    /// Passes on what has come in.
    pub fn flush(&mut self) {
        self.0.flush();
    }
}

impl AsRawFd for ProgramLog {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
