//! The host's configuration, put into force: the program, its files, the network.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use log::{info, warn};

use super::limits::DISK_CODE_PART;
use super::{Guest, HostSocket, with_line_feed};
use crate::aleph::host::{Configuration, PackError, Volume, refused};
use crate::aleph::item_hash::ItemHash;
use crate::aleph::package::{Encoding, Limits};
use crate::aleph::program::{
    CRON_VARIABLE, Code, Environment, Mount, Program, Resources, Source, Triggers,
};
use crate::aleph::trigger::route::host_label;
use crate::config::{Cidr, NetworkConfig};
use crate::handover::Handover;
use crate::limits::MAX_CONFIG_DNS_SERVERS;
use crate::program::limits::MAX_RUN_MS;
use crate::program::{Bundle, BundleError, Definition, Hosted, InstallError};
use crate::store::SECTOR_BYTES;

/// The variable that says how many seconds a run may take.
pub const SECONDS_VARIABLE: &str = "AIR_SECONDS";
/// The variable that says whether runs are reproducible.
pub const REPRODUCIBLE_VARIABLE: &str = "AIR_REPRODUCIBLE";
/// The variable that says whether there are runs for HTTP requests.
pub const HTTP_VARIABLE: &str = "AIR_HTTP";
/// Where the program's parts are: with the host, which has given them.
const HERE: &str = "host";
/// Where the host's `input_data` is.
const DATA_MOUNT: &str = "/data";
/// Where code is that comes on a disk.
const CODE_MOUNT: &str = "/opt/code";
/// An IPv4 address without a prefix is in a network of 256.
const IPV4_PREFIX_BITS: u8 = 24;
/// An IPv6 address without a prefix stands for itself.
const IPV6_PREFIX_BITS: u8 = 128;

/// Why a configuration is not taken.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Refusal {
    /// The host has closed the connection: there is nobody to be told.
    Closed,
    /// It did not come in time, or its program could not be loaded in time.
    Late,
    /// There is one in force.
    Again,
    /// There is no memory for it.
    NoMemory,
    /// It is not what the protocol says.
    Malformed(PackError),
    /// The program's name is no item hash.
    Name,
    /// `encoding` is none that there is.
    Encoding,
    /// A variable that is for the node has no meaning; its name.
    Variable(&'static str),
    /// A disk is not there, or cannot be used in this way; which, and why.
    Disk(String, &'static str),
    /// The code is a bundle that cannot be read.
    Bundle(BundleError),
    /// The code is a bundle; what is wrong with it here.
    NotHere(&'static str),
    /// The program cannot be hosted.
    Install(InstallError),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the host closed the connection"),
            Self::Late => f.write_str("the configuration took too long"),
            Self::Again => f.write_str("a configuration is in force already"),
            Self::NoMemory => f.write_str("this machine has too little memory for the program"),
            Self::Malformed(error) => write!(f, "the configuration cannot be read: {error}"),
            Self::Name => f.write_str("`vm_hash` is no item hash"),
            Self::Encoding => f.write_str("`encoding` is none of plain, zip and squashfs"),
            Self::Variable(name) => write!(f, "the variable {name} has no such value"),
            Self::Disk(name, why) => write!(f, "the disk {name} {why}"),
            Self::Bundle(error) => error.fmt(f),
            Self::NotHere(why) => write!(f, "the code is a bundle that {why}"),
            Self::Install(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for Refusal {}

impl Refusal {
    /// The answer that says so.
    pub(super) fn reply(&self) -> Vec<u8> {
        warn!(target: "guest", "a configuration is refused: {self}");
        let text = self.to_string();
        refused(&text, &with_line_feed(&text))
    }
}

/// Puts a configuration into force.
pub(super) async fn apply<S: HostSocket>(
    guest: &Guest<S>,
    message: &[u8],
) -> Result<Rc<Hosted>, Refusal> {
    let configuration = Configuration::decode(message).map_err(Refusal::Malformed)?;
    let programs = &guest.programs;
    let has_network = guest.surroundings.has_network();
    let memory_mib = u32::try_from(programs.node().heap_bytes() >> 20).unwrap_or(u32::MAX).max(1);
    let program = program(&configuration, has_network, memory_mib)?;
    let network = network(&configuration, &program.id);
    let from_disk = match program.code.encoding {
        Encoding::Squashfs => Some(code_on_disk(guest, &configuration).await?),
        _ => None,
    };
    let code = from_disk.as_deref().unwrap_or(configuration.code);
    let limits = programs.package_limits();
    let handed = Handover::split(code);
    let definition = if handed.configuration.is_some() || handed.programs.is_some() {
        bundled(program, &configuration, &handed, &limits)?
    } else {
        Definition::new(program, Some(code), configuration.input_data, &limits)
            .map_err(Refusal::Install)?
    };
    let hosted = programs.install(definition).map_err(Refusal::Install)?;
    if has_network && let Some(network) = network {
        guest.surroundings.set_network(&network);
    }
    info!(target: "guest", "configured: program {}", hosted.definition().id());
    Ok(hosted)
}

/// The program of a bundle, which says itself what the host does not: times, limits, data, what is kept.
fn bundled(
    as_said: Program,
    configuration: &Configuration<'_>,
    handed: &Handover<'_>,
    limits: &Limits,
) -> Result<Definition, Refusal> {
    let refuse = |why| Err(Refusal::NotHere(why));
    let bytes = match *handed {
        Handover { configuration: Some(_), .. } => {
            return refuse("holds the node's own configuration, which is in force already");
        }
        Handover { programs: Some(bytes), rest: [], .. } => bytes,
        _ => return refuse("has something behind it"),
    };
    if configuration.input_data.is_some() || as_said.export.is_some() {
        return refuse("has its own data, and the host has others for it");
    }
    let bundle = Bundle::decode(bytes).map_err(Refusal::Bundle)?;
    let [package] = bundle.programs.as_slice() else { return refuse("is not of one program") };
    let definition = Definition::of_package(package, limits).map_err(Refusal::Install)?;
    let Program { id, variables, resources, environment, .. } = as_said;
    Ok(definition.adopted(id, variables, resources.memory_mib, environment.internet))
}

/// The program that a configuration describes.
pub(super) fn program(
    configuration: &Configuration<'_>,
    has_network: bool,
    memory_mib: u32,
) -> Result<Program, Refusal> {
    let id: ItemHash = configuration.vm_hash.parse().map_err(|_| Refusal::Name)?;
    let encoding = Encoding::from_word(configuration.encoding)
        .filter(|encoding| matches!(encoding, Encoding::Plain | Encoding::Zip | Encoding::Squashfs))
        .ok_or(Refusal::Encoding)?;
    let given = configuration.variables.as_deref().unwrap_or_default();
    let variable =
        |name| given.iter().rev().find(|(known, _)| *known == name).map(|(_, text)| *text);
    let flag = |name: &'static str| match variable(name) {
        None => Ok(None),
        Some("true" | "1") => Ok(Some(true)),
        Some("false" | "0") => Ok(Some(false)),
        Some(_) => Err(Refusal::Variable(name)),
    };
    let milliseconds = match variable(SECONDS_VARIABLE).map(str::parse::<u64>) {
        None => MAX_RUN_MS,
        Some(Ok(seconds @ 1..)) => seconds.saturating_mul(1000),
        Some(_) => return Err(Refusal::Variable(SECONDS_VARIABLE)),
    };
    let cron = variable(CRON_VARIABLE).map(str::parse).transpose();
    let cron = cron.map_err(|_| Refusal::Variable(CRON_VARIABLE))?;
    let here = || Source::Address(HERE.into());
    Ok(Program {
        owner: "".into(),
        time_ms: 0,
        code: Code { encoding, entrypoint: configuration.entrypoint.into(), source: here() },
        data: configuration.input_data.map(|_| Mount {
            encoding: Encoding::Zip,
            mount: DATA_MOUNT.into(),
            source: here(),
        }),
        export: kept_directory(&configuration.volumes)?,
        triggers: Triggers {
            http: flag(HTTP_VARIABLE)?.unwrap_or(true),
            cron,
            ..Triggers::default()
        },
        environment: Environment {
            reproducible: flag(REPRODUCIBLE_VARIABLE)?.unwrap_or(false),
            internet: has_network,
            aleph_api: true,
            shared_cache: false,
        },
        resources: Resources { vcpus: 1, memory_mib, milliseconds },
        variables: given.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        replaces: None,
        allow_amend: false,
        id,
    })
}

/// The directory that is kept between runs: that of the first disk that may be written. Disks with files
/// to read, other than the code's, have no place among a program's files.
fn kept_directory(volumes: &[Volume<'_>]) -> Result<Option<Arc<str>>, Refusal> {
    let mut kept = None;
    for volume in volumes {
        let refuse = |why| Err(Refusal::Disk(volume.device.into(), why));
        match (volume.read_only, &kept) {
            (true, _) if volume.mount == CODE_MOUNT => {}
            (true, _) => return refuse("holds files to read, which is for the code's only"),
            (false, None) => kept = Some(volume.mount.into()),
            (false, Some(_)) => return refuse("is a second one to write, and there can be one"),
        }
    }
    Ok(kept)
}

/// The squashfs image with the code.
async fn code_on_disk<S: HostSocket>(
    guest: &Guest<S>,
    configuration: &Configuration<'_>,
) -> Result<Vec<u8>, Refusal> {
    let volume = configuration.volumes.iter().find(|volume| volume.mount == CODE_MOUNT);
    let name = volume.map_or("vdb", |volume| volume.device);
    let refuse = |why| Refusal::Disk(name.into(), why);
    let disk = guest.surroundings.disk(name).ok_or_else(|| refuse("is not there"))?;
    let bytes = usize::try_from(disk.sectors()).unwrap_or(usize::MAX).saturating_mul(SECTOR_BYTES);
    let programs = &guest.programs;
    let most = programs.package_limits().packed_bytes;
    if bytes > most.min(programs.node().heap_bytes() / DISK_CODE_PART) {
        return Err(refuse("is larger than the code of a program may be"));
    }
    let mut image = Vec::new();
    image.try_reserve_exact(bytes).map_err(|_| Refusal::NoMemory)?;
    image.resize(bytes, 0);
    disk.read(0, &mut image).await.map_err(|_| refuse("cannot be read"))?;
    Ok(image)
}

/// What the configuration says of the network; nothing if it names no address. What is no address is left
/// out: the program may do without.
pub(super) fn network(
    configuration: &Configuration<'_>,
    program: &ItemHash,
) -> Option<NetworkConfig> {
    let with_prefix = |text: Option<&str>, bits: u8| -> Option<Cidr> {
        let text = text?;
        let full = if text.contains('/') { text.into() } else { format!("{text}/{bits}") };
        let parsed = full.parse();
        if parsed.is_err() {
            warn!(target: "guest", "no address: {text:?}");
        }
        parsed.ok()
    };
    let addresses: Vec<Cidr> = [
        with_prefix(configuration.ip, IPV4_PREFIX_BITS),
        with_prefix(configuration.ipv6, IPV6_PREFIX_BITS),
    ]
    .into_iter()
    .flatten()
    .collect();
    if addresses.is_empty() {
        return None;
    }
    let address = |text: &&str| text.parse::<IpAddr>().ok();
    let gateways = [configuration.route, configuration.ipv6_gateway];
    let gateways = gateways.iter().flatten().filter_map(address).collect();
    let mut dns = vec![];
    for server in configuration.dns_servers.iter().filter_map(address) {
        if dns.len() < MAX_CONFIG_DNS_SERVERS && !dns.contains(&server) {
            dns.push(server);
        }
    }
    let hostname = host_label(program).unwrap_or_default();
    Some(NetworkConfig { hostname, addresses, gateways, dns })
}
