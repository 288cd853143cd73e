//! OAS definitions.

use super::{
    super::super::report::Verdict::{Idle, Missing},
    Advice,
};

const PATHS: &str = "GraphQL has one path: rules for paths have nothing to hold on to. Do it in a proxy in \
                     front, or in the service";
const PLUGIN: &str = "no code runs in the gateway: put it into a service, or a proxy in front. Code that \
                      says who a client is becomes a webhook (`auth.webhook`)";
const RECORDS: &str =
    "traffic is not recorded; what is counted is in `/metrics` (docs/operations.md)";
const ROLES: &str = "policies and scopes are roles here: let `x-hasura-allowed-roles` and \
                     `x-hasura-default-role` of `claims_map` read a claim, and give roles what they may \
                     see (`graphql.permissions`)";
const TLS: &str = "services over https are checked with the built-in roots and `graphql.tls.ca` of the \
                   source; nothing else of TLS can be set";
const PROXY: &str = "put a load balancer in front of the service and its URL into `graphql.url`";

/// What to do about fields of an OAS definition.
pub const ADVICE: &[Advice] = &[
    ("components", Idle, "it describes REST"),
    ("security", Idle, "ways of authentication are read from `x-tyk-api-gateway`"),
    (
        "x-tyk-streaming",
        Missing,
        "Tyk Streams are not GraphQL: topics feed fields of `Subscription` \
      (`events` with `nats`, `redis` or `kafka`)",
    ),
    ("x-tyk-api-gateway.info", Idle, "a name of Tyk's own"),
    (
        "x-tyk-api-gateway.info.versioning",
        Missing,
        "there are no versions: run one Artesian for each, or \
      give sources a prefix",
    ),
    ("x-tyk-api-gateway.info.state.internal", Missing, "the source is reached like every other"),
    ("x-tyk-api-gateway.info.expiration", Missing, "definitions do not expire"),
    ("x-tyk-api-gateway.errorOverrides", Missing, "answers are GraphQL's"),
    ("x-tyk-api-gateway.upstream.serviceDiscovery", Missing, PROXY),
    ("x-tyk-api-gateway.upstream.loadBalancing", Missing, PROXY),
    (
        "x-tyk-api-gateway.upstream.uptimeTests",
        Missing,
        "services are not probed: one that fails is left \
      alone for a while (`graphql.circuit`)",
    ),
    (
        "x-tyk-api-gateway.upstream.mutualTLS",
        Missing,
        "services are not shown a certificate: put a proxy \
      beside them that is",
    ),
    (
        "x-tyk-api-gateway.upstream.certificatePinning",
        Missing,
        "keys are not pinned: give the service's \
      own authority in `graphql.tls.ca`",
    ),
    ("x-tyk-api-gateway.upstream.tlsTransport", Missing, TLS),
    ("x-tyk-api-gateway.upstream.proxy", Missing, "services are asked without a proxy between"),
    (
        "x-tyk-api-gateway.upstream.authentication",
        Missing,
        "write the header yourself: \
      `graphql.headers.set` of the source, from a variable; tokens are not fetched for services",
    ),
    ("x-tyk-api-gateway.upstream.preserveHostHeader", Missing, "services get their own host"),
    ("x-tyk-api-gateway.upstream.preserveTrailingSlash", Idle, "the URL is sent as it is written"),
    ("x-tyk-api-gateway.upstream.rateLimit", Idle, "it is off"),
    ("x-tyk-api-gateway.upstream.enforceTimeout", Idle, "it is off"),
    (
        "x-tyk-api-gateway.server.clientCertificates",
        Missing,
        "certificates of clients are not asked for: \
      end TLS in a proxy in front that checks them",
    ),
    ("x-tyk-api-gateway.server.gatewayTags", Idle, "tags choose gateways of a cluster"),
    (
        "x-tyk-api-gateway.server.customDomain",
        Missing,
        "every host is answered: choose by host in a proxy \
      in front, which also ends TLS",
    ),
    ("x-tyk-api-gateway.server.detailedActivityLogs", Missing, RECORDS),
    ("x-tyk-api-gateway.server.detailedTracing", Missing, "no traces are sent"),
    (
        "x-tyk-api-gateway.server.eventHandlers",
        Missing,
        "events of the gateway are log lines and metrics",
    ),
    (
        "x-tyk-api-gateway.server.ipAccessControl",
        Missing,
        "addresses are not filtered: use the firewall or \
      a proxy in front",
    ),
    (
        "x-tyk-api-gateway.server.batchProcessing",
        Missing,
        "arrays of requests in one body: \
      `server.max_batch_size`",
    ),
    (
        "x-tyk-api-gateway.server.protocol",
        Missing,
        "http is spoken; TLS is ended by a proxy in front",
    ),
    ("x-tyk-api-gateway.server.port", Missing, "there is one port: `server.listen`"),
    ("x-tyk-api-gateway.server.authentication.securitySchemes.*.scopes", Missing, ROLES),
    ("x-tyk-api-gateway.server.authentication.securitySchemes.*.policyFieldName", Missing, ROLES),
    ("x-tyk-api-gateway.server.authentication.securitySchemes.*.basePolicyClaims", Missing, ROLES),
    ("x-tyk-api-gateway.server.authentication.securitySchemes.*.defaultPolicies", Missing, ROLES),
    (
        "x-tyk-api-gateway.server.authentication.securitySchemes.*.subjectClaims",
        Missing,
        "the first claim \
      of the list is the user; further ones are not looked for",
    ),
    (
        "x-tyk-api-gateway.server.authentication.securitySchemes.*.identityBaseField",
        Idle,
        "`subjectClaims` \
      counts",
    ),
    (
        "x-tyk-api-gateway.server.authentication.securitySchemes.*.allowedSubjects",
        Missing,
        "subjects are \
      not listed: give only those tokens that may come in, or write a webhook",
    ),
    (
        "x-tyk-api-gateway.server.authentication.securitySchemes.*.jtiValidation",
        Missing,
        "`jti` is not \
      looked at",
    ),
    (
        "x-tyk-api-gateway.server.authentication.securitySchemes.*.customClaimValidation",
        Missing,
        "claims \
      other than `aud` and `iss` are not checked: give only those tokens that may come in, or write a \
      webhook",
    ),
    (
        "x-tyk-api-gateway.server.authentication.securitySchemes.*.clientBaseField",
        Missing,
        "take the claim \
      into `claims_map` as a session variable",
    ),
    (
        "x-tyk-api-gateway.server.authentication.securitySchemes.*.skipKid",
        Idle,
        "a token without `kid` is \
      tried with every key of its algorithm",
    ),
    (
        "x-tyk-api-gateway.server.authentication",
        Idle,
        "it belongs to a way of authentication that is off, \
      or is covered above",
    ),
    ("x-tyk-api-gateway.middleware.global.pluginConfig", Missing, PLUGIN),
    ("x-tyk-api-gateway.middleware.global.prePlugin", Missing, PLUGIN),
    ("x-tyk-api-gateway.middleware.global.prePlugins", Missing, PLUGIN),
    ("x-tyk-api-gateway.middleware.global.postPlugin", Missing, PLUGIN),
    ("x-tyk-api-gateway.middleware.global.postPlugins", Missing, PLUGIN),
    ("x-tyk-api-gateway.middleware.global.postAuthenticationPlugin", Missing, PLUGIN),
    ("x-tyk-api-gateway.middleware.global.postAuthenticationPlugins", Missing, PLUGIN),
    ("x-tyk-api-gateway.middleware.global.responsePlugin", Missing, PLUGIN),
    ("x-tyk-api-gateway.middleware.global.responsePlugins", Missing, PLUGIN),
    (
        "x-tyk-api-gateway.middleware.global.cache",
        Missing,
        "answers are not cached; equal live operations \
      share one result",
    ),
    ("x-tyk-api-gateway.middleware.global.transformRequestHeaders", Idle, "it is off"),
    (
        "x-tyk-api-gateway.middleware.global.transformResponseHeaders",
        Missing,
        "headers of answers cannot \
      be set: do it in a proxy in front",
    ),
    ("x-tyk-api-gateway.middleware.global.trafficLogs", Idle, RECORDS),
    ("x-tyk-api-gateway.middleware.global.requestSizeLimit", Idle, "it is off"),
    ("x-tyk-api-gateway.middleware.global.ignoreCase", Idle, "GraphQL has one path"),
    (
        "x-tyk-api-gateway.middleware.global.skipRateLimit",
        Idle,
        "there is no limit by identity unless it \
      is set (docs/limits.md)",
    ),
    ("x-tyk-api-gateway.middleware.global.skipQuota", Idle, "there are no quotas"),
    ("x-tyk-api-gateway.middleware.global.skipQuotaReset", Idle, "there are no quotas"),
    ("x-tyk-api-gateway.middleware.operations", Missing, PATHS),
    ("x-tyk-api-gateway.middleware.mcpTools", Missing, "only GraphQL is spoken"),
    ("x-tyk-api-gateway.middleware.mcpResources", Missing, "only GraphQL is spoken"),
    ("x-tyk-api-gateway.middleware.mcpPrompts", Missing, "only GraphQL is spoken"),
];
