//! Every setting, described once: flags, help, environment, configuration file and documentation
//! are all made from this table.

/// What a setting's value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// Text that is never shown.
    Secret,
    /// A JSON array of secrets.
    SecretList,
    /// JSON that holds secrets; in the file, keys with values or the JSON as text.
    SecretJson,
    /// The URL of a service; its query may hold a secret.
    ServiceUrl,
    /// A database URL; its password is never shown.
    DatabaseUrl,
    /// A file or a folder.
    Path,
    /// `host:port`.
    Address,
    /// IP addresses and networks with commas between them.
    Networks,
    /// `true` or `false`.
    Switch,
    /// A whole number.
    Number,
    /// A time; a plain number is milliseconds.
    Milliseconds,
    /// A time; a plain number is seconds.
    Seconds,
    /// Values with commas between them.
    List,
    /// One of these.
    Choice(&'static [&'static str]),
    /// Any of these, with commas between them.
    Choices(&'static [&'static str]),
}

/// Which commands take a setting as a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The database, metadata, and the schema made of them.
    Source,
    /// Live queries.
    Live,
    /// Limits of operations.
    Limits,
    /// Which documents run, and who may read the schema.
    Documents,
    /// Limits of connections and load.
    Connections,
    /// Listening, admin secrets, HTTP.
    Server,
    /// Who clients are that have no admin secret.
    Auth,
    /// WebSocket connections.
    WebSocket,
    /// Logs.
    Log,
}

impl Group {
    /// All of them, in the order in which they are documented.
    pub const ALL: [Self; 9] = [
        Self::Source,
        Self::Live,
        Self::Limits,
        Self::Documents,
        Self::Server,
        Self::Auth,
        Self::WebSocket,
        Self::Connections,
        Self::Log,
    ];

    /// The heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Source => "Database and schema",
            Self::Live => "Live queries",
            Self::Limits => "Limits of operations",
            Self::Documents => "Documents and introspection",
            Self::Connections => "Limits of connections and load",
            Self::Server => "Server",
            Self::Auth => "Authentication",
            Self::WebSocket => "WebSocket connections",
            Self::Log => "Logs",
        }
    }
}

/// A setting.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// The flag without `--`; `ARTESIAN_` and this in capitals is its environment variable.
    pub name: &'static str,
    /// More environment variables, in the order in which they are looked at.
    pub env: &'static [&'static str],
    /// Where it stands in the configuration file.
    pub file: &'static str,
    /// Its default as it would be written; empty for none.
    pub default: &'static str,
    /// What its value looks like.
    pub kind: Kind,
    /// Where it belongs.
    pub group: Group,
    /// What it does.
    pub help: &'static str,
}

impl Definition {
    /// Its own environment variable.
    pub fn own_env(&self) -> String {
        format!("ARTESIAN_{}", self.name.replace('-', "_").to_uppercase())
    }

    /// All its environment variables, in the order in which they are looked at.
    pub fn all_env(&self) -> Vec<String> {
        let others = self.env.iter().map(|name| (*name).to_owned());
        std::iter::once(self.own_env()).chain(others).collect()
    }

    /// Whether its value must not be shown.
    pub fn is_secret(&self) -> bool {
        self.says_who_clients_are() || self.kind == Kind::DatabaseUrl
    }

    /// Whether everybody may be the administrator if it is missing. Where such a setting is there and
    /// empty, somebody meant to set it.
    pub fn says_who_clients_are(&self) -> bool {
        matches!(self.kind, Kind::Secret | Kind::SecretList | Kind::SecretJson | Kind::ServiceUrl)
    }
}

/// The setting of that name.
pub fn find(name: &str) -> Option<&'static Definition> {
    ALL.iter().find(|d| d.name == name)
}

macro_rules! settings {
    ($($group:ident { $($name:literal, $kind:expr, $default:literal, $file:literal,
        [$($env:literal),*], $help:literal;)* })*) => {
        /// Every setting.
        pub const ALL: &[Definition] = &[$($(Definition {
            name: $name,
            env: &[$($env),*],
            file: $file,
            default: $default,
            kind: $kind,
            group: Group::$group,
            help: $help,
        },)*)*];
    };
}

settings! {
    Source {
        "database-url", Kind::DatabaseUrl, "", "sources[].database.url",
            ["HASURA_GRAPHQL_DATABASE_URL", "PG_DATABASE_URL"],
            "The database: postgres://user:password@host:5432/name or sqlite:path/to/file.db. Without it, the `connection_info` of the metadata counts";
        "metadata", Kind::Path, "", "sources[].metadata", ["HASURA_GRAPHQL_METADATA_DIR"],
            "Hasura metadata, version 3: a JSON export, or the folder with version.yaml. Without it, everything in the default schema is served to the administrator";
        "source-name", Kind::Text, "default", "sources[].name", [],
            "The name that the database has in the metadata";
        "changes", Kind::Choice(&["auto", "poll"]), "auto", "sources[].changes", [],
            "How changes are noticed. auto: the best way that the database offers; poll: live queries are run again at every refetch interval";
        "connections", Kind::Number, "50", "sources[].database.connections",
            ["HASURA_GRAPHQL_PG_CONNECTIONS"],
            "PostgreSQL: the most connections that are open at a time";
        "schema-interval", Kind::Seconds, "5s", "sources[].database.schema_interval", [],
            "PostgreSQL: how often to look, by one small statement, whether the schema has changed; 0: never";
        "database-connect-timeout", Kind::Seconds, "60s", "sources[].database.connect_timeout", [],
            "How long to try to reach the database at start-up before giving up";
        "statement-timeout", Kind::Milliseconds, "0", "sources[].database.statement_timeout", [],
            "How long one statement may run in the database; 0: as long as the database says (SQLite: 30 s)";
        "stringify-numeric-types", Kind::Switch, "false", "schema.stringify_numeric_types",
            ["HASURA_GRAPHQL_STRINGIFY_NUMERIC_TYPES"],
            "bigint, numeric and double precision as JSON strings, so that JavaScript does not round them";
        "infer-function-permissions", Kind::Switch, "true", "schema.infer_function_permissions",
            ["HASURA_GRAPHQL_INFER_FUNCTION_PERMISSIONS"],
            "Who may read a function's result may call it. Accepted for later: this version serves no functions as root fields";
    }
    Live {
        "live-queries-multiplexed-refetch-interval", Kind::Milliseconds, "1s",
            "live_queries.refetch_interval",
            ["HASURA_GRAPHQL_LIVE_QUERIES_MULTIPLEXED_REFETCH_INTERVAL"],
            "How often live queries are run again where changes cannot be noticed";
        "live-queries-multiplexed-batch-size", Kind::Number, "100", "live_queries.batch_size",
            ["HASURA_GRAPHQL_LIVE_QUERIES_MULTIPLEXED_BATCH_SIZE"],
            "The most live queries of the same shape that one statement runs again";
        "live-queries-connections", Kind::Number, "4", "live_queries.connections", [],
            "The most statements for live queries that run at the same time";
    }
    Limits {
        "max-depth", Kind::Number, "50", "limits.depth", [],
            "The deepest nesting of selections and of input values";
        "max-root-fields", Kind::Number, "200", "limits.root_fields", [],
            "The most root fields of an operation";
        "max-aliases", Kind::Number, "200", "limits.aliases", [],
            "The most aliases in an operation";
        "max-tokens", Kind::Number, "15000", "limits.tokens", [],
            "The most tokens in a document";
        "max-directives", Kind::Number, "20", "limits.directives", [],
            "The most directives on one field, fragment or operation";
        "plan-cache-size", Kind::Number, "4096", "limits.plan_cache_size", [],
            "How many prepared documents are kept";
        "execution-timeout", Kind::Seconds, "60s", "limits.execution_timeout", [],
            "How long a query may take";
    }
    Documents {
        "introspection", Kind::Choice(&["all", "admin", "nobody"]), "all", "documents.introspection", [],
            "Who may read the schema: every role that the metadata does not forbid it, the administrator, or nobody. `__typename` works for all";
        "federation-subgraph", Kind::Switch, "false", "documents.federation_subgraph", [],
            "Whether `query { _service { sdl } }` gives the schema, for gateways of Apollo Federation 1 such as `@mercuriusjs/gateway`. Who may not read the schema gets nothing";
        "persisted-queries", Kind::Switch, "true", "documents.persisted_queries", [],
            "Whether clients may register documents and ask for them by their hash (automatic persisted queries)";
        "persisted-queries-bytes", Kind::Number, "8388608", "documents.persisted_queries_bytes", [],
            "The most bytes of registered documents that are kept; those not used for long go first";
        "persisted-query-max-bytes", Kind::Number, "65536", "documents.persisted_query_max_bytes", [],
            "The longest document that is registered; longer ones run, but are not kept";
        "trusted-documents", Kind::Path, "", "documents.trusted", [],
            "A JSON file of documents that clients may ask for by their names: {\"name\": \"query …\"}, or the manifest of Apollo's tools";
        "trusted-documents-mode", Kind::Choice(&["prefer", "only", "off"]), "prefer",
            "documents.trusted_mode", [],
            "prefer: other documents run as well; only: nothing else runs, except for the administrator; off: the file is not used";
        "enable-allowlist", Kind::Switch, "false", "documents.allowlist",
            ["HASURA_GRAPHQL_ENABLE_ALLOWLIST"],
            "Whether only documents of the metadata's allow list run, except for the administrator. Trusted documents run as well";
    }
    Server {
        "listen", Kind::Address, "127.0.0.1:8080", "server.listen", [],
            "The address to listen on; 0.0.0.0:8080 for every interface, port 0 for a free port";
        "server-host", Kind::Text, "", "server.host", ["HASURA_GRAPHQL_SERVER_HOST"],
            "The host to listen on, if `listen` is not given (Hasura's name)";
        "server-port", Kind::Number, "", "server.port", ["HASURA_GRAPHQL_SERVER_PORT"],
            "The port to listen on, if `listen` is not given (Hasura's name)";
        "admin-secret", Kind::Secret, "", "server.admin_secret",
            ["HASURA_GRAPHQL_ADMIN_SECRET", "HASURA_GRAPHQL_ACCESS_KEY"],
            "What clients must send as X-Hasura-Admin-Secret to be the administrator. Without it, and without tokens or a webhook, every client is";
        "admin-secrets", Kind::SecretList, "", "server.admin_secrets",
            ["HASURA_GRAPHQL_ADMIN_SECRETS"],
            "Several admin secrets as a JSON array, any of which is good. `admin-secret` does not count then";
        "enable-console", Kind::Switch, "true", "server.console", ["HASURA_GRAPHQL_ENABLE_CONSOLE"],
            "Whether the console is served at /";
        "cors-domain", Kind::List, "", "server.cors_domain", ["HASURA_GRAPHQL_CORS_DOMAIN"],
            "Origins whose pages may call the server, with the user's cookies, e.g. https://app.example.com, https://*.example.com; * for all. Not given: all, but cookies count only from the server's own pages";
        "disable-cors", Kind::Switch, "false", "server.disable_cors",
            ["HASURA_GRAPHQL_DISABLE_CORS"],
            "Send no CORS headers: browsers then let only pages of the same origin read answers";
        "csrf", Kind::Choice(&["post-only", "strict", "off"]), "post-only", "server.csrf", [],
            "Which requests are refused because a page of another site could have sent them: POST only, GET as well, or none";
        "status-profile", Kind::Choice(&["hasura", "spec"]), "hasura", "server.status_profile", [],
            "HTTP statuses of GraphQL answers: as Hasura gives them (200), or as the GraphQL over HTTP draft says";
        "max-body-bytes", Kind::Number, "1048576", "server.max_body_bytes", [],
            "The longest request body";
        "max-batch-size", Kind::Number, "0", "server.max_batch_size", [],
            "The most requests in the JSON array of one body; 0: arrays are refused";
        "max-head-bytes", Kind::Number, "65536", "server.max_head_bytes", [],
            "The longest request head, headers included";
        "read-timeout", Kind::Seconds, "30s", "server.read_timeout", [],
            "How long the headers and the body of a request may each take to arrive";
        "request-timeout", Kind::Seconds, "90s", "server.request_timeout", [],
            "How long a single answer may take altogether";
        "write-timeout", Kind::Seconds, "30s", "server.write_timeout", [],
            "A connection that takes nothing for this long while something waits for it is closed";
        "sse-heartbeat", Kind::Seconds, "12s", "server.sse_heartbeat", [],
            "How often an event stream without results sends a comment";
        "sse-reservation-timeout", Kind::Seconds, "10s", "server.sse_reservation_timeout", [],
            "Single connection mode: how long a reserved event stream waits to be opened";
        "sse-max-reservations", Kind::Number, "10000", "server.sse_max_reservations", [],
            "Single connection mode: the most event streams that are reserved and not open";
        "sse-max-reservations-per-identity", Kind::Number, "1000",
            "server.sse_max_reservations_per_identity", [],
            "The same for one identity: a role with its session variables";
        "multipart-heartbeat", Kind::Seconds, "5s", "server.multipart_heartbeat", [],
            "How often a multipart response without results sends an empty part";
        "reload", Kind::Choice(&["auto", "signal", "off"]), "auto", "server.reload", [],
            "When configuration and metadata are read again without closing connections. auto: after SIGHUP, and when a file has changed; signal: after SIGHUP; off: never";
        "reload-interval", Kind::Seconds, "1s", "server.reload_interval", [],
            "How often to look whether a file has changed; it is read when it has been quiet for as long";
        "shutdown-window", Kind::Seconds, "10s", "server.shutdown_window", [],
            "Over how long sockets are closed after SIGTERM, so that clients do not come back all at once";
        "shutdown-grace", Kind::Seconds, "20s", "server.shutdown_grace",
            ["HASURA_GRAPHQL_GRACEFUL_SHUTDOWN_TIMEOUT"],
            "How long requests that are under way may take after that";
    }
    Auth {
        "jwt-secret", Kind::SecretJson, "", "auth.jwt",
            ["HASURA_GRAPHQL_JWT_SECRETS", "HASURA_GRAPHQL_JWT_SECRET"],
            "How JSON Web Tokens are verified: a JSON object as Hasura has it (`type` and `key`, or `jwk_url`), or an array of them for several issuers";
        "auth-hook", Kind::ServiceUrl, "", "auth.webhook.url", ["HASURA_GRAPHQL_AUTH_HOOK"],
            "The URL of a webhook that says who a client is. It excludes `jwt-secret`";
        "auth-hook-mode", Kind::Choice(&["GET", "POST"]), "GET", "auth.webhook.mode",
            ["HASURA_GRAPHQL_AUTH_HOOK_MODE", "HASURA_GRAPHQL_AUTH_HOOK_TYPE"],
            "How the webhook is asked: GET with the client's headers, or POST with headers and request as JSON";
        "auth-hook-send-request-body", Kind::Switch, "true", "auth.webhook.send_request_body",
            ["HASURA_GRAPHQL_AUTH_HOOK_SEND_REQUEST_BODY"],
            "Whether a webhook that is asked with POST is told the GraphQL request";
        "auth-hook-timeout", Kind::Seconds, "10s", "auth.webhook.timeout", [],
            "How long the webhook's answer may take";
        "unauthorized-role", Kind::Text, "", "auth.unauthorized_role",
            ["HASURA_GRAPHQL_UNAUTHORIZED_ROLE"],
            "The role of clients without admin secret and token. Without it they are refused";
        "ws-read-cookie", Kind::Switch, "false", "auth.ws_read_cookie",
            ["HASURA_GRAPHQL_WS_READ_COOKIE"],
            "Whether cookies of WebSocket upgrades count although `disable-cors` is on. Any page can then open a socket with the cookies of who visits it";
        "expiry-grace", Kind::Seconds, "2s", "auth.expiry_grace", [],
            "How long a socket whose credentials have expired may wait for fresh ones and finish what runs, before it is closed";
    }
    WebSocket {
        "enable-websockets", Kind::Switch, "true", "server.http_server_options.enable_websockets", [],
            "Whether WebSocket connections are accepted";
        "websocket-connection-init-timeout", Kind::Seconds, "10s", "server.websockets.init_timeout",
            ["HASURA_GRAPHQL_WEBSOCKET_CONNECTION_INIT_TIMEOUT"],
            "How long a client may take to send `connection_init`";
        "websocket-keepalive", Kind::Seconds, "15s", "server.websockets.ping_interval",
            ["HASURA_GRAPHQL_WEBSOCKET_KEEPALIVE"],
            "How often a quiet connection is asked for a sign of life";
        "websocket-ping-timeout", Kind::Seconds, "30s", "server.websockets.ping_timeout", [],
            "How long a connection may stay silent after that";
        "websocket-max-operations", Kind::Number, "100", "server.websockets.max_operations", [],
            "The most operations at a time on one connection";
        "websocket-max-message-bytes", Kind::Number, "1048576",
            "server.websockets.max_message_bytes", [],
            "The longest message of a client";
        "websocket-max-queue-bytes", Kind::Number, "4194304", "server.websockets.max_queue_bytes", [],
            "The most that waits to be written to one connection; a slow client skips results beyond it";
        "websocket-write-timeout", Kind::Seconds, "30s", "server.websockets.write_timeout", [],
            "A connection that takes nothing for this long while something waits for it is closed";
        "websocket-close-timeout", Kind::Seconds, "5s", "server.websockets.close_timeout", [],
            "How long the closing handshake may take";
        "websocket-default-subprotocol", Kind::Choice(&["none", "graphql-transport-ws", "graphql-ws"]),
            "none", "server.websockets.default_subprotocol", [],
            "What is spoken with clients that offer no subprotocol; none: they are closed with 4406. `websocket-compat` hasura makes it graphql-ws unless it is set";
        "websocket-compat", Kind::Choices(&["hasura", "mercurius", "tyk"]), "",
            "server.websockets.compat", [],
            "Whose deviations from the WebSocket protocols are imitated, for clients that depend on them";
        "websocket-compression", Kind::Switch, "false", "server.websockets.compression",
            ["HASURA_GRAPHQL_CONNECTION_COMPRESSION"],
            "Whether messages are compressed (permessage-deflate) for clients that offer it";
        "websocket-compression-threshold", Kind::Number, "1024",
            "server.websockets.compression_threshold", [],
            "Messages shorter than this many bytes are not compressed";
        "websocket-http2", Kind::Switch, "false", "server.websockets.http2", [],
            "Whether WebSocket connections are accepted over HTTP/2 too (RFC 8441)";
    }
    Connections {
        "trusted-proxies", Kind::Networks, "", "server.trusted_proxies", [],
            "Proxies that are believed who the client is: addresses and networks, e.g. 10.0.0.0/8, fd00::/8. Without any, the peer of a connection is the client";
        "forwarded-header", Kind::Choice(&["x-forwarded-for", "forwarded"]), "x-forwarded-for",
            "server.forwarded_header", [],
            "The header in which they say it. They must set or remove it; the other one is ignored";
        "accept-queue", Kind::Number, "4096", "limits.accept_queue", [],
            "How many connections may wait to be accepted; the system may allow fewer (Linux: net.core.somaxconn)";
        "max-connections", Kind::Number, "0", "limits.connections", [],
            "The most open TCP connections; 0: as many as the process may open files, less what the database and the rest need";
        "max-sockets", Kind::Number, "0", "limits.sockets", [],
            "The most open WebSockets and event streams together; 0: fifteen sixteenths of the connections, so that requests and health checks get through";
        "max-sockets-per-ip", Kind::Number, "0", "limits.sockets_per_ip", [],
            "The same for one client address (IPv6: one /64); 0: no limit";
        "max-sockets-per-identity", Kind::Number, "0", "limits.sockets_per_identity", [],
            "The same for one identity: a role with its session variables. A role without any counts by address, the role admin not at all; 0: no limit";
        "operations-per-identity", Kind::Number, "0", "limits.operations_per_identity", [],
            "The most operations of one identity that run at the same time, over all its connections; 0: no limit";
        "request-rate-per-identity", Kind::Number, "0", "limits.request_rate_per_identity", [],
            "How many operations one identity may start in a second, over all its connections; 0: no limit";
        "request-burst-per-identity", Kind::Number, "100", "limits.request_burst_per_identity", [],
            "How many of them it may start at once";
        "max-pending-sockets", Kind::Number, "20000", "limits.pending_sockets", [],
            "The most WebSockets that are not acknowledged yet; 0: no limit";
        "connect-rate-per-ip", Kind::Number, "0", "limits.connect_rate_per_ip", [],
            "How many upgrades and event streams one client address may ask for in a second; 0: no limit";
        "connect-burst-per-ip", Kind::Number, "100", "limits.connect_burst_per_ip", [],
            "How many of them it may ask for at once";
        "legacy-ack-delay", Kind::Seconds, "4s", "limits.legacy_ack_delay", [],
            "The longest delay of the acknowledgement of a legacy client that reconnects again and again; 0: none";
        "max-preparations", Kind::Number, "0", "limits.preparations", [],
            "The most requests that are parsed, validated and planned at the same time; 0: half the processors";
        "max-executions", Kind::Number, "0", "limits.executions", [],
            "The most queries and mutations that run at the same time, the others wait in a queue; 0: as many as database connections remain beside those of live queries";
        "max-waiting", Kind::Number, "10000", "limits.waiting", [],
            "The most operations that wait to be prepared, and that wait to run; 0: no limit";
        "event-buffer-bytes", Kind::Number, "1048576", "limits.event_buffer_bytes", [],
            "What may wait of one operation's events while its client reads slowly, where events may not be skipped; 0: no limit";
        "websocket-message-rate", Kind::Number, "200", "server.websockets.message_rate", [],
            "How many messages a second are read from one WebSocket; 0: no limit";
        "websocket-message-burst", Kind::Number, "1000", "server.websockets.message_burst", [],
            "How many of them at once";
        "websocket-byte-rate", Kind::Number, "4194304", "server.websockets.byte_rate", [],
            "How many bytes a second are read from one WebSocket; 0: no limit";
        "websocket-byte-burst", Kind::Number, "16777216", "server.websockets.byte_burst", [],
            "How many of them at once";
        "websocket-idle-timeout", Kind::Seconds, "0", "server.websockets.idle_timeout", [],
            "A WebSocket without any operation for this long is closed; 0: never";
        "websocket-max-age", Kind::Seconds, "0", "server.websockets.max_age", [],
            "A WebSocket that is older than this is closed, up to a tenth earlier; 0: never";
        "http-idle-timeout", Kind::Seconds, "75s", "server.http_idle_timeout", [],
            "An HTTP connection without any request for this long is closed; 0: never";
    }
    Log {
        "log-format", Kind::Choice(&["text", "json"]), "text", "log.format", [],
            "Logs for people, or one JSON object a line";
        "log-level", Kind::Text, "info", "log.level", ["ARTESIAN_LOG", "HASURA_GRAPHQL_LOG_LEVEL"],
            "error, warn, info, debug or trace; also per part: info,artesian_live=debug";
    }
}

/// Settings that are read at the start only. All others change when they are read again.
pub const NEEDS_RESTART: &[&str] = &[
    "database-url",
    "source-name",
    "changes",
    "connections",
    "schema-interval",
    "statement-timeout",
    "live-queries-multiplexed-refetch-interval",
    "live-queries-multiplexed-batch-size",
    "live-queries-connections",
    "plan-cache-size",
    "persisted-queries-bytes",
    "listen",
    "accept-queue",
    "server-host",
    "server-port",
    "reload",
    "reload-interval",
    "log-format",
];

/// Environment variables of Hasura's that name something that is nothing here, or no loss.
pub const QUIET: &[&str] = &[
    "HASURA_GRAPHQL_CONSOLE_ASSETS_DIR",
    "HASURA_GRAPHQL_CONSOLE_SENTRY_DSN",
    "HASURA_GRAPHQL_DEV_MODE",
    "HASURA_GRAPHQL_ENABLED_LOG_TYPES",
    "HASURA_GRAPHQL_ENABLE_TELEMETRY",
    "HASURA_GRAPHQL_ENABLED_APIS",
    "HASURA_GRAPHQL_EE_LICENSE_KEY",
    // Hasura's own state. There is none here.
    "HASURA_GRAPHQL_METADATA_DATABASE_URL",
    "HASURA_GRAPHQL_MIGRATIONS_DIR",
    "HASURA_GRAPHQL_MIGRATIONS_SERVER_PORT",
    "HASURA_GRAPHQL_CLI_ENVIRONMENT",
    "HASURA_GRAPHQL_ENDPOINT",
    "HASURA_GRAPHQL_UNIX_SOCKET",
];
