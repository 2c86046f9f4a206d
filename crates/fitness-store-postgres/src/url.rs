//! Parses database URLs, and removes their passwords.
//!
//! A password that was not percent-encoded can end up anywhere in a URL: in the port, the database or a
//! parameter. So an error never repeats any part of an invalid URL, and a URL that looks as if this had
//! happened is rejected.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fitness_store::StoreError;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use crate::tls::{Roots, TlsMode, TlsOptions};

/// The location in errors about an invalid URL.
const INVALID_URL: &str = "postgres://…";

/// Parameters that tokio-postgres parses.
const DRIVER_PARAMETERS: &[&str] = &[
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

/// Parameters that this crate parses.
const OWN_PARAMETERS: &[&str] = &["passfile", "schema", "sslcert", "sslkey", "sslmode", "sslrootcert"];

/// The bytes to percent-encode in the name of a user or a database.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Returns the URL without its password, so that it can be logged: `postgres://user@host:port/database`.
///
/// The parameters are removed as well. An invalid URL becomes `postgres://…`, because its password can be
/// anywhere in it.
#[must_use]
pub fn redact_url(url: &str) -> String {
    Target::parse(url).map_or_else(|_| INVALID_URL.to_owned(), |target| target.location)
}

/// A parsed URL.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) config: Config,
    pub(crate) tls: TlsOptions,
    pub(crate) schema: Option<String>,
    pub(crate) passfile: Option<PathBuf>,
    /// Whether the URL contains `target_session_attrs`.
    pub(crate) has_target_session_attrs: bool,
    /// The location in errors and logs.
    pub(crate) location: String,
}

impl Target {
    /// Parses a URL. Reads neither files nor environment variables.
    pub(crate) fn parse(url: &str) -> Result<Self, StoreError> {
        parse(url).map_err(|reason| StoreError::OpenFailed {
            location: INVALID_URL.to_owned(),
            reason,
            source: None,
        })
    }
}

/// The two parts of a URL, still percent-encoded.
struct Parts<'a> {
    /// Everything between `postgres://` and `?`.
    address: &'a str,
    query: &'a str,
}

fn split(url: &str) -> Result<Parts<'_>, String> {
    let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
    let rest = rest.ok_or("invalid URL: expected postgres://user:password@host:port/database")?;
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let authority = address.split('/').next().unwrap_or_default();
    // Any other @ belongs to a password that was not encoded.
    if rest.matches('@').count() > authority.matches('@').count().min(1) {
        return Err("invalid URL: unexpected @; in a user name, password or parameter \
                    write the characters @ : / ? # & % as %40 %3A %2F %3F %23 %26 %25"
            .to_owned());
    }
    Ok(Parts { address, query })
}

fn parse(url: &str) -> Result<Target, String> {
    let Parts { address, query } = split(url)?;
    let mut driver_query = String::new();
    let mut own = OwnParameters::default();
    let has = |name: &str| parameters(query).any(|parameter| parameter.is_ok_and(|(key, _)| key == name));
    for parameter in parameters(query) {
        let (key, value) = parameter?;
        if let Some(key) = OWN_PARAMETERS.iter().find(|known| **known == key) {
            let decoded = percent_decode_str(value).decode_utf8();
            let decoded = decoded.map_err(|_| format!("invalid URL: the parameter {key} is not UTF-8"))?;
            own.set(key, &decoded)?;
        } else if DRIVER_PARAMETERS.contains(&key) {
            let separator = if driver_query.is_empty() { '?' } else { '&' };
            let _ = write!(driver_query, "{separator}{key}={value}");
        } else {
            return Err(unknown_parameter(key, address.contains('@') && !query.contains("password")));
        }
    }
    let parsed = format!("postgres://{address}{driver_query}").parse::<Config>();
    // The library's error contains no more of the URL than the name of a parameter.
    let mut config = parsed.map_err(|err| match std::error::Error::source(&err) {
        Some(source) => {
            format!("invalid URL: {source}; percent-encode special characters in names and passwords")
        }
        None => "invalid URL".to_owned(),
    })?;
    set_defaults(&mut config, &has);
    let tls = own.tls(&config)?;
    config.ssl_mode(match tls.mode {
        TlsMode::Disable => SslMode::Disable,
        TlsMode::Prefer => SslMode::Prefer,
        TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
    });
    Ok(Target {
        location: location(&config),
        tls,
        schema: own.schema,
        passfile: own.passfile,
        has_target_session_attrs: has("target_session_attrs"),
        config,
    })
}

fn parameters(query: &str) -> impl Iterator<Item = Result<(&str, &str), String>> {
    query.split('&').filter(|parameter| !parameter.is_empty()).map(|parameter| {
        parameter.split_once('=').ok_or_else(|| "invalid URL: a parameter has no value".to_owned())
    })
}

/// Returns the error for an unknown parameter. It contains the name only if that cannot be the end of a
/// password.
fn unknown_parameter(name: &str, is_safe_to_show: bool) -> String {
    let known: Vec<&str> = OWN_PARAMETERS.iter().chain(DRIVER_PARAMETERS).copied().collect();
    let name = if is_safe_to_show { format!(" {}", name.escape_debug()) } else { String::new() };
    format!("invalid URL: unknown parameter{name}; expected one of {}", known.join(", "))
}

/// Sets the host that libpq uses by default, and timeouts that detect a lost connection.
fn set_defaults(config: &mut Config, has: &dyn Fn(&str) -> bool) {
    const SOCKET_DIRECTORY: &str = "/var/run/postgresql";
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        if cfg!(unix) && Path::new(SOCKET_DIRECTORY).is_dir() {
            config.host(SOCKET_DIRECTORY);
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

/// The values of [`OWN_PARAMETERS`].
#[derive(Default)]
struct OwnParameters {
    sslmode: Option<String>,
    sslrootcert: Option<String>,
    sslcert: Option<PathBuf>,
    sslkey: Option<PathBuf>,
    passfile: Option<PathBuf>,
    schema: Option<String>,
}

impl OwnParameters {
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "sslmode" => self.sslmode = Some(value.to_owned()),
            "sslrootcert" => self.sslrootcert = Some(value.to_owned()),
            "sslcert" => self.sslcert = Some(value.into()),
            "sslkey" => self.sslkey = Some(value.into()),
            "passfile" => self.passfile = Some(value.into()),
            "schema" => self.schema = Some(value.to_owned()),
            _ => return Err("invalid URL: unknown parameter".to_owned()),
        }
        Ok(())
    }

    /// Interprets the TLS parameters in the way of libpq.
    fn tls(&self, config: &Config) -> Result<TlsOptions, String> {
        let roots = match self.sslrootcert.as_deref() {
            None => None,
            Some("system") => Some(Roots::System),
            Some(path) => Some(Roots::File(path.into())),
        };
        let default = if roots == Some(Roots::System) { "verify-full" } else { "prefer" };
        let mode = match self.sslmode.as_deref().unwrap_or(default) {
            "disable" => TlsMode::Disable,
            "prefer" => TlsMode::Prefer,
            // For compatibility with old configurations, libpq treats it as verify-ca if there is a root.
            "require" if roots.is_some() => TlsMode::VerifyCa,
            "require" => TlsMode::Require,
            "verify-ca" => TlsMode::VerifyCa,
            "verify-full" => TlsMode::VerifyFull,
            _ => {
                return Err(
                    "invalid sslmode: expected disable, prefer, require, verify-ca or verify-full".to_owned()
                );
            }
        };
        match (mode, &roots) {
            // Anyone can get a certificate of a public authority, so the name must be verified.
            (TlsMode::Prefer | TlsMode::Require | TlsMode::VerifyCa, Some(Roots::System)) => {
                return Err("sslrootcert=system requires sslmode=verify-full".to_owned());
            }
            (TlsMode::VerifyCa, None) => {
                return Err("sslmode=verify-ca requires the certificate of the authority: sslrootcert=PATH"
                    .to_owned());
            }
            _ => {}
        }
        let client = match (&self.sslcert, &self.sslkey) {
            (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
            (None, None) => None,
            _ => return Err("sslcert and sslkey must be used together".to_owned()),
        };
        // Like libpq, do not use TLS over a Unix socket.
        let is_local = config.get_hosts().iter().all(is_socket) && config.get_hostaddrs().is_empty();
        Ok(TlsOptions {
            mode: if is_local { TlsMode::Disable } else { mode },
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
        let _ = write!(location, "{}@", utf8_percent_encode(user, ENCODED));
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
        let _ = write!(location, "/{}", utf8_percent_encode(database, ENCODED));
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

/// Selects a server that accepts writes, if the URL contains several.
pub(crate) fn prefer_writable(config: &mut Config) {
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRETS: [&str; 8] =
        ["xq7", "xq7%32", "xq7/xq8?xq9#zq7", "xq7@xq8", "xq7:xq8:xq9", "71/72", "xq7&xq8=xq9", "xq7=xq8@xq9"];

    /// Returns everything that is printed about a URL.
    fn printed(url: &str) -> String {
        match Target::parse(url) {
            Ok(target) => format!("{} {target:?} {}", target.location, redact_url(url)),
            Err(err) => format!("{err} {err:?} {}", redact_url(url)),
        }
    }

    #[test]
    fn location_contains_user_hosts_and_database() {
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
    fn password_of_an_invalid_url_is_never_printed() {
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
                // These are valid URLs with another meaning: a part of the password is a port or a host.
                if ["postgres://u:71/72", "postgres://u:xq7@xq8", "postgres://u:xq7=xq8@xq9"].contains(&&*url)
                {
                    continue;
                }
                let printed = printed(&url);
                for part in [secret].into_iter().chain(secret.split(['/', '?', '#', '@', ':', '&', '='])) {
                    if part.len() > 1 {
                        assert!(!printed.contains(part), "{url} printed {part}: {printed}");
                    }
                }
            }
        }
    }

    #[test]
    fn unknown_parameter_is_printed_only_if_it_cannot_be_a_secret() {
        assert!(printed("postgres://u:p@h/d?shcema=x").contains("shcema"));
        assert!(!printed("postgres://h/d?password=se&cret=1").contains("cret"));
    }

    #[test]
    fn tls_modes_match_libpq() {
        let mode =
            |query: &str| Target::parse(&format!("postgres://u@h/d{query}")).map(|target| target.tls.mode);
        assert_eq!(mode("").unwrap(), TlsMode::Prefer);
        assert_eq!(mode("?sslmode=disable").unwrap(), TlsMode::Disable);
        assert_eq!(mode("?sslmode=prefer").unwrap(), TlsMode::Prefer);
        assert_eq!(mode("?sslmode=require").unwrap(), TlsMode::Require);
        assert_eq!(mode("?sslmode=require&sslrootcert=/x").unwrap(), TlsMode::VerifyCa);
        assert_eq!(mode("?sslmode=verify-ca&sslrootcert=/x").unwrap(), TlsMode::VerifyCa);
        assert_eq!(mode("?sslmode=verify-full").unwrap(), TlsMode::VerifyFull);
        assert_eq!(mode("?sslrootcert=system").unwrap(), TlsMode::VerifyFull);
        for invalid in [
            "?sslmode=allow",
            "?sslmode=verify-ca",
            "?sslmode=require&sslrootcert=system",
            "?sslmode=prefer&sslrootcert=system",
            "?sslmode=verify-full&sslcert=/x",
        ] {
            assert!(mode(invalid).is_err(), "{invalid}");
        }
        let local = Target::parse("postgres://u@%2Ftmp/d?sslmode=verify-full").unwrap();
        assert_eq!(local.tls.mode, TlsMode::Disable, "no TLS over a Unix socket");
    }
}
