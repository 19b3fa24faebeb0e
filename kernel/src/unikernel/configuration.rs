//! Where the configuration comes from before the disks are asked: a word of the command line, else an item
//! of fw_cfg, else the initial RAM disk.
//!
//! One that cannot be used is reported, and the node goes on as if there were none: a node that runs can be
//! asked what is wrong with it.

use hypervisor_glue::boot::{BootInfo, CommandLine};
use hypervisor_glue::fw_cfg::{self, FwCfg};
use hypervisor_glue::{logger, memory};
use kernel::config::{Config, LogLevel, WORD, WordError};
use kernel::handover::Handover;
use kernel::secret::Secret;
use log::{LevelFilter, info, warn};

const LEVEL_WORD: &str = "aerolith.log";

/// What was in the initial RAM disk. The configuration is there no more.
#[derive(Debug, Default)]
pub struct HandedOver {
    /// The blob of a configuration.
    pub configuration: Option<Secret>,
    /// The bytes of a bundle of programs.
    pub programs: Option<&'static [u8]>,
}

/// Takes what is in the initial RAM disk.
pub fn handed_over(info: &BootInfo) -> HandedOver {
    if info.module.is_none() {
        return HandedOver::default();
    }
    let Some(bytes) = memory::take_kept() else {
        warn!(target: "boot", "the initial RAM disk is too large or out of reach: not used");
        return HandedOver::default();
    };
    let configuration = Handover::take_configuration(bytes);
    let Handover { programs, rest, .. } = Handover::split(bytes);
    if !rest.is_empty() {
        let unknown = rest.len();
        warn!(target: "boot", "{unknown} bytes of the initial RAM disk mean nothing: not used");
    }
    HandedOver { configuration, programs }
}

/// Puts the log level of the configuration in force, unless the command line names one.
pub fn set_log_level(words: &CommandLine, config: &Config) {
    if words.value(LEVEL_WORD).is_none() {
        logger::init(filter(config.log));
    }
}

/// The configuration that came with the machine's start, if there is one that can be used. Nothing of it
/// is left where it was.
pub fn given(words: &mut CommandLine, handed: Option<Secret>) -> Option<Config> {
    let decode = |blob: &[u8]| Config::decode(blob).map_err(WordError::Decode);
    let word = words.value(WORD).map(Config::decode_word);
    words.erase(WORD);
    let (source, config) = if let Some(config) = word {
        ("the command line", config)
    } else if let Some(blob) = item() {
        ("fw_cfg", decode(&blob))
    } else {
        ("the initial RAM disk", decode(&handed?))
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

fn item() -> Option<Secret> {
    let item = FwCfg::open()?.item(fw_cfg::CONFIGURATION).unwrap_or_else(|reason| {
        warn!(target: "config", "not used: {}: {reason}", fw_cfg::CONFIGURATION);
        None
    });
    item.map(Secret::from)
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
