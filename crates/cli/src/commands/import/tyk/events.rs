//! Kafka data sources: topics that feed fields of `Subscription`.

use super::{
    super::{
        document::Cursor,
        report::Verdict,
        yaml::{Yaml, literal},
    },
    classic::Api,
    context::Context,
    schema,
    udg::{self, Mappings},
};

/// What of a consumer's settings has no place here, and why.
const IDLE: [(&str, &str); 3] = [
    (
        "group_id",
        "no consumer group is needed: one consumer for each topic gives every event to every client; \
         with Tyk clients of one group share the partitions, and each sees a part of the events",
    ),
    ("balance_strategy", "there is no consumer group whose partitions would be balanced"),
    ("kafka_version", "the version of the protocol is agreed on with the broker"),
];

/// Adds a source of events.
pub fn read(
    context: &mut Context,
    api: &Api<'_>,
    data: &Cursor<'_>,
    name: String,
    mappings: &Mappings,
) {
    let config = data.key("config");
    let mut events = Yaml::map();
    let brokers = config.key("broker_addresses");
    let addresses = brokers.texts();
    if addresses.is_empty() {
        let text = format!("`{name}` has no brokers");
        context.report.tell(Verdict::Missing, &brokers, text);
        let variable = context.report.variable(&format!("{name}_broker"), "a broker, host:port");
        events.put(&["kafka", "brokers"], Yaml::texts([variable]));
    } else {
        let text = format!("`events.kafka.brokers` of `{name}`");
        context.report.tell(Verdict::Mapped, &brokers, text);
        events.put(&["kafka", "brokers"], Yaml::texts(addresses.into_iter().map(literal)));
    }
    let id = config.key("client_id");
    if let Some(id_text) = id.text() {
        events.put(&["kafka", "client_id"], Yaml::Text(literal(id_text)));
        context.report.tell(Verdict::Mapped, &id, format!("`events.kafka.client_id` of `{name}`"));
    }
    told(context, &config, &name, &mut events);
    let topics = topics(context, &config, &name);
    let mut fields = Yaml::map();
    let mut offered = Vec::new();
    for (ty, field, at) in udg::root_fields(data) {
        if ty != "Subscription" {
            let text = format!("`{ty}.{field}`: events feed fields of `Subscription` only");
            context.report.tell(Verdict::Missing, &at, text);
            continue;
        }
        if let [topic] = topics.as_slice() {
            fields.put(&[&field, "topic"], Yaml::text(topic.clone()));
        } else {
            fields.put(&[&field, "topics"], Yaml::texts(topics.clone()));
        }
        if let Some(payload) = payload(mappings, &field) {
            fields.put(&[&field, "payload"], Yaml::text(payload));
        }
        let text = format!("`events.fields.{field}` of `{name}`");
        context.report.tell(Verdict::Mapped, &at, text);
        offered.push(field);
    }
    let whole = api.root.at("graphql.schema");
    match schema::of_events(whole.peek().and_then(|sdl| sdl.as_str()).unwrap_or_default(), &offered)
    {
        Ok(sdl) => events.put(&["schema"], Yaml::text(literal(&sdl))),
        Err(why) => {
            let text = format!("write `events.schema` of `{name}`: {why}");
            context.report.tell(Verdict::Missing, &whole, text);
        }
    }
    events.put(&["fields"], fields);
    let mut body = Yaml::map();
    body.put(&["events"], events);
    api.add(context, name, body);
}

fn topics(context: &mut Context, config: &Cursor<'_>, name: &str) -> Vec<String> {
    let mut topics = Vec::new();
    for at in config.key("topics").items() {
        let Some(topic) = at.text() else { continue };
        match template(topic) {
            Some(topic) => {
                context.report.tell(Verdict::Mapped, &at, format!("a topic of `{name}`"));
                topics.push(topic);
            }
            None => {
                let text = format!(
                    "the topic has a template that is not known: write it to the fields of `{name}` \
                     (`{{{{args.…}}}}`, `{{{{session.…}}}}`)"
                );
                context.report.tell(Verdict::Missing, &at, text);
            }
        }
    }
    if topics.is_empty() {
        let text = format!("the topic that feeds the fields of `{name}`");
        topics.push(context.report.variable(&format!("{name}_topic"), text));
    }
    topics
}

/// `{{.arguments.x}}` becomes `{{args.x}}`.
fn template(topic: &str) -> Option<String> {
    let (mut out, mut rest) = (String::new(), topic);
    while let Some((before, after)) = rest.split_once("{{") {
        let (inner, tail) = after.split_once("}}")?;
        let name = inner.trim().trim_start_matches('.').strip_prefix("arguments.")?;
        out.push_str(&literal(before));
        out.push_str(&format!("{{{{args.{name}}}}}"));
        rest = tail;
    }
    out.push_str(&literal(rest));
    Some(out)
}

/// By default the value is the member of the message with the field's name.
fn payload(mappings: &Mappings, field: &str) -> Option<String> {
    let mapping = mappings.get(&("Subscription".to_owned(), field.to_owned()));
    let path = match mapping {
        None => field.to_owned(),
        Some(mapping) if mapping.path.is_empty() => return None,
        Some(mapping) => mapping.path.join("."),
    };
    Some(format!("{{{{payload.{path}}}}}"))
}

/// The rest of a consumer's settings.
fn told(context: &mut Context, config: &Cursor<'_>, name: &str, events: &mut Yaml) {
    for (key, why) in IDLE {
        let at = config.key(key);
        if at.is_given() {
            at.take();
            context.report.tell(Verdict::Idle, &at, why);
        }
    }
    let latest = config.key("start_consuming_latest");
    let (verdict, text) = if latest.is_on() {
        (Verdict::Mapped, "a subscription begins with the events that come after it")
    } else {
        (
            Verdict::Differs,
            "Tyk begins a new group with the oldest event; here a subscription begins with the events \
             that come after it",
        )
    };
    latest.take();
    context.report.tell(verdict, &latest, text);
    let isolation = config.key("isolation_level");
    if isolation.text().is_some() {
        let text = "which messages of transactions are read cannot be chosen";
        context.report.tell(Verdict::Missing, &isolation, text);
    }
    let sasl = config.key("sasl");
    if sasl.key("enable").is_on() {
        sasl.take();
        let user = sasl.key("user").text().unwrap_or_default();
        let text = format!("the value of `{}.password` in {}", sasl.path(), sasl.file());
        let password = context.report.variable(&format!("{name}_kafka_password"), text);
        // Tyk names no mechanism to its client library, which takes PLAIN then.
        events.put(&["kafka", "sasl", "mechanism"], Yaml::text("plain"));
        events.put(&["kafka", "sasl", "username"], Yaml::text(literal(user)));
        events.put(&["kafka", "sasl", "password"], Yaml::Text(password));
        let text = format!("`events.kafka.sasl` of `{name}`, the password from a variable");
        context.report.tell(Verdict::Mapped, &sasl, text);
    } else {
        sasl.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_stand_in_topics() {
        let templated = |topic| template(topic);
        assert_eq!(templated("orders").as_deref(), Some("orders"));
        assert_eq!(
            templated("orders.{{ .arguments.region }}.$x").as_deref(),
            Some("orders.{{args.region}}.$$x")
        );
        assert_eq!(templated("orders.{{.object.id}}"), None);
        assert_eq!(templated("orders.{{.arguments.id"), None);
    }
}
