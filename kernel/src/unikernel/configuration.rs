//! Where the configuration comes from before the disks are asked: a word of the command line, else an item
//! of fw_cfg, else the initial RAM disk.
//!
//! One that cannot be used is reported, and the node goes on as if there were none: a node that runs can be
//! asked what is wrong with it.

use alloc::vec::Vec;

use hypervisor_glue::boot::{self, BootInfo, CommandLine};
use hypervisor_glue::fw_cfg::{self, FwCfg};
use hypervisor_glue::logger;
use kernel::config::{Config, LogLevel, WORD, WordError};
use kernel::handover::Handover;
use log::{LevelFilter, info, warn};

const LEVEL_WORD: &str = "aerolith.log";

/// What is in the initial RAM disk.
pub fn handed_over(info: &BootInfo) -> Handover<'static> {
    if info.module.is_none() {
        return Handover::default();
    }
    let Some(bytes) = boot::module(info) else {
        warn!(target: "boot", "the initial RAM disk is too large or out of reach: not used");
        return Handover::default();
    };
    let parts = Handover::split(bytes);
    if !parts.rest.is_empty() {
        let unknown = parts.rest.len();
        warn!(target: "boot", "{unknown} bytes of the initial RAM disk mean nothing: not used");
    }
    parts
}

/// Puts the log level of the configuration in force, unless the command line names one.
pub fn set_log_level(words: &CommandLine, config: &Config) {
    if words.value(LEVEL_WORD).is_none() {
        logger::init(filter(config.log));
    }
}

/// The configuration that came with the machine's start, if there is one that can be used.
pub fn given(words: &CommandLine, handed: &Handover<'_>) -> Option<Config> {
    let decode = |blob: &[u8]| Config::decode(blob).map_err(WordError::Decode);
    let (source, config) = if let Some(value) = words.value(WORD) {
        ("the command line", Config::decode_word(value))
    } else if let Some(blob) = item() {
        ("fw_cfg", decode(&blob))
    } else {
        ("the initial RAM disk", decode(handed.configuration?))
    };
    match config {
        Ok(config) => {
            info!(target: "config", "from {source}");
            Some(config)
        }
        Err(reason) => {
            warn!(target: "config", "not used: what {source} gave is none: {reason}");
            None
        }
    }
}

fn item() -> Option<Vec<u8>> {
    FwCfg::open()?.item(fw_cfg::CONFIGURATION).unwrap_or_else(|reason| {
        warn!(target: "config", "not used: {}: {reason}", fw_cfg::CONFIGURATION);
        None
    })
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::Off,
        LogLevel::Error => LevelFilter::Error,
        LogLevel::Warn => LevelFilter::Warn,
        LogLevel::Info => LevelFilter::Info,
        LogLevel::Debug => LevelFilter::Debug,
        LogLevel::Trace => LevelFilter::Trace,
    }
}
