//! `run --host`: the node as an ordinary process, without a virtual machine.

use std::net::{IpAddr, Ipv4Addr};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::mpsc;

use anyhow::{Context, Result};
use futures_util::FutureExt;
use kernel::config::Config;
use kernel::executor::{Executor, Slot, drive};
use kernel::store::{self, BlockDevice, Disks, TakenUp};
use log::warn;

use super::console::{Console, Ports};
use super::{Options, PortUse, port};
use crate::host::{EventLoop, FileDisk, HostNetwork, LogSink, OperatingSystem, Sockets};
use crate::node_config::NodeConfig;
use crate::program_folder;

/// Runs the node until Ctrl-C is typed.
pub(super) fn run(options: &Options) -> Result<ExitCode> {
    let config = configuration(options)?;
    let machine = OperatingSystem::new(u64::from(options.memory) << 20);
    let sockets = Sockets::new()?;
    let mut event_loop = EventLoop::new(sockets.clone(), machine.clone())?;
    let stopper = event_loop.stopper();
    ctrlc::set_handler(move || stopper.stop())?;

    let mut console = Console::new(options, Ports::AsSaid)?;
    let (failed, failure) = mpsc::channel();
    LogSink::install(config.log.into(), machine.start(), move |line| {
        if let Err(error) = console.line(line) {
            // The receiver lives as long as the node.
            let _ = failed.send(error);
        }
    });
    let executor = Executor::new(Rc::new(machine.clone()));
    let address = options.bind.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let network = HostNetwork::new(sockets, executor.clone(), address);
    let TakenUp { config, store, .. } = taken_up(options, &executor, machine.clone(), config)?;
    let kept = store.clone();
    let running = kernel::run::start(&executor, &network, Rc::new(machine), config, store);
    if let Some(bundle) = program_folder::bundle(&options.programs)? {
        running.programs.install_bundle(&bundle)?;
    }
    drive(&executor, &mut event_loop);
    // Requests are answered and peers told, for as long as that may take or until Ctrl-C is typed again.
    let stopper = event_loop.stopper();
    stopper.rearm();
    executor.spawn(async move {
        running.close().await;
        if let Err(reason) = kept.flush().await {
            warn!(target: "power", "the volume is not flushed: {reason}");
        }
        stopper.stop();
    });
    drive(&executor, &mut event_loop);
    executor.shut_down();
    eprintln!("\nstopped");
    match failure.try_recv() {
        Ok(error) => Err(error).context("the log could not be shown"),
        Err(_) => Ok(ExitCode::SUCCESS),
    }
}

/// What the node begins with: the configuration, and what is on its volume.
fn taken_up(
    options: &Options,
    executor: &Executor,
    machine: OperatingSystem,
    config: Config,
) -> Result<TakenUp> {
    let mut disks: Vec<Rc<dyn BlockDevice>> = Vec::new();
    if let Some(volume) = &options.volume {
        disks.push(Rc::new(FileDisk::open(volume.ensure()?)?));
    }
    let (slot, runs_in) = (Slot::new(), executor.clone());
    let done = slot.clone();
    executor.spawn(async move {
        done.put(store::take_up(&runs_in, &machine, Disks::new(disks), Some(config)).await);
    });
    // A file is never waited for.
    while !slot.is_filled() {
        executor.turn();
    }
    slot.take().now_or_never().context("what is there can be taken")
}

/// The configuration with the ports of this machine.
fn configuration(options: &Options) -> Result<Config> {
    let mut config = NodeConfig::read(options.config.as_deref())?.into_config();
    if let Some(level) = options.log {
        config.log = level.into();
    }
    let address = options.bind.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    config.http.port = port(address, options.port, PortUse::Http)?;
    config.peers.port = port(address, options.peer_port, PortUse::Peers)?;
    Ok(config)
}
