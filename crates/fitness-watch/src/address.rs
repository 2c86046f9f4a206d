//! Where a node may be found, as text.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::str::FromStr;

/// The port of Lightning nodes that name none.
pub const DEFAULT_PORT: u16 = 9735;

/// What DNS and SOCKS5 have room for.
const LONGEST_HOST: usize = 253;

/// A place where a node may be found.
///
/// As text: `203.0.113.7:9735`, `[2001:db8::7]:9735`, `ln.example.com:9735` or the name of an onion
/// service, of version 3. Without a port it is [`DEFAULT_PORT`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// A name that has to be resolved at each attempt: by us, or by the proxy where there is one.
    #[non_exhaustive]
    Hostname {
        /// In lower case.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Tor onion service, which takes a proxy to reach.
    #[non_exhaustive]
    Onion {
        /// In lower case, `.onion` included.
        host: String,
        /// The port.
        port: u16,
    },
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// There is no host.
    #[error("the host is missing: expected HOST:PORT")]
    MissingHost,
    /// The port is none.
    #[error("port {found:?} is no number from 1 to 65535")]
    InvalidPort {
        /// What is written there.
        found: String,
    },
    /// An IPv6 address has to stand in brackets, as its own colons hide the port.
    #[error("{found:?} has more than one colon: an IPv6 address goes in brackets, as in [2001:db8::7]:9735")]
    MissingBrackets {
        /// What is written there.
        found: String,
    },
    /// What stands in brackets is no IPv6 address.
    #[error("{found:?} is no IPv6 address")]
    InvalidIpv6 {
        /// What is written there.
        found: String,
    },
    /// All digits and dots, but no IPv4 address.
    #[error("{found:?} is no IPv4 address")]
    InvalidIpv4 {
        /// What is written there.
        found: String,
    },
    /// An onion service's name that is none, or one of the old kind.
    #[error("{found:?} is no onion service of version 3: those have 56 characters before .onion")]
    InvalidOnion {
        /// What is written there.
        found: String,
    },
    /// A host with a character that no host name has.
    #[error("{character:?} cannot stand in a host name; a name with other letters is written as xn--…")]
    InvalidCharacter {
        /// The first such character.
        character: char,
    },
    /// A host that is too long for DNS.
    #[error("the host has {length} characters, and no host name has more than {LONGEST_HOST}")]
    HostTooLong {
        /// How many it has.
        length: usize,
    },
}

impl Address {
    /// Whether it takes a proxy to reach.
    #[must_use]
    pub fn is_onion(&self) -> bool {
        matches!(self, Self::Onion { .. })
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        match self {
            Self::Ip(addr) => addr.port(),
            Self::Hostname { port, .. } | Self::Onion { port, .. } => *port,
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(addr: SocketAddr) -> Self {
        Self::Ip(addr)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(inner) = text.strip_prefix('[') {
            let none = || AddressError::InvalidIpv6 { found: text.into() };
            let (ip, rest) = inner.split_once(']').ok_or_else(none)?;
            let port = match rest.strip_prefix(':') {
                Some(port) => parse_port(port)?,
                None if rest.is_empty() => DEFAULT_PORT,
                None => return Err(none()),
            };
            // With the port, as only so a scope (`%2`) is understood.
            let addr: SocketAddrV6 = format!("[{ip}]:{port}").parse().map_err(|_| none())?;
            return Ok(Self::Ip(addr.into()));
        }
        let (host, port) = match text.split_once(':') {
            Some((_, rest)) if rest.contains(':') => {
                return Err(AddressError::MissingBrackets { found: text.into() });
            }
            Some((host, port)) => (host, parse_port(port)?),
            None => (text, DEFAULT_PORT),
        };
        parse_host(host, port)
    }
}

fn parse_port(text: &str) -> Result<u16, AddressError> {
    let bad = || AddressError::InvalidPort { found: text.into() };
    // `u16::from_str` takes a leading `+`; a port has none.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    text.parse().ok().filter(|port| *port > 0).ok_or_else(bad)
}

fn parse_host(host: &str, port: u16) -> Result<Address, AddressError> {
    if host.is_empty() {
        return Err(AddressError::MissingHost);
    }
    if let Ok(ip) = host.parse::<Ipv4Addr>() {
        return Ok(Address::Ip(SocketAddr::new(IpAddr::V4(ip), port)));
    }
    if host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return Err(AddressError::InvalidIpv4 { found: host.into() });
    }
    let belongs = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if let Some(character) = host.chars().find(|c| !belongs(c)) {
        return Err(AddressError::InvalidCharacter { character });
    }
    if host.len() > LONGEST_HOST {
        return Err(AddressError::HostTooLong { length: host.len() });
    }
    let host = host.to_ascii_lowercase();
    match host.strip_suffix(".onion") {
        Some(service) if is_onion_v3(service) => Ok(Address::Onion { host, port }),
        Some(_) => Err(AddressError::InvalidOnion { found: host }),
        None => Ok(Address::Hostname { host, port }),
    }
}

/// 35 bytes in base32, of which the last is the version: so all of version 3 end in the same letter.
fn is_onion_v3(service: &str) -> bool {
    let is_base32 = |byte: u8| matches!(byte, b'a'..=b'z' | b'2'..=b'7');
    service.len() == 56 && service.bytes().all(is_base32) && service.ends_with('d')
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(addr) => write!(f, "{addr}"),
            Self::Hostname { host, port } | Self::Onion { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ONION: &str = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";

    fn parse(text: &str) -> Result<Address, AddressError> {
        text.parse()
    }

    #[test]
    fn every_kind_is_understood_and_reads_as_it_was_written() {
        for text in ["203.0.113.7:1", "[2001:db8::7]:65535", "[fe80::1%2]:9735", "ln.Example.com:9736"] {
            assert_eq!(parse(text).unwrap().to_string(), text.to_lowercase());
        }
        assert!(parse(&format!("{ONION}:9735")).unwrap().is_onion());
        assert!(!parse("example.com").unwrap().is_onion());
    }

    #[test]
    fn without_a_port_it_is_lightnings() {
        for text in ["203.0.113.7", "[2001:db8::7]", "localhost", ONION] {
            assert_eq!(parse(text).unwrap().port(), 9735, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_for_its_reason() {
        let found = |text: &str| text.to_owned();
        let long = format!("{}.example", "a".repeat(250));
        let cases = [
            ("", AddressError::MissingHost),
            (":9735", AddressError::MissingHost),
            ("host:", AddressError::InvalidPort { found: found("") }),
            ("host:0", AddressError::InvalidPort { found: found("0") }),
            ("host:+1", AddressError::InvalidPort { found: found("+1") }),
            ("host:65536", AddressError::InvalidPort { found: found("65536") }),
            ("2001:db8::7", AddressError::MissingBrackets { found: found("2001:db8::7") }),
            ("host:1:2", AddressError::MissingBrackets { found: found("host:1:2") }),
            ("[2001:db8::7", AddressError::InvalidIpv6 { found: found("[2001:db8::7") }),
            ("[2001:db8::7]9735", AddressError::InvalidIpv6 { found: found("[2001:db8::7]9735") }),
            ("[1.2.3.4]:9735", AddressError::InvalidIpv6 { found: found("[1.2.3.4]:9735") }),
            ("256.1.1.1", AddressError::InvalidIpv4 { found: found("256.1.1.1") }),
            ("expyuzz4wqqyqhjn.onion", AddressError::InvalidOnion { found: found("expyuzz4wqqyqhjn.onion") }),
            (".onion", AddressError::InvalidOnion { found: found(".onion") }),
            ("a b", AddressError::InvalidCharacter { character: ' ' }),
            ("bücher.example", AddressError::InvalidCharacter { character: 'ü' }),
            (&*long, AddressError::HostTooLong { length: 258 }),
        ];
        for (text, error) in cases {
            assert_eq!(parse(text), Err(error), "{text}");
        }
        // The wrong version, and a letter that base32 has not.
        assert!(parse(&ONION.replace("yd.", "ye.")).is_err());
        assert!(parse(&ONION.replace("pg6", "pg1")).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_understood_survives(text in ".*") {
            if let Ok(address) = parse(&text) {
                prop_assert_eq!(parse(&address.to_string()), Ok(address));
            }
        }

        #[test]
        fn all_sockets_survive(ip: IpAddr, port in 1_u16..) {
            let address = Address::Ip(SocketAddr::new(ip, port));
            prop_assert_eq!(parse(&address.to_string()), Ok(address));
        }
    }
}
