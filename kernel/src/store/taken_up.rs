//! From disks to what a node begins with: its configuration, its programs, its store, its key.
//!
//! Where a configuration comes from, in this order: the command line, fw_cfg, the initial RAM disk, cloud-init's
//! `user-data`, a place on the disks (the first that has one). What it leaves open of the network is filled in by cloud-init's data. Nothing is
//! put together from several configurations.

use alloc::rc::Rc;
use alloc::vec::Vec;

use log::{error, info, warn};

use super::nocloud::Nocloud;
use super::survey::{Area, Content, Disks};
use super::{Memory, Store, Volume, VolumeError, volume};
use crate::aleph::item_hash::ItemHash;
use crate::config::Config;
use crate::executor::Executor;
use crate::identity;
use crate::limits::MEMORY_STORE_PART;
use crate::machine::Machine;
use crate::program::bundle::Bundle;

/// What a node begins with.
pub struct TakenUp {
    /// The configuration, with what cloud-init told and with the node's key.
    pub config: Config,
    /// Where the node keeps things.
    pub store: Rc<dyn Store>,
    /// The bytes of a bundle of programs that was on a disk.
    pub programs: Option<Vec<u8>>,
    /// The item hash of the message that this machine was made from, if it was told.
    pub instance: Option<ItemHash>,
    /// All disks.
    pub disks: Disks,
}

/// Looks at the disks and takes up what is on them. `given` is the configuration that came in another way.
/// What a volume needs runs in tasks of `executor` from then on.
pub async fn take_up(
    executor: &Executor,
    machine: &dyn Machine,
    disks: Disks,
    given: Option<Config>,
) -> TakenUp {
    let areas = disks.survey().await;
    let mut told = nocloud(&areas).await;
    let config = given.or_else(|| told.as_mut().and_then(configured));
    let mut config = match config {
        Some(config) => config,
        None => configuration(&areas).await.unwrap_or_default(),
    };
    let instance = told.as_ref().and_then(Nocloud::instance);
    if let Some(hash) = &instance {
        info!(target: "disk", "this machine is the instance {hash}");
    }
    if let Some(told) = told {
        complete(&mut config, told);
    }
    let programs = programs(&areas).await;
    let store = store(executor, machine, &areas, config.volume.format).await;
    let origin = identity::settle(&mut config.identity, &*store, machine).await;
    info!(target: "node", "key {origin}");
    TakenUp { config, store, programs, instance, disks }
}

fn of_kind(areas: &[Area], wanted: impl Fn(&Content) -> bool) -> impl Iterator<Item = &Area> {
    areas.iter().filter(move |area| wanted(&area.content))
}

/// The configuration in cloud-init's data.
fn configured(told: &mut Nocloud) -> Option<Config> {
    match told.configuration.take()? {
        Ok(config) => {
            info!(target: "config", "from cloud-init's user-data");
            Some(config)
        }
        Err(reason) => {
            warn!(target: "config", "not used: cloud-init's user-data: {reason}");
            None
        }
    }
}

async fn configuration(areas: &[Area]) -> Option<Config> {
    for area in of_kind(areas, |content| *content == Content::Configuration) {
        let place = area.place;
        let blob = match area.read_front(Config::blob_bytes).await {
            Ok(blob) => blob,
            Err(reason) => {
                warn!(target: "config", "not used: {place}: {reason}");
                continue;
            }
        };
        match Config::decode(&blob) {
            Ok(config) => {
                info!(target: "config", "from {place}, {} bytes", blob.len());
                return Some(config);
            }
            Err(reason) => warn!(target: "config", "not used: {place}: {reason}"),
        }
    }
    None
}

async fn nocloud(areas: &[Area]) -> Option<Nocloud> {
    for Area { place, content, device } in areas {
        let Content::Nocloud(root) = content else { continue };
        match Nocloud::read(&**device, root).await {
            Ok(told) => return Some(told),
            Err(reason) => warn!(target: "disk", "{place}: not used: {reason}"),
        }
    }
    None
}

/// Fills in what cloud-init told, if the node can use it.
fn complete(config: &mut Config, told: Nocloud) {
    let mut network = config.network.clone();
    told.complete(&mut network);
    let before = core::mem::replace(&mut config.network, network);
    if let Err(reason) = config.validate() {
        warn!(target: "disk", "cloud-init's data are not used: {reason}");
        config.network = before;
    }
}

async fn programs(areas: &[Area]) -> Option<Vec<u8>> {
    for area in of_kind(areas, |content| *content == Content::Programs) {
        let place = area.place;
        match area.read_front(|first| Bundle::length(first).ok()).await {
            Ok(bytes) => {
                info!(target: "disk", "programs from {place}, {} bytes", bytes.len());
                return Some(bytes.disclose());
            }
            Err(reason) => warn!(target: "disk", "{place}: programs not used: {reason}"),
        }
    }
    None
}

/// The volume, made if it is to be, else memory.
async fn store(
    executor: &Executor,
    machine: &dyn Machine,
    areas: &[Area],
    format: bool,
) -> Rc<dyn Store> {
    let mut volumes = of_kind(areas, |content| *content == Content::Volume);
    let found = match volumes.next() {
        Some(area) => Some(area),
        None => make(machine, areas, format).await,
    };
    for other in volumes {
        warn!(target: "disk", "{}: not used, as there is a volume already", other.place);
    }
    if let Some(area) = found {
        match open(executor, machine, area).await {
            Ok(volume) => return volume,
            Err(reason) => {
                error!(
                    target: "disk",
                    "{}: {reason}: nothing is written to it, and what the node keeps is lost at power-off",
                    area.place,
                );
            }
        }
    }
    let memory = usize::try_from(machine.heap().total).unwrap_or(usize::MAX);
    Rc::new(Memory::new(memory / MEMORY_STORE_PART))
}

/// Makes a volume where one was meant to be, or on a blank disk if that is wanted.
async fn make<'a>(machine: &dyn Machine, areas: &'a [Area], format: bool) -> Option<&'a Area> {
    let made_for = of_kind(areas, |content| *content == Content::MadeForVolume);
    let blank = of_kind(areas, |content| *content == Content::Blank);
    for area in made_for.chain(blank.filter(|_| format)) {
        if area.device.read_only() {
            continue;
        }
        let mut id = [0; 16];
        machine.fill_random(&mut id);
        match volume::format(&*area.device, id).await {
            Ok(()) => {
                info!(target: "disk", "{}: made a volume", area.place);
                return Some(area);
            }
            Err(reason) => warn!(target: "disk", "{}: not made a volume: {reason}", area.place),
        }
    }
    if let Some(Area { place, .. }) = of_kind(areas, |content| *content == Content::Blank).next()
        && !format
    {
        info!(target: "disk", "{place}: not used, as volume.format is not set");
    }
    None
}

async fn open(
    executor: &Executor,
    machine: &dyn Machine,
    Area { place, device, .. }: &Area,
) -> Result<Rc<dyn Store>, VolumeError> {
    let mut seed = [0; 32];
    machine.fill_random(&mut seed);
    let (volume, worker) = Volume::open(device.clone(), seed).await?;
    let volume::Room { keys, used, total } = worker.room();
    let mode = if worker.read_only() { ", read-only" } else { "" };
    info!(target: "disk", "{place}: volume with {keys} keys, {used} of {total} bytes used{mode}");
    executor.spawn(worker.run());
    Ok(Rc::new(volume))
}

impl core::fmt::Debug for TakenUp {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { config, instance, disks, .. } = self;
        f.debug_struct("TakenUp")
            .field("config", config)
            .field("instance", instance)
            .field("disks", disks)
            .finish_non_exhaustive()
    }
}
