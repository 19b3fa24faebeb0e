//! Where the configuration comes from: a word of the command line, else an item of fw_cfg.
//!
//! One that cannot be used is reported, and the defaults are taken: a node that runs can be asked
//! what is wrong with it.

use alloc::vec::Vec;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hypervisor_glue::boot::CommandLine;
use hypervisor_glue::fw_cfg::{self, FwCfg};
use hypervisor_glue::logger;
use kernel::config::{Config, LogLevel};
use log::{LevelFilter, info, warn};

const WORD: &str = "aerolith.config";
const LEVEL_WORD: &str = "aerolith.log";

/// The node's configuration; the log level in it is in force unless the command line names one.
pub fn find(words: &CommandLine) -> Config {
    let config = given(words).unwrap_or_default();
    if words.value(LEVEL_WORD).is_none() {
        logger::init(filter(config.log));
    }
    config
}

fn given(words: &CommandLine) -> Option<Config> {
    let (source, blob) = match words.value(WORD) {
        Some(text) => ("the command line", decode_word(text)?),
        None => ("fw_cfg", item()?),
    };
    match Config::decode(&blob) {
        Ok(config) => {
            info!(target: "config", "from {source}, {} bytes", blob.len());
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

fn decode_word(text: &str) -> Option<Vec<u8>> {
    let decoded = URL_SAFE_NO_PAD.decode(text);
    if decoded.is_err() {
        warn!(target: "config", "not used: the value of {WORD} is not base64url");
    }
    decoded.ok()
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
