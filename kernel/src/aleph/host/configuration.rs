//! The configuration: what the host tells a guest once, versions 1 to 3 of it.
//!
//! Version 1 has the members up to `variables`; versions 2 and 3 have the last three too. A guest need not
//! know which one it gets: what is not there is nil.

use alloc::vec::Vec;

use super::PackError;
use super::pack::{Pack, Writer};
use crate::aleph::limits::{MAX_CONFIGURATION_BYTES, MAX_REFUSAL_BYTES};

/// Digits that the length line may have.
const MAX_LENGTH_DIGITS: usize = 9;

/// What the host tells a guest about its program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration<'a> {
    /// The program's data, as zip.
    pub input_data: Option<&'a [u8]>,
    /// `asgi` or `executable`.
    pub interface: &'a str,
    /// The program's item hash.
    pub vm_hash: &'a str,
    /// `plain`, `zip` or `squashfs`.
    pub encoding: &'a str,
    /// What runs.
    pub entrypoint: &'a str,
    /// The file; empty if it is on a disk.
    pub code: &'a [u8],
    /// IPv4 address, of a network of 256 addresses unless it says otherwise.
    pub ip: Option<&'a str>,
    /// Router of IPv4.
    pub route: Option<&'a str>,
    /// Name servers; some may be there twice.
    pub dns_servers: Vec<&'a str>,
    /// Disks, in the order of their devices.
    pub volumes: Vec<Volume<'a>>,
    /// Names and values; nothing is not the same as none.
    pub variables: Option<Vec<(&'a str, &'a str)>>,
    /// IPv6 address with the length of its network.
    pub ipv6: Option<&'a str>,
    /// Router of IPv6.
    pub ipv6_gateway: Option<&'a str>,
    /// Keys for remote login; nothing is not the same as none.
    pub authorized_keys: Option<Vec<&'a str>>,
}

/// A disk of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volume<'a> {
    /// Where its files are to be.
    pub mount: &'a str,
    /// `vdb`, `vdc`, …
    pub device: &'a str,
    /// Whether nothing may be written.
    pub read_only: bool,
}

/// How long the configuration is, and where it begins, once the line that says so is there: up to nine
/// digits and a line feed.
///
/// # Errors
/// [`PackError::Malformed`], or [`PackError::TooLong`] beyond [`MAX_CONFIGURATION_BYTES`].
pub fn configuration_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, PackError> {
    let window = bytes.get(..=MAX_LENGTH_DIGITS).unwrap_or(bytes);
    let digits = window.iter().take_while(|byte| byte.is_ascii_digit()).count();
    match window.get(digits) {
        None if window.len() <= MAX_LENGTH_DIGITS => return Ok(None),
        Some(b'\n') if digits > 0 => {}
        _ => return Err(PackError::Malformed),
    }
    let length =
        window.iter().take(digits).fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
    if length > MAX_CONFIGURATION_BYTES {
        return Err(PackError::TooLong);
    }
    Ok(Some((length, digits + 1)))
}

impl<'a> Configuration<'a> {
    /// Reads a configuration, without its length line.
    ///
    /// # Errors
    /// [`PackError`].
    pub fn decode(bytes: &'a [u8]) -> Result<Self, PackError> {
        let pack = Pack::decode(bytes)?;
        if !matches!(pack, Pack::Map(_)) {
            return Err(PackError::Malformed);
        }
        let volume = |volume: &Pack<'a>| {
            let read_only = match volume.member("read_only") {
                Pack::Bool(read_only) => *read_only,
                _ => return Err(PackError::Member("read_only")),
            };
            Ok(Volume { mount: volume.text("mount")?, device: volume.text("device")?, read_only })
        };
        let variables = match pack.member("variables") {
            Pack::Nil => None,
            Pack::Map(members) => Some(
                members
                    .iter()
                    .map(|member| match member {
                        (Pack::Text(name), Pack::Text(value)) => Ok((*name, *value)),
                        _ => Err(PackError::Member("variables")),
                    })
                    .collect::<Result<_, _>>()?,
            ),
            _ => return Err(PackError::Member("variables")),
        };
        let authorized_keys = match pack.member("authorized_keys") {
            Pack::Nil => None,
            _ => Some(texts(&pack, "authorized_keys")?),
        };
        Ok(Self {
            input_data: pack.optional_bytes("input_data")?,
            interface: pack.text("interface")?,
            vm_hash: pack.text("vm_hash")?,
            encoding: pack.text("encoding")?,
            entrypoint: pack.text("entrypoint")?,
            code: pack.optional_bytes("code")?.unwrap_or_default(),
            ip: pack.optional_text("ip")?,
            route: pack.optional_text("route")?,
            dns_servers: texts(&pack, "dns_servers")?,
            volumes: pack.items("volumes")?.iter().map(volume).collect::<Result<_, _>>()?,
            variables,
            ipv6: pack.optional_text("ipv6")?,
            ipv6_gateway: pack.optional_text("ipv6_gateway")?,
            authorized_keys,
        })
    }

    /// Writes the configuration as the network's hosts do, without its length line; version 1 if `version`
    /// is that, else all members.
    #[must_use]
    pub fn encode(&self, version: u8) -> Vec<u8> {
        let mut out = Writer::default();
        out.map(if version == 1 { 11 } else { 14 }).text("input_data");
        match self.input_data {
            Some(data) => out.bytes(data),
            None => out.nil(),
        };
        out.text("interface").text(self.interface);
        out.text("vm_hash").text(self.vm_hash);
        out.text("encoding").text(self.encoding);
        out.text("entrypoint").text(self.entrypoint);
        out.text("code").bytes(self.code);
        out.text("ip").optional_text(self.ip);
        out.text("route").optional_text(self.route);
        out.text("dns_servers").array(self.dns_servers.len());
        for server in &self.dns_servers {
            out.text(server);
        }
        out.text("volumes").array(self.volumes.len());
        for volume in &self.volumes {
            out.map(3).text("mount").text(volume.mount);
            out.text("device").text(volume.device);
            out.text("read_only").flag(volume.read_only);
        }
        out.text("variables");
        match &self.variables {
            Some(variables) => {
                out.map(variables.len());
                for (name, value) in variables {
                    out.text(name).text(value);
                }
            }
            None => {
                out.nil();
            }
        }
        if version > 1 {
            out.text("ipv6").optional_text(self.ipv6);
            out.text("ipv6_gateway").optional_text(self.ipv6_gateway);
            out.text("authorized_keys");
            match &self.authorized_keys {
                Some(keys) => {
                    out.array(keys.len());
                    for key in keys {
                        out.text(key);
                    }
                }
                None => {
                    out.nil();
                }
            }
        }
        out.0
    }
}

fn texts<'a>(pack: &Pack<'a>, name: &'static str) -> Result<Vec<&'a str>, PackError> {
    let text = |item: &Pack<'a>| match item {
        Pack::Text(text) => Ok(*text),
        _ => Err(PackError::Member(name)),
    };
    pack.items(name)?.iter().map(text).collect()
}

/// Says that the configuration is good: `{"success":true}`.
#[must_use]
pub fn configured() -> Vec<u8> {
    let mut out = Writer::default();
    out.map(1).text("success").flag(true);
    out.0
}

/// Says that it is not, and why; cut off so that it fits one packet.
#[must_use]
pub fn refused(error: &str, traceback: &str) -> Vec<u8> {
    let short = |text: &'_ str| text.floor_char_boundary(MAX_REFUSAL_BYTES);
    let mut out = Writer::default();
    out.map(3).text("success").flag(false);
    out.text("error").text(error.get(..short(error)).unwrap_or_default());
    out.text("traceback").text(traceback.get(..short(traceback)).unwrap_or_default());
    out.0
}
