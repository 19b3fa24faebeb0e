//! Where an HTTP server is, as the configuration has it: text that was read and checked.

use alloc::format;
use alloc::string::String;
use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use netstack::libp2p::Multiaddr;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The port of an origin that names none.
const HTTP_PORT: u16 = 80;

/// Such as `http://10.0.2.2:4024`: an address (IPv6 in brackets) or a name, and a port.
#[derive(Clone, PartialEq, Eq)]
pub struct Origin {
    authority: String,
    address: Multiaddr,
}

/// The text is no origin that can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOrigin {
    /// It is not `http://HOST` or `http://HOST:PORT`.
    Malformed,
    /// It is `https://…`, and there is no TLS.
    Https,
}

impl fmt::Display for NotOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "it is not of the form http://HOST:PORT",
            Self::Https => "https is not supported: the node speaks no TLS",
        })
    }
}

impl core::error::Error for NotOrigin {}

impl Origin {
    /// What a request's `Host` field says.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Where to connect.
    #[must_use]
    pub fn address(&self) -> &Multiaddr {
        &self.address
    }
}

impl FromStr for Origin {
    type Err = NotOrigin;

    fn from_str(text: &str) -> Result<Self, NotOrigin> {
        if text.starts_with("https://") {
            return Err(NotOrigin::Https);
        }
        let authority = text.strip_prefix("http://").ok_or(NotOrigin::Malformed)?;
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                let digits = port.bytes().all(|byte| byte.is_ascii_digit());
                let port = port.parse().ok().filter(|port| digits && *port != 0);
                (host, port.ok_or(NotOrigin::Malformed)?)
            }
            _ => (authority, HTTP_PORT),
        };
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let kind = match inner {
            Some(inner) if inner.parse::<Ipv6Addr>().is_ok() => "ip6",
            Some(_) => return Err(NotOrigin::Malformed),
            None if host.parse::<Ipv4Addr>().is_ok() => "ip4",
            None => "dns",
        };
        let address = format!("/{kind}/{}/tcp/{port}", inner.unwrap_or(host));
        let address = address.parse().map_err(|_| NotOrigin::Malformed)?;
        Ok(Self { authority: authority.into(), address })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Origin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error| de::Error::custom(format_args!("{text:.64}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn addresses_and_names_with_and_without_a_port_are_read() {
        for (text, authority, address) in [
            ("http://10.0.2.2:4024", "10.0.2.2:4024", "/ip4/10.0.2.2/tcp/4024"),
            ("http://10.0.2.2/", "10.0.2.2", "/ip4/10.0.2.2/tcp/80"),
            ("http://[fd00::2]:8080", "[fd00::2]:8080", "/ip6/fd00::2/tcp/8080"),
            ("http://[fd00::2]", "[fd00::2]", "/ip6/fd00::2/tcp/80"),
            ("http://node.example:4024", "node.example:4024", "/dns/node.example/tcp/4024"),
        ] {
            let origin: Origin = text.parse().unwrap();
            assert_eq!(
                (origin.authority(), origin.address().to_string().as_str()),
                (authority, address)
            );
            assert_eq!(origin.to_string().parse(), Ok(origin));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "10.0.2.2",
            "http://",
            "http:///",
            "http://a:0",
            "http://a:65536",
            "http://a:+1",
            "http://a:",
            "http://a/b",
            "http://a b",
            "http://[::1",
            "http://[1.2.3.4]",
            "http://u@a",
            "ftp://a",
            "http://a?b",
        ] {
            assert_eq!(text.parse::<Origin>(), Err(NotOrigin::Malformed), "{text}");
        }
        assert_eq!("https://a".parse::<Origin>(), Err(NotOrigin::Https));
    }
}
