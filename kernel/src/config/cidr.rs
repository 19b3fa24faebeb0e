//! An IP address with the length of its network's prefix.

use alloc::string::String;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Such as `10.0.2.15/24` or `fd00::2/64`. The prefix is never longer than the address.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    prefix_bits: u8,
}

/// Why a text or a pair is not an address with a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CidrError {
    /// There is no `/`.
    NoPrefix,
    /// What stands before the `/` is no IP address.
    BadAddress,
    /// What stands behind the `/` is no number, or more than the address has bits.
    BadPrefix,
}

impl fmt::Display for CidrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoPrefix => "expected an address and a prefix length, such as 10.0.2.15/24",
            Self::BadAddress => "the part before '/' is not an IP address",
            Self::BadPrefix => "the prefix length is not a number that the address has bits for",
        })
    }
}

impl core::error::Error for CidrError {}

impl Cidr {
    /// # Errors
    /// [`CidrError::BadPrefix`] if `prefix_bits` is more than `address` has.
    pub fn new(address: IpAddr, prefix_bits: u8) -> Result<Self, CidrError> {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        if prefix_bits > bits {
            return Err(CidrError::BadPrefix);
        }
        Ok(Self { address, prefix_bits })
    }

    /// The address itself.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Length of the network's prefix in bits.
    #[must_use]
    pub const fn prefix_bits(&self) -> u8 {
        self.prefix_bits
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, prefix) = text.split_once('/').ok_or(CidrError::NoPrefix)?;
        let address = address.parse().map_err(|_| CidrError::BadAddress)?;
        if !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(CidrError::BadPrefix);
        }
        Self::new(address, prefix.parse().map_err(|_| CidrError::BadPrefix)?)
    }
}

impl Default for Cidr {
    fn default() -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix_bits: 0 }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

impl fmt::Debug for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (self.address, self.prefix_bits).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let result = if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse()
        } else {
            let (address, prefix_bits) = Deserialize::deserialize(deserializer)?;
            Self::new(address, prefix_bits)
        };
        result.map_err(de::Error::custom)
    }
}
