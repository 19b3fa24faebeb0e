//! What is fuzzed: for each target a function over bytes that panics when something is wrong.
//!
//! The fuzzer and the test that replays the corpus both include this folder. The functions are
//! deterministic, and hold no state from one input to the next.

mod acpi;
mod boot_code;
mod boot_info;
mod bundle;
mod call_results;
mod config;
mod cron;
mod data;
mod disk;
mod frames;
mod host;
mod http;
mod http_answer;
mod identify;
mod message;
mod multistream;
mod noise;
mod package;
#[path = "../../../../air-core/tests/support/parsing.rs"]
mod parsing;
mod particle;
mod pieces;
mod reader;
mod reflection;
mod script;
mod step;
mod subscription;
#[path = "../../../../netstack/tests/support/mod.rs"]
mod support;
mod vsock;
mod websocket;
mod yamux;

use reader::Reader;

/// One thing to fuzz.
pub struct Target {
    /// Its name on the command line, and that of its corpus's folder.
    pub name: &'static str,
    /// Tries one input.
    pub run: fn(&[u8]),
    /// Bytes of memory that one input may take: many times of what an honest input of the length that
    /// the fuzzer makes needs, and far less than what a length in the input could ask for.
    pub memory_bytes: usize,
}

/// Everything that is fuzzed.
pub const TARGETS: &[Target] = &[
    Target { name: "acpi", run: acpi::run, memory_bytes: 4 << 20 },
    Target { name: "boot-code", run: boot_code::run, memory_bytes: 1 << 20 },
    Target { name: "boot-info", run: boot_info::run, memory_bytes: 1 << 20 },
    Target { name: "bundle", run: bundle::run, memory_bytes: 1 << 20 },
    Target { name: "call-results", run: call_results::run, memory_bytes: 1 << 20 },
    Target { name: "config", run: config::run, memory_bytes: 1 << 20 },
    Target { name: "cron", run: cron::run, memory_bytes: 1 << 20 },
    Target { name: "data", run: data::run, memory_bytes: 4 << 20 },
    Target { name: "frames", run: frames::run, memory_bytes: 16 << 20 },
    Target { name: "gpt", run: disk::gpt, memory_bytes: 1 << 20 },
    Target { name: "gzip", run: package::gzip, memory_bytes: 8 << 20 },
    Target { name: "host", run: host::run, memory_bytes: 2 << 20 },
    Target { name: "http", run: http::run, memory_bytes: 8 << 20 },
    Target { name: "http-answer", run: http_answer::run, memory_bytes: 8 << 20 },
    Target { name: "identify", run: identify::run, memory_bytes: 1 << 20 },
    Target { name: "message", run: message::run, memory_bytes: 4 << 20 },
    Target { name: "multistream", run: multistream::run, memory_bytes: 16 << 20 },
    Target { name: "nocloud", run: disk::nocloud, memory_bytes: 1 << 20 },
    Target { name: "noise", run: noise::run, memory_bytes: 16 << 20 },
    Target { name: "particle", run: particle::run, memory_bytes: 1 << 20 },
    Target { name: "script", run: script::run, memory_bytes: 8 << 20 },
    Target { name: "squashfs", run: package::squashfs, memory_bytes: 8 << 20 },
    Target { name: "step", run: step::run, memory_bytes: 64 << 20 },
    Target { name: "subscription", run: subscription::run, memory_bytes: 16 << 20 },
    Target { name: "tar", run: package::tar, memory_bytes: 8 << 20 },
    Target { name: "volume", run: disk::volume, memory_bytes: 4 << 20 },
    Target { name: "vsock", run: vsock::run, memory_bytes: 8 << 20 },
    Target { name: "websocket", run: websocket::run, memory_bytes: 16 << 20 },
    Target { name: "yamux", run: yamux::run, memory_bytes: 16 << 20 },
    Target { name: "zip", run: package::zip, memory_bytes: 8 << 20 },
];
