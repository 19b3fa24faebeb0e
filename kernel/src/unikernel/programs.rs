//! The programs that the machine comes with: a bundle, by one of several ways.

use hypervisor_glue::fw_cfg::{self, FwCfg};
use kernel::program::Programs;
use kernel::program::limits::{BUNDLE_PART, MAX_BUNDLE_BYTES};
use log::{info, warn};

/// Hosts the programs of the bundle of fw_cfg, else those of the one that was `found` elsewhere. What is
/// wrong with a bundle is reported, and the node runs without.
pub fn install(programs: &Programs, found: Option<&[u8]>) {
    let item = item(programs);
    let Some(bytes) = item.as_deref().or(found) else { return };
    match programs.install_bundle(bytes) {
        Ok(hosted) => {
            info!(target: "program", "{} of a bundle of {} bytes", hosted.len(), bytes.len());
        }
        Err(reason) => warn!(target: "program", "the bundle is not used: {reason}"),
    }
}

fn item(programs: &Programs) -> Option<alloc::vec::Vec<u8>> {
    let most = MAX_BUNDLE_BYTES.min(programs.node().heap_bytes() / BUNDLE_PART);
    FwCfg::open()?.item_within(fw_cfg::PROGRAMS, most).unwrap_or_else(|reason| {
        warn!(target: "program", "not used: {}: {reason}", fw_cfg::PROGRAMS);
        None
    })
}
