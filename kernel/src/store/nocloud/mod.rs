//! What cloud-init's NoCloud disk tells an instance: its addresses, its name, and its configuration.
//!
//! Three files count. `network-config`, version 2, in YAML or JSON: `addresses`, `gateway4`, `gateway6`,
//! `routes` to `default`, and `nameservers` of the first interface that has any; one that has none is
//! left to DHCP. `meta-data`: `local-hostname`; one that is a hash in base32 is the instance's own item
//! hash. `user-data`, in whatever form: the first word `aerolith.config=…`, as that of the command line. On
//! the Aleph network it stands there as one of the instance's `authorized_keys`, the only thing that a
//! message hands to its instance. What the node has no use for is passed over: users, their keys, packages
//! and commands.
//!
//! Not supported: version 1 of `network-config`, disks in FAT.

mod yaml;

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;

use log::warn;
use serde_json::Value;

use super::BlockDevice;
use super::iso9660::{IsoError, Root};
use crate::aleph::item_hash::ItemHash;
use crate::aleph::trigger::route::from_host_label;
use crate::config::{Cidr, Config, NetworkConfig, WordError, find_word};
use crate::limits::{MAX_CONFIG_ADDRESSES, MAX_CONFIG_DNS_SERVERS};
use crate::secret::Secret;

/// The name of such a disk, in either case.
pub const LABEL: &str = "cidata";

/// What a disk tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nocloud {
    /// The name of the machine; empty if there is none.
    pub hostname: String,
    /// Static addresses.
    pub addresses: Vec<Cidr>,
    /// Default routers, at most one of each version of IP.
    pub gateways: Vec<IpAddr>,
    /// Name servers.
    pub dns: Vec<IpAddr>,
    /// What the first word that is a configuration comes to.
    pub configuration: Option<Result<Config, WordError>>,
}

/// Why a disk tells nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NocloudError {
    /// It cannot be read.
    Disk(IsoError),
    /// A file is no text, or has a form that is not read.
    Form {
        /// Which.
        file: &'static str,
    },
    /// `network-config` has another version than 2.
    Version,
    /// An address, a router or a name server is none.
    Address,
}

impl fmt::Display for NocloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(error) => error.fmt(f),
            Self::Form { file } => write!(f, "{file} has a form that is not read"),
            Self::Version => f.write_str("network-config has another version than 2"),
            Self::Address => f.write_str("network-config has an address that is none"),
        }
    }
}

impl core::error::Error for NocloudError {}

impl From<IsoError> for NocloudError {
    fn from(error: IsoError) -> Self {
        Self::Disk(error)
    }
}

impl Nocloud {
    /// Reads a disk, whose label has been looked at. A `user-data` that cannot be read is reported and passed
    /// over: it is mostly about others.
    ///
    /// # Errors
    /// [`NocloudError`]
    pub async fn read(device: &dyn BlockDevice, root: &Root) -> Result<Self, NocloudError> {
        let mut told = Self::default();
        if let Some(bytes) = root.file(device, "meta-dat").await? {
            told.take_meta_data(&bytes)?;
        }
        if let Some(bytes) = root.file(device, "network-").await? {
            told.take_network_config(&bytes)?;
        }
        match root.file(device, "user-dat").await {
            // It may hold the node's key.
            Ok(Some(bytes)) => told.take_user_data(&Secret::from(bytes)),
            Ok(None) => {}
            Err(reason) => warn!(target: "disk", "cloud-init's user-data is not used: {reason}"),
        }
        Ok(told)
    }

    /// Takes what `user-data` says.
    pub fn take_user_data(&mut self, bytes: &[u8]) {
        let mut texts = bytes.utf8_chunks().map(|chunk| chunk.valid());
        self.configuration = texts.find_map(find_word).map(Config::decode_word);
    }

    /// Takes what `meta-data` says.
    ///
    /// # Errors
    /// [`NocloudError`]
    pub fn take_meta_data(&mut self, bytes: &[u8]) -> Result<(), NocloudError> {
        let document = document(bytes).ok_or(NocloudError::Form { file: "meta-data" })?;
        if let Some(Value::String(name)) = document.get("local-hostname") {
            // A name with a domain begins with that of the machine.
            self.hostname = name.split('.').next().unwrap_or_default().to_string();
        }
        Ok(())
    }

    /// Takes what `network-config` says.
    ///
    /// # Errors
    /// [`NocloudError`]
    pub fn take_network_config(&mut self, bytes: &[u8]) -> Result<(), NocloudError> {
        let document = document(bytes).ok_or(NocloudError::Form { file: "network-config" })?;
        let network = document.get("network").unwrap_or(&document);
        let is_2 = match network.get("version") {
            Some(Value::String(version)) => version == "2",
            Some(version) => version.as_u64() == Some(2),
            None => false,
        };
        if !is_2 {
            return Err(NocloudError::Version);
        }
        let Some(Value::Object(interfaces)) = network.get("ethernets") else { return Ok(()) };
        let addressed = |interface: &&Value| !texts(interface.get("addresses")).is_empty();
        let Some(interface) = interfaces.values().find(addressed) else { return Ok(()) };
        for text in texts(interface.get("addresses")).into_iter().take(MAX_CONFIG_ADDRESSES) {
            self.addresses.push(text.parse().map_err(|_| NocloudError::Address)?);
        }
        for text in routers(interface) {
            let router: IpAddr = text.parse().map_err(|_| NocloudError::Address)?;
            if !self.gateways.iter().any(|known| known.is_ipv4() == router.is_ipv4()) {
                self.gateways.push(router);
            }
        }
        let servers = interface.get("nameservers").and_then(|servers| servers.get("addresses"));
        for text in texts(servers).into_iter().take(MAX_CONFIG_DNS_SERVERS) {
            self.dns.push(text.parse().map_err(|_| NocloudError::Address)?);
        }
        Ok(())
    }

    /// The item hash of the message that the instance was made from, if its name is one.
    #[must_use]
    pub fn instance(&self) -> Option<ItemHash> {
        from_host_label(&self.hostname)
    }

    /// Fills in what the node's own configuration leaves open.
    pub fn complete(self, network: &mut NetworkConfig) {
        if network.hostname.is_empty() {
            network.hostname = self.hostname;
        }
        if network.addresses.is_empty() {
            network.addresses = self.addresses;
            network.gateways = self.gateways;
        }
        if network.dns.is_empty() {
            network.dns = self.dns;
        }
    }
}

/// A file as a document, in JSON or YAML.
fn document(bytes: &[u8]) -> Option<Value> {
    let text = core::str::from_utf8(bytes).ok()?;
    match serde_json::from_str(text) {
        Ok(value) => Some(value),
        Err(_) => yaml::parse(text).ok(),
    }
}

/// The texts of a list.
fn texts(list: Option<&Value>) -> Vec<&str> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).collect()
}

/// The default routers of an interface.
fn routers(interface: &Value) -> Vec<&str> {
    let named =
        ["gateway4", "gateway6"].into_iter().filter_map(|name| interface.get(name)?.as_str());
    let routes = interface.get("routes").and_then(Value::as_array).into_iter().flatten();
    let default = routes.filter_map(|route| {
        let to = route.get("to")?.as_str()?;
        let is_default = matches!(to, "default" | "0.0.0.0/0" | "::/0");
        route.get("via")?.as_str().filter(|_| is_default)
    });
    named.chain(default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::borrow::ToOwned;

    const YAML: &str = "ethernets:\n  eth0:\n    match:\n      driver: virtio_net\n    addresses:\n    \
        - 172.16.4.2/24\n    - fc00:1:2:3:3:123:4567:89a1/124\n    gateway4: 172.16.4.1\n    \
        gateway6: fc00:1:2:3:3:123:4567:89a0\n    nameservers:\n      addresses:\n      - 1.1.1.1\n      \
        - 2606:4700:4700::1111\nversion: 2\n";
    const JSON: &str = r#"{"ethernets":{"eth0":{"match":{"driver":"virtio_net"},"addresses":
        ["172.16.4.2/24","fc00:1:2:3:3:123:4567:89a1/124"],"gateway4":"172.16.4.1",
        "gateway6":"fc00:1:2:3:3:123:4567:89a0","nameservers":{"addresses":
        ["1.1.1.1","2606:4700:4700::1111"]}}},"version":2}"#;
    const HASH: &str = "6b6928fc9de362e590d4c0384313921a39db9c0fdb91750ba26eac052a1f8853";

    fn told(network: &str) -> Result<Nocloud, NocloudError> {
        let mut told = Nocloud::default();
        told.take_network_config(network.as_bytes()).map(|()| told)
    }

    #[test]
    fn an_instance_of_the_network_learns_its_addresses() {
        for text in
            [YAML, JSON, &std::format!("network:\n  {}", YAML.trim_end().replace('\n', "\n  "))]
        {
            let told = told(text).unwrap();
            let addresses = ["172.16.4.2/24", "fc00:1:2:3:3:123:4567:89a1/124"];
            assert_eq!(told.addresses, addresses.map(|text| text.parse().unwrap()));
            let gateways = ["172.16.4.1", "fc00:1:2:3:3:123:4567:89a0"];
            assert_eq!(told.gateways, gateways.map(|text| text.parse::<IpAddr>().unwrap()));
            let servers = ["1.1.1.1", "2606:4700:4700::1111"];
            assert_eq!(told.dns, servers.map(|text| text.parse::<IpAddr>().unwrap()));
            let mut network = NetworkConfig::default();
            told.complete(&mut network);
            let config = crate::config::Config { network, ..Default::default() };
            assert_eq!(config.validate(), Ok(()));
        }
    }

    #[test]
    fn the_name_of_an_instance_is_its_item_hash() {
        let hash: ItemHash = HASH.parse().unwrap();
        let label = crate::aleph::trigger::route::host_label(&hash).unwrap();
        for text in [
            std::format!(r#"{{"instance-id": "iid-instance-4", "local-hostname": "{label}"}}"#),
            std::format!("instance-id: iid-instance-4\nlocal-hostname: {label}.example.org\n"),
        ] {
            let mut told = Nocloud::default();
            told.take_meta_data(text.as_bytes()).unwrap();
            assert_eq!(
                (told.hostname.as_str(), told.instance()),
                (label.as_str(), Some(hash.clone()))
            );
        }
        let mut told = Nocloud::default();
        told.take_meta_data(b"local-hostname: edge-1").unwrap();
        assert_eq!((told.hostname.as_str(), told.instance()), ("edge-1", None));
    }

    #[test]
    fn routes_are_routers_and_an_interface_without_addresses_is_left_to_dhcp() {
        let text = "version: 2\nethernets:\n  a:\n    dhcp4: true\n  b:\n    addresses: [\"10.0.0.2/8\"]\n    \
                    routes:\n    - to: default\n      via: 10.0.0.1\n    - to: 10.9.0.0/16\n      via: 10.0.0.9\n";
        let gateway: IpAddr = "10.0.0.1".parse().unwrap();
        assert_eq!(told(text).unwrap().gateways, [gateway]);
        assert_eq!(told("version: 2\nethernets:\n  a:\n    dhcp4: true\n"), Ok(Nocloud::default()));
    }

    #[test]
    fn what_cannot_be_used_is_an_error() {
        assert_eq!(told("version: 1\nconfig: []"), Err(NocloudError::Version));
        assert_eq!(told(&YAML.replace("172.16.4.2/24", "172.16.4.2")), Err(NocloudError::Address));
        assert_eq!(told(&YAML.replace("172.16.4.1", "router")), Err(NocloudError::Address));
        assert_eq!(told("a: |"), Err(NocloudError::Form { file: "network-config" }));
        let mut told = Nocloud::default();
        let file = "meta-data";
        assert_eq!(told.take_meta_data(&[0xff]), Err(NocloudError::Form { file }));
    }

    #[test]
    fn the_nodes_own_configuration_comes_first() {
        let own = NetworkConfig {
            hostname: "own".to_owned(),
            addresses: std::vec!["10.0.0.5/8".parse().unwrap()],
            gateways: Vec::new(),
            dns: Vec::new(),
        };
        let mut network = own.clone();
        let mut told = told(YAML).unwrap();
        told.hostname = "other".to_owned();
        let dns = told.dns.clone();
        told.complete(&mut network);
        assert_eq!(network, NetworkConfig { dns, ..own });
    }

    proptest! {
        #[test]
        fn any_file_is_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..100), at in 0_usize..400) {
            let mut told = Nocloud::default();
            let _ = told.take_network_config(&bytes);
            let _ = told.take_meta_data(&bytes);
            told.take_user_data(&bytes);
            let mut text = YAML.as_bytes().to_vec();
            let at = at % text.len();
            text.splice(at..at, bytes);
            let mut told = Nocloud::default();
            let _ = told.take_network_config(&text);
            prop_assert!(told.addresses.len() <= MAX_CONFIG_ADDRESSES && told.gateways.len() <= 2);
        }
    }
}
