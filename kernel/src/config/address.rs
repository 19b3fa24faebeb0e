//! A multiaddress as the configuration has it: text that was read and checked.

use alloc::string::String;
use core::fmt;
use core::ops::Deref;
use core::str::FromStr;

use netstack::libp2p::{Multiaddr, MultiaddrError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Such as `/ip4/10.0.2.15/tcp/7777/p2p/12D3KooW…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Multiaddr);

impl Deref for Address {
    type Target = Multiaddr;

    fn deref(&self) -> &Multiaddr {
        &self.0
    }
}

impl From<Multiaddr> for Address {
    fn from(address: Multiaddr) -> Self {
        Self(address)
    }
}

impl FromStr for Address {
    type Err = MultiaddrError;

    fn from_str(text: &str) -> Result<Self, MultiaddrError> {
        text.parse().map(Self)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error| de::Error::custom(format_args!("{text:.64}: {error}")))
    }
}
