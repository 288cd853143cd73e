//! The introspection query, in as many words as a service understands.

use std::fmt::Write;

/// What not every service knows. In the order in which they are given up when a service does not say
/// which of them it stumbles over: newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feature {
    /// `__Type.isOneOf` (September 2025).
    OneOf,
    /// `isDeprecated` of arguments and input fields (September 2025).
    InputDeprecation,
    /// `__Schema.description` (October 2021).
    SchemaDescription,
    /// `__Type.specifiedByURL` (October 2021).
    SpecifiedBy,
    /// `__Directive.isRepeatable` (October 2021).
    Repeatable,
    /// Types in nine lists and non-nulls; without it four, which services that bound the depth of
    /// queries let pass.
    Depth,
}

impl Feature {
    pub(super) const ALL: [Self; 6] = [
        Self::OneOf,
        Self::InputDeprecation,
        Self::SchemaDescription,
        Self::SpecifiedBy,
        Self::Repeatable,
        Self::Depth,
    ];

    /// Whether a service's error is about it.
    pub(super) fn is_named_in(self, errors: &str) -> bool {
        let words: &[&str] = match self {
            Self::OneOf => &["isOneOf"],
            Self::InputDeprecation => &["includeDeprecated", "__InputValue"],
            Self::SchemaDescription => &["on type \"__Schema\"", "type '__Schema'", "`__Schema`"],
            Self::SpecifiedBy => &["specifiedByURL"],
            Self::Repeatable => &["isRepeatable"],
            Self::Depth => &["depth", "nest", "complex"],
        };
        words.iter().any(|word| errors.contains(word))
    }
}

/// The query with these features.
pub(super) fn text(features: &[Feature]) -> String {
    let has = |feature| features.contains(&feature);
    let only = |feature, text| if has(feature) { text } else { "" };
    let inputs = only(Feature::InputDeprecation, "(includeDeprecated: true)");
    let mut query = String::from("query IntrospectionQuery { __schema { ");
    query.push_str(only(Feature::SchemaDescription, "description "));
    query.push_str("queryType { name } mutationType { name } subscriptionType { name } ");
    query.push_str("types { ...FullType } directives { name description ");
    query.push_str(only(Feature::Repeatable, "isRepeatable "));
    let _ = write!(query, "locations args{inputs} {{ ...InputValue }} }} }} }} ");
    query.push_str("fragment FullType on __Type { kind name description ");
    query.push_str(only(Feature::SpecifiedBy, "specifiedByURL "));
    query.push_str(only(Feature::OneOf, "isOneOf "));
    let _ = write!(
        query,
        "fields(includeDeprecated: true) {{ name description args{inputs} {{ ...InputValue }} \
         type {{ ...TypeRef }} isDeprecated deprecationReason }} \
         inputFields{inputs} {{ ...InputValue }} interfaces {{ name }} \
         enumValues(includeDeprecated: true) {{ name description isDeprecated deprecationReason }} \
         possibleTypes {{ name }} }} \
         fragment InputValue on __InputValue {{ name description type {{ ...TypeRef }} defaultValue "
    );
    query.push_str(only(Feature::InputDeprecation, "isDeprecated deprecationReason "));
    query.push_str("} fragment TypeRef on __Type { ");
    let depth = if has(Feature::Depth) { 9 } else { 4 };
    for _ in 0..depth {
        query.push_str("kind name ofType { ");
    }
    query.push_str("kind name ");
    query.push_str(&"} ".repeat(depth));
    query.push('}');
    query
}
