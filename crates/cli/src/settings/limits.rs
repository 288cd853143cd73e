//! Limits of connections and load, with those that follow from the machine and from other settings.

use artesian_server::{ForwardedHeader, LimitsConfig, RateLimit, ServerConfig};

use super::{Resolver, Settings, SettingsError, SourceSettings};

/// Files that are neither connections of clients nor of the database: listener, logs, timers, change
/// feeds, files of SQLite.
const OTHER_FILES: usize = 64;

/// The limits as they were set. What is 0 and has a default of its own is filled in by [`derive`].
pub fn limits(from: &Resolver) -> Result<LimitsConfig, SettingsError> {
    Ok(LimitsConfig {
        trusted_proxies: from.networks("trusted-proxies")?,
        forwarded_header: match from.word("forwarded-header")?.as_str() {
            "forwarded" => ForwardedHeader::Forwarded,
            _ => ForwardedHeader::XForwardedFor,
        },
        max_connections: from.number("max-connections")?,
        max_sockets: from.number("max-sockets")?,
        max_sockets_per_ip: from.number("max-sockets-per-ip")?,
        max_sockets_per_identity: from.number("max-sockets-per-identity")?,
        operations_per_identity: from.number("operations-per-identity")?,
        request_rate_per_identity: rate(
            from,
            "request-rate-per-identity",
            "request-burst-per-identity",
        )?,
        max_pending_sockets: from.number("max-pending-sockets")?,
        connect_rate_per_ip: rate(from, "connect-rate-per-ip", "connect-burst-per-ip")?,
        legacy_ack_delay: from.time("legacy-ack-delay")?,
        max_preparations: from.number("max-preparations")?,
        max_executions: from.number("max-executions")?,
        max_waiting: from.number("max-waiting")?,
        event_buffer_bytes: from.number("event-buffer-bytes")?,
        message_rate: rate(from, "websocket-message-rate", "websocket-message-burst")?,
        byte_rate: rate(from, "websocket-byte-rate", "websocket-byte-burst")?,
        idle_timeout: from.time("websocket-idle-timeout")?,
        max_age: from.time("websocket-max-age")?,
        http_idle_timeout: from.time("http-idle-timeout")?,
    })
}

fn rate(
    from: &Resolver,
    per_second: &'static str,
    burst: &'static str,
) -> Result<RateLimit, SettingsError> {
    Ok(RateLimit { per_second: from.number_u32(per_second)?, burst: from.number_u32(burst)? })
}

/// The server's settings, with limits that follow from the machine.
pub fn filled_in(settings: &Settings) -> ServerConfig {
    let mut config = settings.server.clone();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let (source, live) = (&settings.source, &settings.live);
    derive(&mut config.limits, open_files(), processors, source, live);
    tracing::debug!(limits = ?config.limits, "limits of connections and load");
    config
}

/// How many files this process may open. The soft limit, which is low for the sake of programs that
/// use `select`, is raised to the hard one first.
fn open_files() -> usize {
    let files = rlimit::increase_nofile_limit(u64::MAX).unwrap_or_else(|error| {
        tracing::warn!(%error, "the limit of open files cannot be read");
        1024
    });
    if files < 4096 {
        tracing::warn!(
            files,
            "this process may open few files, so it takes few connections: raise LimitNOFILE, or \
             ulimit -n"
        );
    }
    usize::try_from(files).unwrap_or(usize::MAX)
}

/// Fills in what follows from the number of files that the process may open, from the number of
/// processors and from the database's connections.
fn derive(
    limits: &mut LimitsConfig,
    files: usize,
    processors: usize,
    source: &SourceSettings,
    live: &artesian_live::Config,
) {
    if limits.max_connections == 0 {
        // Nothing is left of a few files; then one of a hundred connections is better than none.
        let rest = files.saturating_sub(source.connections + OTHER_FILES);
        limits.max_connections = rest.max(files / 4).max(1);
    }
    if limits.max_sockets == 0 {
        limits.max_sockets = limits.max_connections.div_ceil(16) * 15;
        limits.max_sockets = limits.max_sockets.clamp(1, limits.max_connections);
    }
    if limits.max_preparations == 0 {
        limits.max_preparations = (processors / 2).max(1);
    }
    if limits.max_executions == 0 {
        // One is for readiness and for changes of the schema.
        limits.max_executions = source.connections.saturating_sub(live.connections + 1).max(1);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::{Environment, Flags};
    use super::*;

    fn derived(given: &[(&'static str, &str)], files: usize) -> LimitsConfig {
        let flags: Flags = given.iter().map(|(k, v)| (*k, vec![(*v).to_owned()])).collect();
        let environment: Environment = std::iter::empty().collect();
        let settings = Settings::resolve(&Resolver::new(
            flags,
            environment,
            super::super::file::File::default(),
        ))
        .unwrap();
        let mut limits = settings.server.limits;
        derive(&mut limits, files, 8, &settings.source, &settings.live);
        limits
    }

    #[test]
    fn zero_follows_from_the_machine_and_the_database() {
        let limits = derived(&[], 20_000);
        assert_eq!(limits.max_connections, 20_000 - 50 - 64);
        assert_eq!(limits.max_sockets, 18_645);
        assert!(limits.max_connections - limits.max_sockets > 1000);
        assert_eq!((limits.max_preparations, limits.max_executions), (4, 45));
    }

    #[test]
    fn few_files_and_few_connections_still_serve() {
        let limits = derived(&[("connections", "2")], 100);
        assert_eq!((limits.max_connections, limits.max_executions), (34, 1));
        let limits = derived(&[], 64);
        assert_eq!((limits.max_connections, limits.max_sockets), (16, 15));
        let limits = derived(&[], 1);
        assert_eq!((limits.max_connections, limits.max_sockets), (1, 1));
    }

    #[test]
    fn what_was_set_counts() {
        let limits = derived(
            &[
                ("max-connections", "7"),
                ("max-sockets", "6"),
                ("max-preparations", "5"),
                ("max-executions", "4"),
                ("trusted-proxies", "10.0.0.0/8, ::1"),
                ("connect-rate-per-ip", "3"),
                ("operations-per-identity", "9"),
                ("request-burst-per-identity", "8"),
            ],
            20_000,
        );
        assert_eq!(
            [
                limits.max_connections,
                limits.max_sockets,
                limits.max_preparations,
                limits.max_executions
            ],
            [7, 6, 5, 4]
        );
        let proxies: Vec<_> = limits.trusted_proxies.iter().map(ToString::to_string).collect();
        assert_eq!(proxies, ["10.0.0.0/8", "::1/128"]);
        assert_eq!(limits.connect_rate_per_ip, RateLimit { per_second: 3, burst: 100 });
        assert_eq!(limits.operations_per_identity, 9);
        assert_eq!(limits.request_rate_per_identity, RateLimit { per_second: 0, burst: 8 });
    }
}
