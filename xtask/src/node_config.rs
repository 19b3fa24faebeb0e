//! The node's configuration: written as TOML, given to the guest as a blob of bytes.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use kernel::config::Config;
use tempfile::NamedTempFile;

/// A configuration that has been read and checked.
#[derive(Debug, Default)]
pub struct NodeConfig(Config);

impl NodeConfig {
    /// Reads a TOML file; without one, the defaults.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, or says what the node cannot do.
    pub fn read(file: Option<&Path>) -> Result<Self> {
        let Some(file) = file else { return Ok(Self::default()) };
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Self::parse(&text).with_context(|| file.display().to_string())
    }

    /// Reads TOML.
    ///
    /// # Errors
    /// When it is not TOML, or says what the node cannot do.
    pub fn parse(text: &str) -> Result<Self> {
        let config: Config = toml::from_str(text)?;
        config.validate()?;
        Ok(Self(config))
    }

    /// The first static address for IPv4 without its prefix; empty when DHCP gives it.
    #[must_use]
    pub fn static_address(&self) -> String {
        let addresses = self.0.network.addresses.iter().map(|cidr| cidr.address());
        addresses
            .filter(|address| address.is_ipv4())
            .map(|a| a.to_string())
            .next()
            .unwrap_or_default()
    }

    /// The port on which the node's HTTP server listens.
    #[must_use]
    pub fn http_port(&self) -> u16 {
        self.0.http.port
    }

    /// The port on which the node takes connections of peers.
    #[must_use]
    pub fn peer_port(&self) -> u16 {
        self.0.peers.port
    }

    /// The configuration itself.
    #[must_use]
    pub fn into_config(self) -> Config {
        self.0
    }

    /// The bytes for the guest.
    ///
    /// # Errors
    /// When the configuration is larger than a node takes.
    pub fn blob(&self) -> Result<Vec<u8>> {
        Ok(self.0.encode()?)
    }

    /// The blob in a file, for QEMU's fw_cfg; removed when dropped.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn blob_file(&self) -> Result<NamedTempFile> {
        let mut file = NamedTempFile::with_prefix("aerolith-config-")?;
        file.write_all(&self.blob()?)?;
        Ok(file)
    }

    /// The blob as a word of the kernel's command line.
    ///
    /// # Errors
    /// See [`Self::blob`].
    pub fn command_line_word(&self) -> Result<String> {
        Ok(self.0.encode_word()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_becomes_a_blob_that_the_node_reads_back() {
        let text = "log = \"debug\"\n[network]\naddresses = [\"10.0.2.20/24\"]\n\
                    gateways = [\"10.0.2.2\"]\n[http]\nport = 8000\n";
        let config = NodeConfig::parse(text).unwrap();
        assert_eq!(config.static_address(), "10.0.2.20");
        assert_eq!(config.http_port(), 8000);
        assert_eq!(Config::decode(&config.blob().unwrap()).unwrap(), config.0);
        let file = config.blob_file().unwrap();
        assert_eq!(fs::read(file.path()).unwrap(), config.blob().unwrap());
        let word = config.command_line_word().unwrap();
        let value = word.strip_prefix("aerolith.config=").unwrap();
        assert_eq!(Config::decode_word(value).unwrap(), config.0);
    }

    #[test]
    fn no_file_means_the_defaults() {
        let config = NodeConfig::read(None).unwrap();
        assert_eq!((config.static_address().as_str(), config.http_port()), ("", 80));
    }

    #[test]
    fn a_mistake_names_the_field() {
        let error = |text| format!("{:#}", NodeConfig::parse(text).unwrap_err());
        assert!(error("[http]\nprot = 1").contains("prot"));
        assert!(error("[http]\nport = 0").contains("http.port"));
    }
}
