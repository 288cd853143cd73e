//! `executionEngine`: a graph over data sources (Universal Data Graph).

use std::collections::HashMap;

use super::{
    super::{document::Cursor, report::Verdict, yaml::Yaml},
    classic::Api,
    context::Context,
    events, headers, upstream,
};

/// The types whose fields can be a source's.
const ROOTS: [&str; 3] = ["Query", "Mutation", "Subscription"];

/// Where the value of a field is in what a data source gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapping {
    /// Keys on the way; empty if the whole is the value.
    pub path: Vec<String>,
}

/// Mappings by type and field.
pub type Mappings = HashMap<(String, String), Mapping>;

/// Adds a source for each data source.
pub fn read(context: &mut Context, api: &Api<'_>) {
    let engine = api.root.at("graphql.engine");
    let mappings = mappings(&engine);
    for data in engine.key("data_sources").items() {
        let wanted = data.key("name").text().unwrap_or(&api.name).to_owned();
        let name = context.source_name(&wanted);
        match data.key("kind").text() {
            Some("GraphQL") => graphql(context, api, &data, name),
            Some("Kafka") => events::read(context, api, &data, name, &mappings),
            Some("REST") => {
                data.take();
                let text = format!(
                    "`{wanted}`: REST services are not asked by this version. Put a GraphQL service in \
                     front of it and add it as a source, or keep this part on Tyk and add Tyk's API as a \
                     source (`graphql.url`)"
                );
                context.report.tell(Verdict::Missing, &data, text);
            }
            _ => {
                data.take();
                let text = format!("`{wanted}`: this kind of data source is not known");
                context.report.tell(Verdict::Missing, &data, text);
            }
        }
    }
    let schema = api.root.at("graphql.schema");
    if schema.text().is_some() {
        let text = "each source is asked for its own schema (introspection); of it only the root fields \
                    of its data source are offered, but those with all that their types have";
        context.report.tell(Verdict::Differs, &schema, text);
    }
    for header in engine.key("global_headers").items() {
        // Told with the sources; without any they go nowhere.
        header.key("key").take();
        header.key("value").take();
    }
    unused(context, &engine, &mappings);
}

/// `field_configs`, not yet told about.
fn mappings(engine: &Cursor<'_>) -> Mappings {
    let mut mappings = Mappings::new();
    for config in engine.key("field_configs").items() {
        let (ty, field) = (config.key("type_name").text(), config.key("field_name").text());
        let (Some(ty), Some(field)) = (ty, field) else { continue };
        let path = config.key("path").texts().into_iter().map(str::to_owned).collect();
        let key = (ty.to_owned(), field.to_owned());
        // Without the default mapping the whole is the value, whatever the path
        // (`resolveFieldPath` of graphql-go-tools).
        let whole = config.key("disable_default_mapping").is_on();
        mappings.entry(key).or_insert(if whole { Mapping::default() } else { Mapping { path } });
    }
    mappings
}

/// Tells about mappings of fields that are no events' and that rename something.
fn unused(context: &mut Context, engine: &Cursor<'_>, mappings: &Mappings) {
    let events: Vec<String> = engine
        .key("data_sources")
        .items()
        .iter()
        .filter(|data| data.key("kind").peek().and_then(|kind| kind.as_str()) == Some("Kafka"))
        .flat_map(|data| root_fields(data).into_iter().map(|(_, field, _)| field))
        .collect();
    for config in engine.key("field_configs").items() {
        let (ty, field) = (config.key("type_name").text(), config.key("field_name").text());
        let (Some(ty), Some(field)) = (ty, field) else { continue };
        if ty == "Subscription" && events.iter().any(|name| name == field) {
            let text = format!("`payload` of `events.fields.{field}`");
            context.report.tell(Verdict::Mapped, &config, text);
            continue;
        }
        let renames = mappings
            .get(&(ty.to_owned(), field.to_owned()))
            .is_some_and(|mapping| !mapping.path.is_empty() && mapping.path != [field]);
        if renames {
            let text = format!(
                "`{ty}.{field}` takes its value from another place of the answer: services keep their \
                 own names here. Rename the field in the service, or let clients use an alias; \
                 `prefix.root_fields` renames all root fields of a source"
            );
            context.report.tell(Verdict::Missing, &config, text);
        } else {
            context.report.tell(Verdict::Mapped, &config, "the field has its own name");
        }
    }
}

/// The root fields of a data source with their places.
pub fn root_fields<'a>(data: &Cursor<'a>) -> Vec<(String, String, Cursor<'a>)> {
    let mut fields = Vec::new();
    for of_type in data.key("root_fields").items() {
        let Some(ty) = of_type.key("type").text() else { continue };
        for at in of_type.key("fields").items() {
            if let Some(field) = at.text() {
                fields.push((ty.to_owned(), field.to_owned(), at));
            }
        }
    }
    fields
}

fn graphql(context: &mut Context, api: &Api<'_>, data: &Cursor<'_>, name: String) {
    let config = data.key("config");
    let fixed = config.key("has_operation");
    if fixed.is_on() {
        data.take();
        let text = format!(
            "`{name}` sends one fixed operation: services are asked what the client asks. Offer a field \
             in the service, or name the operation as a trusted document (`documents.trusted`)"
        );
        context.report.tell(Verdict::Missing, data, text);
        return;
    }
    fixed.take();
    let (kind, posts) = (config.key("subscription_type"), config.key("sse_use_post"));
    let mut graphql = upstream::graphql(context, &name, &config.key("url"), &kind, &posts);
    let beside = data.key("subscription_type");
    if beside.text().is_some() {
        let text = format!(
            "it stands beside `config`, where Tyk does not look: it speaks `graphql-ws`. Write \
             `subscriptions.protocol` of `{name}` if it was meant"
        );
        context.report.tell(Verdict::Differs, &beside, text);
    }
    for (header, at) in config.key("headers").members() {
        headers::set(context, &name, &mut graphql, header, &at);
    }
    // Those of the data source count before the global ones.
    for header in api.root.at("graphql.engine.global_headers").items() {
        if let Some(key) = header.key("key").text() {
            headers::set(context, &name, &mut graphql, key, &header.key("value"));
        }
    }
    headers::forward_credentials(&mut graphql, api.credentials.as_deref());
    let method = config.key("method");
    if method.text().is_some_and(|method| !method.eq_ignore_ascii_case("post")) {
        context.report.tell(Verdict::Differs, &method, "services are asked with POST");
    }
    let include = include(context, data, &name);
    graphql.put(&["fields", "include"], Yaml::texts(include));
    let mut body = Yaml::map();
    body.put(&["graphql"], graphql);
    api.add(context, name, body);
}

/// The allow-list of a source.
fn include(context: &mut Context, data: &Cursor<'_>, name: &str) -> Vec<String> {
    let mut include = Vec::new();
    for (ty, field, at) in root_fields(data) {
        if ROOTS.contains(&ty.as_str()) {
            let text = format!("`graphql.fields.include` of `{name}`");
            context.report.tell(Verdict::Mapped, &at, text);
            include.push(format!("{ty}.{field}"));
        } else {
            let text = format!(
                "`{ty}.{field}` is resolved by another service for every object: sources are joined at \
                 root fields only. Let the service of `{ty}` answer it, or let clients ask for both root \
                 fields in one operation"
            );
            context.report.tell(Verdict::Missing, &at, text);
        }
    }
    if include.is_empty() {
        let text = format!("`{name}` has no root fields: nothing of it is offered");
        context.report.tell(Verdict::Missing, &data.key("root_fields"), text);
        include.push("Query.__none".to_owned());
    }
    include
}
