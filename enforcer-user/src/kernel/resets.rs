//! The daemon's mark in `CONTROL` that lets resets of destroyed sockets pass.

use std::mem::offset_of;

use enforcer_common::Control;

use super::state::{Kernel, Tables};

/// While one lives, bare TCP resets pass whatever the policy says of their
/// destination. Several may live at once.
#[must_use = "resets pass only while it lives"]
pub struct Resets<'a>(&'a Kernel);

// === impl Kernel ===

impl Kernel {
    /// Lets bare resets pass until the value is dropped. A mark that a killed
    /// daemon leaves behind is cleared by the next one.
    pub fn let_resets_pass(&self) -> Resets<'_> {
        self.lock().count_resets(|rounds| rounds.saturating_add(1));
        Resets(self)
    }
}

impl Drop for Resets<'_> {
    fn drop(&mut self) {
        self.0.lock().count_resets(|rounds| rounds.saturating_sub(1));
    }
}

// === impl Tables ===

impl Tables {
    fn count_resets(&self, change: impl FnOnce(u32) -> u32) {
        let rounds = change(self.maps.control().resets);
        self.maps.store_control(offset_of!(Control, resets), rounds);
    }
}
