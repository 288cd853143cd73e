//! Policies.

use super::{
    super::super::report::Verdict::{Idle, Missing},
    Advice,
};

const NAMES: &str = "a name of Tyk's own";
const STORE: &str = "it is about Tyk's store, and Artesian has none";

/// What to do about fields of a policy.
pub const ADVICE: &[Advice] = &[
    (
        "*.access_rights",
        Missing,
        "which role sees which root fields is `graphql.permissions` of the source",
    ),
    (
        "access_rights",
        Missing,
        "which role sees which root fields is `graphql.permissions` of the source",
    ),
    ("*.partitions", Idle, "which part of a policy counts"),
    ("partitions", Idle, "which part of a policy counts"),
    (
        "*.meta_data",
        Missing,
        "what Tyk keeps with a key must come from the token or the webhook as a \
      session variable",
    ),
    (
        "meta_data",
        Missing,
        "what Tyk keeps with a key must come from the token or the webhook as a \
      session variable",
    ),
    (
        "*.graphql_access_rights",
        Missing,
        "which role sees which root fields is `graphql.permissions`",
    ),
    (
        "graphql_access_rights",
        Missing,
        "which role sees which root fields is `graphql.permissions`",
    ),
    ("*.smoothing", Idle, "a rate has a burst (`limits.request_burst_per_identity`)"),
    ("smoothing", Idle, "a rate has a burst (`limits.request_burst_per_identity`)"),
    ("*.is_inactive", Missing, "it is inactive: leave the file out, what it says was used"),
    ("is_inactive", Missing, "it is inactive: leave the file out, what it says was used"),
    ("*.key_expires_in", Idle, STORE),
    ("key_expires_in", Idle, STORE),
    ("*", Idle, NAMES),
];
