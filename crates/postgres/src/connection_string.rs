//! Connection strings in the forms that libpq has.
//!
//! The driver knows fewer parameters than libpq and has no notion of verified TLS, so strings are
//! read here and handed to the driver piecemeal.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use tokio_postgres::config::{SslMode, SslNegotiation};

use crate::{
    endpoint::Endpoint,
    settings::{Settings, SettingsError},
};

/// How much of the server's certificate is checked (libpq's `sslmode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verify {
    /// Nothing: TLS protects from listeners only.
    Nothing,
    /// That it is signed by a trusted authority.
    Authority,
    /// That, and the host's name.
    Full,
}

/// What the connection string says of TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TlsSettings {
    pub(crate) verify: Verify,
    /// PEM file of trusted authorities; `None`: those of the operating system.
    pub(crate) roots: Option<PathBuf>,
    /// PEM files of the client's certificate and its key.
    pub(crate) client: Option<(PathBuf, PathBuf)>,
    /// TLS from the first byte on (PostgreSQL 17).
    pub(crate) direct: bool,
}

/// A connection string, understood.
#[derive(Debug)]
pub(crate) struct Target {
    /// All but the hosts.
    pub(crate) config: tokio_postgres::Config,
    /// The hosts, in the order in which they are to be tried.
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) tls: TlsSettings,
}

/// Parameters of libpq that change nothing here.
const IGNORED: &[&str] = &[
    "client_encoding",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "krbsrvname",
    "replication",
    "sslcompression",
    "sslsni",
];

impl Target {
    /// Reads the URL and fills in what it leaves open.
    pub(crate) fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let mut parameters = parse(settings.url.trim())?;
        for name in IGNORED {
            parameters.remove(*name);
        }
        let fallback_name = parameters.remove("fallback_application_name");
        parameters
            .entry("application_name".into())
            .or_insert_with(|| fallback_name.unwrap_or_else(|| settings.application_name.clone()));
        rename(&mut parameters, "keepalives_count", "keepalives_retries");
        for (name, value) in [
            ("keepalives_idle", "60"),
            ("keepalives_interval", "10"),
            ("keepalives_retries", "3"),
            ("tcp_user_timeout", "30"),
        ] {
            parameters.entry(name.into()).or_insert_with(|| value.into());
        }
        if let Some(value) = parameters.get_mut("target_session_attrs") {
            let known = match value.as_str() {
                "primary" => "read-write",
                "standby" => "read-only",
                "prefer-standby" => "any",
                other => other,
            };
            *value = known.to_owned();
        }

        let (mode, verify) = ssl_mode(&mut parameters)?;
        let roots = parameters.remove("sslrootcert").filter(|path| path != "system");
        let client = match (parameters.remove("sslcert"), parameters.remove("sslkey")) {
            (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
            (None, None) => None,
            _ => {
                return Err(SettingsError::Url("sslcert and sslkey belong together".into()));
            }
        };
        let has_connect_timeout = parameters.contains_key("connect_timeout");

        let places: BTreeMap<_, _> = ["host", "hostaddr", "port"]
            .map(|name| parameters.remove_entry(name))
            .into_iter()
            .flatten()
            .collect();
        let mut config: tokio_postgres::Config = driver_config(&parameters)?;
        let endpoints = endpoints(driver_config(&places)?)?;
        let only_sockets = endpoints.iter().all(|at| matches!(at, Endpoint::Unix(..)));
        config.ssl_mode(if only_sockets { SslMode::Disable } else { mode });
        if !has_connect_timeout {
            config.connect_timeout(settings.connect_timeout.max(Duration::from_millis(1)));
        }
        let tls = TlsSettings {
            verify,
            roots: roots.map(PathBuf::from),
            client,
            direct: config.get_ssl_negotiation() == SslNegotiation::Direct,
        };
        Ok(Self { config, endpoints, tls })
    }
}

fn driver_config(
    parameters: &BTreeMap<String, String>,
) -> Result<tokio_postgres::Config, SettingsError> {
    to_key_values(parameters).parse().map_err(|error| describe(&error))
}

/// The endpoints of a configuration that has nothing but hosts, addresses and ports.
fn endpoints(mut config: tokio_postgres::Config) -> Result<Vec<Endpoint>, SettingsError> {
    if config.get_hosts().is_empty() {
        if config.get_hostaddrs().is_empty() {
            config.host(default_host(config.get_ports().first().copied()));
        } else {
            // TLS wants a name even if it is never looked up.
            for address in config.get_hostaddrs().to_vec() {
                config.host(address.to_string());
            }
        }
    }
    let hosts = config.get_hosts().len();
    if ![0, hosts].contains(&config.get_hostaddrs().len()) {
        return Err(SettingsError::Url("it has not as many addresses as hosts".into()));
    }
    if config.get_ports().len() > 1 && config.get_ports().len() != hosts {
        return Err(SettingsError::Url("it has not as many ports as hosts".into()));
    }
    Ok(Endpoint::all(&config))
}

fn rename(parameters: &mut BTreeMap<String, String>, from: &str, to: &str) {
    if let Some(value) = parameters.remove(from) {
        parameters.insert(to.to_owned(), value);
    }
}

/// Takes `sslmode` (and JDBC's `ssl=true`) out of the parameters.
fn ssl_mode(parameters: &mut BTreeMap<String, String>) -> Result<(SslMode, Verify), SettingsError> {
    let alias = parameters.remove("ssl").filter(|value| value == "true");
    let mode = parameters.remove("sslmode").or(alias.map(|_| "require".to_owned()));
    Ok(match mode.as_deref() {
        Some("disable") => (SslMode::Disable, Verify::Nothing),
        None | Some("" | "allow" | "prefer") => (SslMode::Prefer, Verify::Nothing),
        // As in libpq: a given authority is checked even if nobody asked for it.
        Some("require") if parameters.contains_key("sslrootcert") => {
            (SslMode::Require, Verify::Authority)
        }
        Some("require") => (SslMode::Require, Verify::Nothing),
        Some("verify-ca") => (SslMode::Require, Verify::Authority),
        Some("verify-full") => (SslMode::Require, Verify::Full),
        Some(other) => {
            return Err(SettingsError::InvalidParameter {
                name: "sslmode",
                value: other.to_owned(),
                expected: "it is disable, allow, prefer, require, verify-ca or verify-full",
            });
        }
    })
}

/// Where a server on this machine listens if nothing is said: its usual socket, else TCP.
fn default_host(port: Option<u16>) -> String {
    let socket = format!(".s.PGSQL.{}", port.unwrap_or(5432));
    ["/var/run/postgresql", "/tmp"]
        .into_iter()
        .find(|directory| std::path::Path::new(directory).join(&socket).exists())
        .unwrap_or("localhost")
        .to_owned()
}

/// The driver's complaint in our words, without values.
fn describe(error: &tokio_postgres::Error) -> SettingsError {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    match cause.strip_prefix("unknown option `").and_then(|rest| rest.strip_suffix('`')) {
        Some(name) => SettingsError::UnknownParameter(name.to_owned()),
        None => SettingsError::Url(cause),
    }
}

fn to_key_values(parameters: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (name, value) in parameters {
        let value = value.replace('\\', "\\\\").replace('\'', "\\'");
        text.push_str(&format!("{name}='{value}' "));
    }
    text
}

fn parse(text: &str) -> Result<BTreeMap<String, String>, SettingsError> {
    for scheme in ["postgres://", "postgresql://"] {
        if let Some(rest) = text.strip_prefix(scheme) {
            return parse_url(rest);
        }
    }
    match text.split_once("://") {
        Some((scheme, _)) if scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+') => {
            Err(SettingsError::Url(format!("its scheme is `{scheme}`, not `postgres`")))
        }
        _ => parse_key_values(text),
    }
}

/// `[user[:password]@][host[:port]][,…][/dbname][?name=value[&…]]`
fn parse_url(rest: &str) -> Result<BTreeMap<String, String>, SettingsError> {
    let mut parameters = BTreeMap::new();
    let mut authority_end = rest.find('/').unwrap_or(rest.len());
    if let Some(question) = rest[..authority_end].find('?')
        && (rest[..question].contains('@') || !rest[..authority_end].contains('@'))
    {
        authority_end = question;
    }
    let (authority, rest) = rest.split_at(authority_end);

    let hosts = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => {
            let (user, password) = match credentials.split_once(':') {
                Some((user, password)) => (user, Some(password)),
                None => (credentials, None),
            };
            if !user.is_empty() {
                parameters.insert("user".into(), percent_decode(user)?);
            }
            if let Some(password) = password.filter(|password| !password.is_empty()) {
                parameters.insert("password".into(), percent_decode(password)?);
            }
            hosts
        }
        None => authority,
    };
    if !hosts.is_empty() {
        let (mut names, mut ports) = (Vec::new(), Vec::new());
        for host in hosts.split(',') {
            let (name, port) = split_port(host)?;
            names.push(percent_decode(name)?);
            ports.push(percent_decode(port)?);
        }
        if names.iter().any(|name| !name.is_empty()) {
            parameters.insert("host".into(), names.join(","));
        }
        if ports.iter().any(|port| !port.is_empty()) {
            parameters.insert("port".into(), ports.join(","));
        }
    }

    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if let Some(name) = path.strip_prefix('/').filter(|name| !name.is_empty()) {
        parameters.insert("dbname".into(), percent_decode(name)?);
    }
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or_else(|| {
            SettingsError::Url("a parameter after `?` has no `=` and value".into())
        })?;
        parameters.insert(percent_decode(name)?, percent_decode(value)?);
    }
    Ok(parameters)
}

/// Splits `host:port`, `[::1]:port`.
fn split_port(host: &str) -> Result<(&str, &str), SettingsError> {
    let Some(bracketed) = host.strip_prefix('[') else {
        return Ok(host.split_once(':').unwrap_or((host, "")));
    };
    let (address, rest) = bracketed
        .split_once(']')
        .ok_or_else(|| SettingsError::Url("a `[` in the host has no `]`".into()))?;
    match rest.strip_prefix(':') {
        Some(port) => Ok((address, port)),
        None if rest.is_empty() => Ok((address, "")),
        None => Err(SettingsError::Url("only a port may follow `]`".into())),
    }
}

fn percent_decode(text: &str) -> Result<String, SettingsError> {
    let malformed = || SettingsError::Url("a `%` is not followed by two hexadecimal digits".into());
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || {
            let digit = bytes.next().and_then(|byte| char::from(byte).to_digit(16));
            digit.and_then(|digit| u8::try_from(digit).ok()).ok_or_else(malformed)
        };
        let byte = digit()? * 16 + digit()?;
        if byte == 0 {
            return Err(SettingsError::Url("it contains `%00`".into()));
        }
        decoded.push(byte);
    }
    String::from_utf8(decoded).map_err(|_| SettingsError::Url("it is not UTF-8".into()))
}

/// `name = value name = 'quoted \'value\''`
fn parse_key_values(text: &str) -> Result<BTreeMap<String, String>, SettingsError> {
    let mut parameters = BTreeMap::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=').ok_or_else(|| {
            SettingsError::Url("it is neither a postgres:// URL nor `name=value` pairs".into())
        })?;
        let after = after.trim_start();
        let quoted = after.starts_with('\'');
        let mut value = String::new();
        let mut end = after.len();
        let mut closed = !quoted;
        let mut characters = after.char_indices().skip(usize::from(quoted));
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
                '\'' if quoted => {
                    end = at + 1;
                    closed = true;
                    break;
                }
                space if !quoted && space.is_whitespace() => {
                    end = at;
                    break;
                }
                other => value.push(other),
            }
        }
        if !closed {
            return Err(SettingsError::Url("a quoted value has no end".into()));
        }
        parameters.insert(name.trim().to_owned(), value);
        rest = after[end..].trim_start();
    }
    Ok(parameters)
}

#[cfg(test)]
#[path = "connection_string_tests.rs"]
mod tests;
