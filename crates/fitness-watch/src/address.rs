//! Network addresses of nodes, as text.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::str::FromStr;

/// The default port of Lightning nodes.
pub const DEFAULT_PORT: u16 = 9735;

/// The longest host name that DNS and SOCKS5 support.
const MAX_HOST_LEN: usize = 253;

/// The network address of a node.
///
/// Parsed from `203.0.113.7:9735`, `[2001:db8::7]:9735`, `ln.example.com:9735` or a version 3 onion address.
/// The port defaults to [`DEFAULT_PORT`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An IP address and a port.
    Ip(SocketAddr),
    /// A host name and a port. The name is resolved at each attempt, by the proxy if there is one.
    #[non_exhaustive]
    Hostname {
        /// The host name, in lower case.
        host: String,
        /// The port.
        port: u16,
    },
    /// A Tor onion service, which is dialled through a proxy.
    #[non_exhaustive]
    Onion {
        /// The onion address, in lower case and with its `.onion`.
        host: String,
        /// The port.
        port: u16,
    },
}

/// An error in the text of an [`Address`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The host is missing.
    #[error("missing host: expected HOST:PORT")]
    MissingHost,
    /// The port is not a number from 1 to 65535.
    #[error("invalid port {found:?}: expected 1 to 65535")]
    InvalidPort {
        /// The invalid text.
        found: String,
    },
    /// There is more than one colon. An IPv6 address needs brackets, because its colons hide the port.
    #[error("more than one colon in {found:?}: put an IPv6 address in brackets, as in [2001:db8::7]:9735")]
    MissingBrackets {
        /// The invalid text.
        found: String,
    },
    /// The text in brackets is not an IPv6 address.
    #[error("invalid IPv6 address {found:?}")]
    InvalidIpv6 {
        /// The invalid text.
        found: String,
    },
    /// The host consists of digits and dots, and is not an IPv4 address.
    #[error("invalid IPv4 address {found:?}")]
    InvalidIpv4 {
        /// The invalid text.
        found: String,
    },
    /// The host ends in `.onion` and is not a version 3 onion address.
    #[error("invalid onion address {found:?}: expected 56 base32 characters before .onion (version 3)")]
    InvalidOnion {
        /// The invalid text.
        found: String,
    },
    /// The host contains a character that is not allowed in host names.
    #[error("invalid character {character:?} in the host name; write an international name as xn--…")]
    InvalidCharacter {
        /// The first invalid character.
        character: char,
    },
    /// The host is too long for DNS.
    #[error("host name too long: {length} characters, at most {MAX_HOST_LEN} are allowed")]
    HostTooLong {
        /// The number of characters.
        length: usize,
    },
}

impl Address {
    /// Whether this is an onion service, which is dialled through a proxy.
    #[must_use]
    pub fn is_onion(&self) -> bool {
        matches!(self, Self::Onion { .. })
    }

    /// Returns the port.
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
            let invalid = || AddressError::InvalidIpv6 { found: text.into() };
            let (ip, rest) = inner.split_once(']').ok_or_else(invalid)?;
            let port = match rest.strip_prefix(':') {
                Some(port) => parse_port(port)?,
                None if rest.is_empty() => DEFAULT_PORT,
                None => return Err(invalid()),
            };
            // Parsed together with a port, because only `SocketAddrV6` accepts a scope id (`%2`).
            let addr: SocketAddrV6 = format!("[{ip}]:{port}").parse().map_err(|_| invalid())?;
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
    let invalid = || AddressError::InvalidPort { found: text.into() };
    // `u16::from_str` accepts a leading `+`, which is not valid in a port.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid());
    }
    text.parse().ok().filter(|port| *port > 0).ok_or_else(invalid)
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
    let is_allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if let Some(character) = host.chars().find(|c| !is_allowed(c)) {
        return Err(AddressError::InvalidCharacter { character });
    }
    if host.len() > MAX_HOST_LEN {
        return Err(AddressError::HostTooLong { length: host.len() });
    }
    let host = host.to_ascii_lowercase();
    match host.strip_suffix(".onion") {
        Some(service) if is_onion_v3(service) => Ok(Address::Onion { host, port }),
        Some(_) => Err(AddressError::InvalidOnion { found: host }),
        None => Ok(Address::Hostname { host, port }),
    }
}

/// A version 3 onion address is 35 bytes in base32. The last byte is the version, so all of them end in `d`.
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
    fn every_kind_of_address_parses_and_displays_as_written() {
        for text in ["203.0.113.7:1", "[2001:db8::7]:65535", "[fe80::1%2]:9735", "ln.Example.com:9736"] {
            assert_eq!(parse(text).unwrap().to_string(), text.to_lowercase());
        }
        assert!(parse(&format!("{ONION}:9735")).unwrap().is_onion());
        assert!(!parse("example.com").unwrap().is_onion());
    }

    #[test]
    fn the_port_defaults_to_9735() {
        for text in ["203.0.113.7", "[2001:db8::7]", "localhost", ONION] {
            assert_eq!(parse(text).unwrap().port(), 9735, "{text}");
        }
    }

    #[test]
    fn invalid_addresses_are_rejected_with_the_cause() {
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
        // The wrong version, and a character that is not base32.
        assert!(parse(&ONION.replace("yd.", "ye.")).is_err());
        assert!(parse(&ONION.replace("pg6", "pg1")).is_err());
    }

    proptest! {
        #[test]
        fn parsed_addresses_round_trip_and_no_text_panics(text in ".*") {
            if let Ok(address) = parse(&text) {
                prop_assert_eq!(parse(&address.to_string()), Ok(address));
            }
        }

        #[test]
        fn socket_addresses_round_trip(ip: IpAddr, port in 1_u16..) {
            let address = Address::Ip(SocketAddr::new(ip, port));
            prop_assert_eq!(parse(&address.to_string()), Ok(address));
        }
    }
}
