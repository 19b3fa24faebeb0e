//! `cargo xtask`: build, run, send, test, bench - the only program here that runs on the host.
//!
//! One file per verb. Whatever is done by another program is printed as the command that does it.
//! The QEMU tests (`tests/machine`) stand on the same [`qemu`] module as `run` does.

#![forbid(unsafe_code)]

pub mod air;
pub mod aleph_host;
pub mod aleph_sdk;
pub mod bench;
pub mod boot_log;
pub mod build;
pub mod client;
pub mod cutter;
pub mod doctor;
pub mod external;
pub mod fuzz;
pub mod host;
pub mod http;
pub mod image;
pub mod lint;
pub mod linux_loader;
pub mod load;
pub mod message;
pub mod node_config;
pub mod process;
pub mod program_folder;
pub mod python;
pub mod qemu;
pub mod reference;
pub mod run;
pub mod run_record;
pub mod send;
pub mod sizes;
pub mod small_firmware;
pub mod soak;
pub mod stock_client;
pub mod subject;
pub mod symbolize;
pub mod test;
pub mod unsafe_map;
pub mod volume_file;
pub mod workspace;
