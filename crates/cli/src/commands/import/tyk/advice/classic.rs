//! Classic definitions.

use super::{
    super::super::report::Verdict::{Idle, Missing},
    Advice,
};

const NAMES: &str = "a name of Tyk's own";
const STORE: &str = "it is about Tyk's store, and Artesian has none";
const RECORDS: &str =
    "traffic is not recorded; what is counted is in `/metrics` (docs/operations.md)";
const PATHS: &str = "GraphQL has one path: rules for paths have nothing to hold on to. Do it in a proxy in \
                     front, or in the service";
const PLUGIN: &str = "no code runs in the gateway: put it into a service, or a proxy in front. Code that \
                      says who a client is becomes a webhook (`auth.webhook`)";
const TLS_IN: &str = "TLS is ended by a proxy in front";
const TLS_OUT: &str = "services over https are checked with the built-in roots and `graphql.tls.ca` of the \
                       source; nothing else of TLS can be set";
const PROXY: &str = "put a load balancer in front of the service and its URL into `graphql.url`";
const WAYS: &str = "it belongs to a way of authentication that is off here, or is covered above";
const ANSWERS: &str =
    "answers are GraphQL's: their words and statuses are those of docs/protocols.md";

/// What to do about fields of a classic definition.
pub const ADVICE: &[Advice] = &[
    ("id", Idle, NAMES),
    ("_id", Idle, NAMES),
    ("api_id", Idle, NAMES),
    ("org_id", Idle, NAMES),
    ("slug", Idle, NAMES),
    ("name", Idle, NAMES),
    ("is_oas", Idle, NAMES),
    ("tags", Idle, "tags choose gateways of a cluster: run one Artesian for each"),
    ("tags_disabled", Idle, "tags choose gateways of a cluster: run one Artesian for each"),
    ("expiration", Missing, "definitions do not expire: take the source away when it is time"),
    ("listen_port", Missing, "there is one port: `server.listen`"),
    ("protocol", Missing, "http is spoken; TLS is ended by a proxy in front"),
    (
        "enable_proxy_protocol",
        Missing,
        "the PROXY protocol is not read: name your proxies in \
      `server.trusted_proxies`, whose `X-Forwarded-For` is believed",
    ),
    ("json_rpc_version", Missing, "JSON-RPC is not spoken"),
    ("application_protocol", Missing, "only GraphQL is spoken"),
    (
        "domain",
        Missing,
        "every host is answered: choose by host in a proxy in front, or run one Artesian \
      for each",
    ),
    ("domain_disabled", Idle, "every host is answered"),
    ("certificates", Missing, TLS_IN),
    (
        "client_certificates",
        Missing,
        "certificates of clients are not asked for: end TLS in a proxy in \
      front that checks them",
    ),
    (
        "upstream_certificates",
        Missing,
        "services are not shown a certificate: put a proxy beside them \
      that is",
    ),
    ("upstream_certificates_disabled", Idle, TLS_OUT),
    (
        "pinned_public_keys",
        Missing,
        "keys are not pinned: give the service's own authority in \
      `graphql.tls.ca`, or put a proxy beside it",
    ),
    ("certificate_pinning_disabled", Idle, TLS_OUT),
    ("auth", Idle, WAYS),
    ("auth_configs", Idle, WAYS),
    ("basic_auth", Idle, WAYS),
    ("oauth_meta", Idle, WAYS),
    ("openid_options", Idle, WAYS),
    ("external_oauth", Idle, WAYS),
    ("jwt_signing_method", Idle, WAYS),
    ("jwt_source", Idle, WAYS),
    ("jwt_jwks_uris", Idle, WAYS),
    ("jwt_identity_base_field", Idle, WAYS),
    (
        "jwt_client_base_field",
        Missing,
        "clients are not told apart by a second claim: take it into \
      `claims_map` as a session variable",
    ),
    (
        "jwt_policy_field_name",
        Missing,
        "policies are roles here: let `x-hasura-allowed-roles` and \
      `x-hasura-default-role` of `claims_map` read the claim, and give roles what they may see \
      (`graphql.permissions`)",
    ),
    (
        "jwt_default_policies",
        Missing,
        "every token has the one role that `claims_map` gives it; what it \
      may see is `graphql.permissions` of the sources",
    ),
    (
        "jwt_scope_to_policy_mapping",
        Missing,
        "scopes are not turned into roles: let the token have a \
      claim with roles, and map it (`claims_map`), or write a webhook",
    ),
    (
        "jwt_scope_claim_name",
        Missing,
        "scopes are not turned into roles: let the token have a claim with \
      roles, and map it (`claims_map`), or write a webhook",
    ),
    (
        "scopes",
        Missing,
        "scopes are not turned into roles: let the token have a claim with roles, and \
      map it (`claims_map`), or write a webhook",
    ),
    ("jwt_skip_kid", Idle, "a token without `kid` is tried with every key of its algorithm"),
    ("idp_client_id_mapping_disabled", Idle, STORE),
    ("base_identity_provided_by", Idle, "one way of authentication counts"),
    ("security_requirements", Idle, "one way of authentication counts"),
    ("security_requirement_scopes", Idle, "one way of authentication counts"),
    ("hmac_allowed_clock_skew", Idle, WAYS),
    ("hmac_allowed_algorithms", Idle, WAYS),
    (
        "request_signing",
        Missing,
        "requests to services are not signed: put a proxy beside the service",
    ),
    ("auth_provider", Idle, STORE),
    ("session_provider", Idle, STORE),
    ("session_lifetime", Idle, STORE),
    ("session_lifetime_respects_key_expiration", Idle, STORE),
    ("dont_set_quota_on_create", Idle, STORE),
    ("disable_rate_limit", Idle, "there is no limit by identity unless it is set (docs/limits.md)"),
    ("disable_quota", Idle, "there are no quotas"),
    ("global_rate_limit", Idle, "there is no limit by identity unless it is set (docs/limits.md)"),
    ("notifications", Idle, WAYS),
    (
        "event_handlers",
        Missing,
        "events of the gateway are log lines and metrics (docs/operations.md)",
    ),
    (
        "uptime_tests",
        Missing,
        "services are not probed: one that fails is left alone for a while \
      (`graphql.circuit`), and /metrics says so",
    ),
    ("custom_middleware", Missing, PLUGIN),
    ("custom_middleware_bundle", Missing, PLUGIN),
    ("custom_middleware_bundle_disabled", Idle, PLUGIN),
    ("config_data", Missing, PLUGIN),
    ("config_data_disabled", Idle, PLUGIN),
    ("analytics_plugin", Missing, PLUGIN),
    (
        "response_processors",
        Missing,
        "answers are passed on as they are: change them in the service",
    ),
    ("cache_options", Missing, "answers are not cached; equal live operations share one result"),
    (
        "enable_batch_request_support",
        Missing,
        "Tyk's batch endpoint is not there; arrays of requests in \
      one body are (`server.max_batch_size`)",
    ),
    (
        "enable_ip_whitelisting",
        Missing,
        "addresses are not filtered: use the firewall or a proxy in front",
    ),
    ("allowed_ips", Missing, "addresses are not filtered: use the firewall or a proxy in front"),
    (
        "enable_ip_blacklisting",
        Missing,
        "addresses are not filtered: use the firewall or a proxy in front",
    ),
    (
        "blacklisted_ips",
        Missing,
        "addresses are not filtered: use the firewall or a proxy in front",
    ),
    ("ip_access_control_disabled", Idle, "addresses are not filtered"),
    ("expire_analytics_after", Idle, RECORDS),
    ("do_not_track", Idle, RECORDS),
    ("tag_headers", Missing, RECORDS),
    ("enable_detailed_recording", Missing, RECORDS),
    ("detailed_tracing", Missing, "no traces are sent; `/metrics` and logs are there"),
    ("error_overrides", Missing, ANSWERS),
    ("error_overrides_disabled", Idle, ANSWERS),
    (
        "upstream_auth.basic_auth",
        Missing,
        "write the header yourself: `graphql.headers.set` \
      `authorization: Basic …` of the source, from a variable",
    ),
    (
        "upstream_auth.oauth",
        Missing,
        "no tokens are fetched for services: put a proxy beside the service \
      that does, or pass the client's token on",
    ),
    ("upstream_auth", Missing, "write the header yourself: `graphql.headers.set` of the source"),
    (
        "proxy.preserve_host_header",
        Missing,
        "services get their own host; the client's can be sent as \
      another header: `graphql.headers.set` `x-forwarded-host: \"{{headers.host}}\"`",
    ),
    ("proxy.disable_strip_slash", Idle, "the URL is sent as it is written"),
    ("proxy.enable_load_balancing", Missing, PROXY),
    ("proxy.target_list", Missing, PROXY),
    ("proxy.check_host_against_uptime_tests", Missing, PROXY),
    ("proxy.service_discovery", Missing, PROXY),
    (
        "proxy.transport.ssl_insecure_skip_verify",
        Missing,
        "certificates of services are always checked: \
      give the authority that signed them in `graphql.tls.ca`",
    ),
    (
        "proxy.transport.proxy_url",
        Missing,
        "services are asked without a proxy between: make the URL \
      that of a proxy that passes on",
    ),
    ("proxy.transport", Missing, TLS_OUT),
    ("graphql.last_schema_update", Idle, "a time of the Dashboard's"),
    ("graphql.playground", Idle, "the console is at `/`"),
    (
        "graphql.type_field_configurations",
        Missing,
        "data sources of the first engine: move the API to \
      version 2 with Tyk and import it again",
    ),
    (
        "graphql.engine.data_sources[].internal",
        Idle,
        "which gateway an API is on makes no difference",
    ),
    ("graphql.engine", Idle, "it counts for `executionEngine` only"),
    ("graphql.proxy", Idle, "it counts for `proxyOnly` only"),
    ("graphql.subgraph", Idle, "the service itself has this schema"),
    ("graphql.supergraph.updated_at", Idle, "a time of the Dashboard's"),
    ("graphql.supergraph", Idle, "it counts for `supergraph` only"),
    (
        "definition",
        Missing,
        "there are no versions: run one Artesian for each, or give sources a prefix",
    ),
    (
        "version_data.versions.*.extended_paths.transform_headers",
        Missing,
        "write headers to \
      `graphql.headers.set` of the source; they hold for all its requests",
    ),
    (
        "version_data.versions.*.extended_paths.hard_timeouts",
        Missing,
        "write it to \
      `graphql.timeouts.request` of the source",
    ),
    (
        "version_data.versions.*.extended_paths.circuit_breakers",
        Missing,
        "every service has a circuit: \
      `graphql.circuit` (`failures`, `first`, `longest`) counts failures in a row, not a percentage",
    ),
    (
        "version_data.versions.*.extended_paths.size_limits",
        Missing,
        "write it to `server.max_body_bytes`",
    ),
    (
        "version_data.versions.*.extended_paths.rate_limit",
        Missing,
        "write it to \
      `limits.request_rate_per_identity`",
    ),
    (
        "version_data.versions.*.extended_paths.persist_graphql",
        Missing,
        "make the operation a trusted \
      document (`documents.trusted`) and let clients ask for it by its name; there is no path for it",
    ),
    ("version_data.versions.*.extended_paths.virtual", Missing, PLUGIN),
    ("version_data.versions.*.extended_paths.go_plugin", Missing, PLUGIN),
    ("version_data.versions.*.extended_paths", Missing, PATHS),
    ("version_data.versions.*.paths", Missing, PATHS),
    ("version_data.versions.*.ignore_endpoint_case", Idle, "GraphQL has one path"),
    (
        "version_data.versions.*.global_response_headers",
        Missing,
        "headers of answers cannot be set: do it \
      in a proxy in front",
    ),
    (
        "version_data.versions.*.global_response_headers_remove",
        Missing,
        "headers of answers cannot be \
      taken away: those of services are not passed on at all",
    ),
    (
        "version_data.versions.*.global_response_headers_disabled",
        Idle,
        "headers of answers cannot be set",
    ),
];
