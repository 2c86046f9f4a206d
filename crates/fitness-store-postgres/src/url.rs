//! What a URL says, and what of it may be said again.
//!
//! A password that was not encoded can end up anywhere in a URL: in the port, the database, a parameter.
//! So nothing of a URL that cannot be read is ever repeated, and one that reads as if that had happened
//! is refused.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fitness_store::StoreError;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use crate::tls::{Roots, TlsOptions, Verify};

/// How a URL is called whose parts are not to be told apart.
const UNREADABLE: &str = "postgres://…";

/// What goes to the library as it is.
const PASSED_ON: &[&str] = &[
    "application_name",
    "channel_binding",
    "connect_timeout",
    "dbname",
    "host",
    "hostaddr",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "load_balance_hosts",
    "options",
    "password",
    "port",
    "sslnegotiation",
    "target_session_attrs",
    "tcp_user_timeout",
    "user",
];

/// What is ours to understand.
const OURS: &[&str] = &["passfile", "schema", "sslcert", "sslkey", "sslmode", "sslrootcert"];

/// Of a user's or a database's name, what needs no encoding to be a part of a URL.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The same URL without its password, fit for a log: `postgres://user@host:port/database`.
///
/// Parameters are left out as well. One that cannot be read is `postgres://…`, because where the
/// password is in it nobody knows.
#[must_use]
pub fn redact_url(url: &str) -> String {
    Target::parse(url).map_or_else(|_| UNREADABLE.to_owned(), |target| target.location)
}

/// Where to connect to, and how.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) config: Config,
    pub(crate) tls: TlsOptions,
    pub(crate) schema: Option<String>,
    pub(crate) passfile: Option<PathBuf>,
    /// Whether it says which of several servers is meant.
    pub(crate) says_target: bool,
    /// For errors and logs.
    pub(crate) location: String,
}

impl Target {
    /// Reads a URL. No file is touched, and no variable of the environment read.
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        read(url).map_err(|reason| StoreError::OpenFailed {
            location: UNREADABLE.to_owned(),
            reason,
            source: None,
        })
    }
}

/// A URL in parts, still encoded.
struct Parts<'a> {
    /// All before the `?`.
    address: &'a str,
    query: &'a str,
}

fn split(url: &str) -> Result<Parts<'_>, String> {
    let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
    let rest = rest.ok_or("it is not of the form postgres://user:password@host:port/database")?;
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = address.split('/').next().unwrap_or_default();
    // Any other @ is a password's, or hides where one ends.
    if rest.matches('@').count() > authority.matches('@').count().min(1) {
        return Err("an @ stands where none can be; in a user name, password or parameter \
                    the characters @ : / ? # & % are written as %40 %3A %2F %3F %23 %26 %25"
            .to_owned());
    }
    Ok(Parts { address, query })
}

fn read(url: &str) -> Result<Target, String> {
    let Parts { address, query } = split(url)?;
    let mut passed_on = String::new();
    let mut ours = Ours::default();
    let has = |name: &str| parameters(query).any(|parameter| parameter.is_ok_and(|(key, _)| key == name));
    for parameter in parameters(query) {
        let (key, value) = parameter?;
        if let Some(key) = OURS.iter().find(|known| **known == key) {
            let decoded = percent_decode_str(value).decode_utf8();
            let decoded = decoded.map_err(|_| format!("its {key} is not UTF-8"))?;
            ours.set(key, &decoded)?;
        } else if PASSED_ON.contains(&key) {
            let separator = if passed_on.is_empty() { '?' } else { '&' };
            let _ = write!(passed_on, "{separator}{key}={value}");
        } else {
            return Err(unknown(key, address.contains('@') && !query.contains("password")));
        }
    }
    let parsed = format!("postgres://{address}{passed_on}").parse::<Config>();
    // What it says of the library's errors is a parameter's name at most.
    let mut config = parsed.map_err(|err| match std::error::Error::source(&err) {
        Some(source) => {
            format!("{source}; what is special in a name or password is written as %40 and so on")
        }
        None => "it cannot be read".to_owned(),
    })?;
    complete(&mut config, &has);
    let tls = ours.tls(&config)?;
    config.ssl_mode(match tls.verify {
        Verify::NoTls => SslMode::Disable,
        Verify::NothingIfAny => SslMode::Prefer,
        Verify::Nothing | Verify::CertificateAuthority | Verify::AuthorityAndName => SslMode::Require,
    });
    Ok(Target {
        location: location(&config),
        tls,
        schema: ours.schema,
        passfile: ours.passfile,
        says_target: has("target_session_attrs"),
        config,
    })
}

fn parameters(query: &str) -> impl Iterator<Item = Result<(&str, &str), String>> {
    query.split('&').filter(|parameter| !parameter.is_empty()).map(|parameter| {
        parameter.split_once('=').ok_or_else(|| "one of its parameters has no value".to_owned())
    })
}

/// A name may be said where it cannot be the end of a password.
fn unknown(name: &str, harmless: bool) -> String {
    let known: Vec<&str> = OURS.iter().chain(PASSED_ON).copied().collect();
    let named = if harmless { format!(" ({})", name.escape_debug()) } else { String::new() };
    format!("it has a parameter that there is not{named}; there are {}", known.join(", "))
}

/// What libpq would have done by default, and what notices that nobody is there any more.
fn complete(config: &mut Config, has: &dyn Fn(&str) -> bool) {
    const SOCKETS: &str = "/var/run/postgresql";
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        if cfg!(unix) && Path::new(SOCKETS).is_dir() {
            config.host(SOCKETS);
        } else {
            config.host("localhost");
        }
    }
    if !has("connect_timeout") {
        config.connect_timeout(Duration::from_secs(10));
    }
    if !has("keepalives_idle") {
        config.keepalives_idle(Duration::from_secs(30));
    }
    if !has("keepalives_interval") {
        config.keepalives_interval(Duration::from_secs(10));
    }
    if !has("keepalives_retries") {
        config.keepalives_retries(3);
    }
    if !has("tcp_user_timeout") {
        config.tcp_user_timeout(Duration::from_secs(60));
    }
}

/// The parameters that the library does not know.
#[derive(Default)]
struct Ours {
    sslmode: Option<String>,
    sslrootcert: Option<String>,
    sslcert: Option<PathBuf>,
    sslkey: Option<PathBuf>,
    passfile: Option<PathBuf>,
    schema: Option<String>,
}

impl Ours {
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "sslmode" => self.sslmode = Some(value.to_owned()),
            "sslrootcert" => self.sslrootcert = Some(value.to_owned()),
            "sslcert" => self.sslcert = Some(value.into()),
            "sslkey" => self.sslkey = Some(value.into()),
            "passfile" => self.passfile = Some(value.into()),
            "schema" => self.schema = Some(value.to_owned()),
            _ => return Err("it has a parameter that there is not".to_owned()),
        }
        Ok(())
    }

    /// As libpq understands them.
    fn tls(&self, config: &Config) -> Result<TlsOptions, String> {
        let roots = match self.sslrootcert.as_deref() {
            None => None,
            Some("system") => Some(Roots::System),
            Some(path) => Some(Roots::File(path.into())),
        };
        let default = if roots == Some(Roots::System) { "verify-full" } else { "prefer" };
        let verify = match self.sslmode.as_deref().unwrap_or(default) {
            "disable" => Verify::NoTls,
            "prefer" => Verify::NothingIfAny,
            // With a root to trust it means more, for the sake of old configurations.
            "require" if roots.is_some() => Verify::CertificateAuthority,
            "require" => Verify::Nothing,
            "verify-ca" => Verify::CertificateAuthority,
            "verify-full" => Verify::AuthorityAndName,
            _ => {
                return Err(
                    "its sslmode is none of disable, prefer, require, verify-ca and verify-full".to_owned()
                );
            }
        };
        match (verify, &roots) {
            // Anybody can have a certificate of a public authority.
            (Verify::NothingIfAny | Verify::Nothing | Verify::CertificateAuthority, Some(Roots::System)) => {
                return Err("sslrootcert=system goes with sslmode=verify-full alone".to_owned());
            }
            (Verify::CertificateAuthority, None) => {
                return Err(
                    "sslmode=verify-ca needs the authority's certificate: sslrootcert=PATH".to_owned()
                );
            }
            _ => {}
        }
        let client = match (&self.sslcert, &self.sslkey) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            _ => return Err("sslcert and sslkey go together".to_owned()),
        };
        // libpq never speaks TLS over a socket of the same machine.
        let is_local = config.get_hosts().iter().all(is_socket) && config.get_hostaddrs().is_empty();
        Ok(TlsOptions {
            verify: if is_local { Verify::NoTls } else { verify },
            roots: roots.unwrap_or(Roots::System),
            client,
            is_direct: config.get_ssl_negotiation() == tokio_postgres::config::SslNegotiation::Direct,
        })
    }
}

fn is_socket(host: &Host) -> bool {
    match host {
        Host::Tcp(_) => false,
        #[cfg(unix)]
        Host::Unix(_) => true,
    }
}

fn location(config: &Config) -> String {
    let mut location = "postgres://".to_owned();
    if let Some(user) = config.get_user() {
        let _ = write!(location, "{}@", utf8_percent_encode(user, PLAIN));
    }
    let hosts = config.get_hosts().iter().map(host_name);
    let addresses = config.get_hostaddrs().iter().map(ToString::to_string);
    let names: Vec<String> =
        if config.get_hosts().is_empty() { addresses.collect() } else { hosts.collect() };
    for (index, name) in names.iter().enumerate() {
        let ports = config.get_ports();
        let port = ports.get(index).or_else(|| ports.first()).copied().unwrap_or(5432);
        let separator = if index == 0 { "" } else { "," };
        let _ = write!(location, "{separator}{name}:{port}");
    }
    if let Some(database) = config.get_dbname() {
        let _ = write!(location, "/{}", utf8_percent_encode(database, PLAIN));
    }
    location
}

fn host_name(host: &Host) -> String {
    match host {
        Host::Tcp(name) if name.contains(':') => format!("[{}]", name.escape_debug()),
        Host::Tcp(name) => name.escape_debug().to_string(),
        #[cfg(unix)]
        Host::Unix(path) => path.display().to_string().escape_debug().to_string(),
    }
}

/// Whether a server that can be written to is to be looked for among several.
pub(crate) fn prefer_writable(config: &mut Config) {
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRETS: [&str; 8] =
        ["xq7", "xq7%32", "xq7/xq8?xq9#zq7", "xq7@xq8", "xq7:xq8:xq9", "71/72", "xq7&xq8=xq9", "xq7=xq8@xq9"];

    /// What is said of a URL, one way or the other.
    fn said(url: &str) -> String {
        match Target::parse(url) {
            Ok(target) => format!("{} {target:?} {}", target.location, redact_url(url)),
            Err(err) => format!("{err} {err:?} {}", redact_url(url)),
        }
    }

    #[test]
    fn the_location_has_what_a_log_needs() {
        let cases = [
            ("postgres://u:p@h/d", "postgres://u@h:5432/d"),
            ("postgresql://u:p@h:1/d?sslmode=require&schema=x", "postgres://u@h:1/d"),
            ("postgres://u@h1:1,h2/d", "postgres://u@h1:1,h2:5432/d"),
            ("postgres://u:p@[::1]:7/d", "postgres://u@[::1]:7/d"),
            ("postgres://%2Ftmp%2Fx/d?user=u&password=p", "postgres://u@/tmp/x:5432/d"),
            ("postgres://a%40b:p@h/d%2Fe", "postgres://a%40b@h:5432/d%2Fe"),
            ("postgres://u@h/d%0Ainjected", "postgres://u@h:5432/d%0Ainjected"),
        ];
        for (url, location) in cases {
            assert_eq!(redact_url(url), location);
        }
    }

    #[test]
    fn a_password_is_never_said_however_the_url_is_broken() {
        for secret in SECRETS {
            let shapes = [
                format!("postgres://u:{secret}@h:1/d"),
                format!("postgres://u:{secret}@h:x/d"),
                format!("postgres://u:{secret}@h/d?sslmode=nonsense"),
                format!("postgres://u:{secret}@h/d?shcema=x"),
                format!("postgres://u:{secret}@h/d?{secret}"),
                format!("postgres://u:{secret}@h@i/d"),
                format!("postgres://h/d?user=u&password={secret}"),
                format!("postgres://h/d?user=u&password={secret}&port=x"),
                format!("postgres://u:{secret}"),
                format!("postgre://u:{secret}@h/d"),
                format!("host=h user=u password={secret}"),
                format!("u:{secret}@h/d"),
                secret.to_owned(),
            ];
            for url in shapes {
                // These are URLs, if not the ones that were meant: nothing tells a port or a host from
                // the end of a password.
                if ["postgres://u:71/72", "postgres://u:xq7@xq8", "postgres://u:xq7=xq8@xq9"].contains(&&*url)
                {
                    continue;
                }
                let said = said(&url);
                for part in [secret].into_iter().chain(secret.split(['/', '?', '#', '@', ':', '&', '='])) {
                    if part.len() > 1 {
                        assert!(!said.contains(part), "{url} said {part}: {said}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_typo_is_named_where_it_cannot_be_a_secret() {
        assert!(said("postgres://u:p@h/d?shcema=x").contains("shcema"));
        assert!(!said("postgres://h/d?password=se&cret=1").contains("cret"));
    }

    #[test]
    fn modes_mean_what_they_mean_to_libpq() {
        let verify = |query: &str| Target::parse(&format!("postgres://u@h/d{query}")).map(|it| it.tls.verify);
        assert_eq!(verify("").unwrap(), Verify::NothingIfAny);
        assert_eq!(verify("?sslmode=disable").unwrap(), Verify::NoTls);
        assert_eq!(verify("?sslmode=prefer").unwrap(), Verify::NothingIfAny);
        assert_eq!(verify("?sslmode=require").unwrap(), Verify::Nothing);
        assert_eq!(verify("?sslmode=require&sslrootcert=/x").unwrap(), Verify::CertificateAuthority);
        assert_eq!(verify("?sslmode=verify-ca&sslrootcert=/x").unwrap(), Verify::CertificateAuthority);
        assert_eq!(verify("?sslmode=verify-full").unwrap(), Verify::AuthorityAndName);
        assert_eq!(verify("?sslrootcert=system").unwrap(), Verify::AuthorityAndName);
        for refused in [
            "?sslmode=allow",
            "?sslmode=verify-ca",
            "?sslmode=require&sslrootcert=system",
            "?sslmode=prefer&sslrootcert=system",
            "?sslmode=verify-full&sslcert=/x",
        ] {
            assert!(verify(refused).is_err(), "{refused}");
        }
        let local = Target::parse("postgres://u@%2Ftmp/d?sslmode=verify-full").unwrap();
        assert_eq!(local.tls.verify, Verify::NoTls, "over a socket there is no TLS");
    }
}
