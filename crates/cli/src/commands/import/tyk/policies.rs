//! Policies: limits and access rights that Tyk gives to keys.

use super::{
    super::{document::Cursor, report::Verdict, yaml::Yaml},
    context::Context,
    shared,
};

/// What access rights may say of GraphQL, and what to do about it.
const RIGHTS: [(&str, &str); 3] = [
    (
        "field_access_rights",
        "there is no depth for one field: `limits.depth` holds for all. Which fields a role sees is \
         `graphql.permissions` of the source",
    ),
    (
        "restricted_types",
        "write the root fields that the role must not see to `exclude` of `graphql.permissions`; fields \
         of other types cannot be hidden from one role",
    ),
    (
        "allowed_types",
        "write the root fields that the role may see to `include` of `graphql.permissions`; fields of \
         other types cannot be hidden from one role",
    ),
];

/// Reads one policy, or several by their ids.
pub fn read(context: &mut Context, root: &Cursor<'_>) {
    if root.key("access_rights").peek().is_some() {
        policy(context, root);
        return;
    }
    for (_, at) in root.members() {
        policy(context, &at);
    }
}

fn policy(context: &mut Context, policy: &Cursor<'_>) {
    limits(context, policy);
    for (_, rights) in policy.key("access_rights").members() {
        limits(context, &rights.key("limit"));
        for (key, text) in RIGHTS {
            let at = rights.key(key);
            if at.is_given() {
                at.take();
                context.report.tell(Verdict::Missing, &at, text);
            }
        }
        let introspection = rights.key("disable_introspection");
        if introspection.is_on() {
            let text = "for all clients, and over WebSockets too, where Tyk forgets it";
            let value = Yaml::text("nobody");
            context.set(&introspection, "documents.introspection", value, Verdict::Differs, text);
        }
        for key in ["api_id", "api_name", "versions"] {
            rights.key(key).take();
        }
    }
}

fn limits(context: &mut Context, at: &Cursor<'_>) {
    shared::rate(context, &at.key("rate"), at.key("per").positive());
    shared::depth(context, &at.key("max_query_depth"));
    let quota = at.key("quota_max");
    if quota.positive().is_some() {
        at.key("quota_renewal_rate").take();
        let text = "there are no quotas over days: rates and the number of operations at a time are \
                    bounded (docs/limits.md). Count in the service, or in a proxy in front";
        context.report.tell(Verdict::Missing, &quota, text);
    } else {
        at.key("quota_renewal_rate").take();
    }
    for key in ["throttle_interval", "throttle_retry_limit"] {
        let throttle = at.key(key);
        if throttle.positive().is_some() {
            let text = "nothing is tried again for clients: they are told when to come back \
                        (`Retry-After`)";
            context.report.tell(Verdict::Missing, &throttle, text);
        }
    }
}
