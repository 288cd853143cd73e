use serde_json::json;

use super::*;
use crate::{Part, ReadLimits, ServiceSchema, compose};

const USERS: &str = "
    directive @up on FIELD | QUERY
    type Query { me(at: Date): User users(by: By, first: Int = 3): [User!]! node(id: ID!): Node status: String! }
    type Mutation { rename(name: String!): User bump: Int! }
    type Subscription { joined: User status: String }
    scalar Date input By { name: String day: Day } enum Day { MON }
    interface Node { id: ID! } interface Tagged { tag: String }
    type User implements Node { id: ID! name: String friends: [User!] }
    type Note implements Tagged { tag: String } type Payload { query: Query }
";
const SHOP: &str = "
    type Query { top(by: By): Item all: [Found!] back: Query secret: Int entity(id: ID!): Node }
    type Mutation { buy(id: ID!): Item } type Subscription { sold: Item }
    interface Node { id: ID! } interface Tagged { tag: String }
    type Item implements Node & Tagged { id: ID! tag: String price(in: Currency = EUR): Float }
    type User { nick: String } union Found = Item | User enum Currency { EUR } input By { id: ID }
";

fn part(name: &str, sdl: &str) -> Part {
    Part::new(name, ServiceSchema::from_sdl(sdl, &ReadLimits::default()).unwrap())
}

/// `users` under its own names; `shop` with prefixes.
fn composed() -> Arc<Composed> {
    let mut shop = part("shop", SHOP);
    shop.field_prefix = "shop_".into();
    shop.type_prefix = "Shop_".into();
    Arc::new(compose(&[part("users", USERS), shop]).unwrap())
}

fn try_plan(composed: &Arc<Composed>, text: &str) -> Result<Arc<Plan>, PlanError> {
    let limits = PlanLimits::default();
    let document = composed.parse(text, &limits)?;
    Plan::new(Arc::clone(composed), document, None, &limits).map(Arc::new)
}

fn plan(text: &str) -> Arc<Plan> {
    try_plan(&composed(), text).unwrap()
}

fn texts(plan: &Plan) -> Vec<(&str, &str)> {
    let source = |request| &**plan.source_name(request);
    plan.requests().iter().map(|r| (source(r), &*r.text)).collect()
}

#[test]
fn each_source_gets_what_is_its_own() {
    let plan = plan(
        "query Q($d: Date, $by: By, $sid: Shop_By = {id: 7}, $unused: Boolean = true, $c: Boolean!) {
            mine: me(at: $d) { ...U ...N }
            shop_top(by: $sid) @include(if: $c) { __typename ... on Shop_Item { cost: price } ...T }
            ...R
            users(by: $by) @skip(if: $unused) { id }
        }
        fragment R on Query { found: shop_all { ... on Shop_User { nick } } ... @include(if: $c) { status } }
        fragment U on User { name friends { ...N } }
        fragment N on Node { id ... on User { name } }
        fragment T on Shop_Tagged { tag }",
    );
    assert_eq!(
        texts(&plan),
        [
            (
                "users",
                "query Q($d: Date, $by: By, $unused: Boolean = true, $c: Boolean!) { \
                 mine: me(at: $d) { ...U ...N } ... @include(if: $c) { status } \
                 users(by: $by) @skip(if: $unused) { id } } \
                 fragment U on User { name friends { ...N } } \
                 fragment N on Node { id ... on User { name } }"
            ),
            (
                "shop",
                "query Q($sid: By = {id: 7}, $c: Boolean!) { \
                 shop_top: top(by: $sid) @include(if: $c) { __typename ... on Item { cost: price } ...T } \
                 found: all { ... on User { nick } } } \
                 fragment T on Tagged { tag }"
            ),
        ]
    );
    let keys: Vec<&str> = plan.roots.iter().map(|r| &*r.key).collect();
    assert_eq!(keys, ["mine", "shop_top", "found", "status", "users"]);
}

#[test]
fn variables_are_handed_out_and_checked() {
    let plan = plan(
        "query ($d: Date, $by: By, $id: Shop_By, $n: Int) { me(at: $d) { id } \
         users(by: $by, first: $n) { id } shop_top(by: $id) { id } }",
    );
    let bind = |values: serde_json::Value| {
        let serde_json::Value::Object(values) = values else { panic!() };
        plan.bind(&values)
    };
    let values = json!({ "d": [1, 2.50], "by": { "day": "MON" }, "id": { "id": 10 }, "more": 1 });
    let bound = bind(values).unwrap();
    let sent: Vec<_> = bound.requests().iter().map(|r| r.variables.as_deref().unwrap()).collect();
    assert_eq!(sent, [&br#"{"d":[1,2.5],"by":{"day":"MON"}}"#[..], &br#"{"id":{"id":10}}"#[..]]);
    assert!(bind(json!({})).unwrap().requests().iter().all(|r| r.variables.is_none()));
    for bad in [json!({ "by": { "day": "TUE" } }), json!({ "n": "1" }), json!({ "id": { "x": 1 } })]
    {
        assert!(matches!(bind(bad.clone()), Err(PlanError::Invalid(_))), "{bad}");
    }
    // Numbers keep their digits.
    let raw: serde_json::Map<_, _> =
        serde_json::from_str(r#"{"d":12345678901234567890.123456789012345678901}"#).unwrap();
    let bound = plan.bind(&raw).unwrap();
    assert_eq!(
        bound.requests()[0].variables.as_deref().unwrap(),
        br#"{"d":12345678901234567890.123456789012345678901}"#
    );
}

#[test]
fn who_has_nothing_to_say_is_not_asked() {
    let plan = plan("query ($c: Boolean = false) { status shop_secret @include(if: $c) }");
    let bind = |c: Option<bool>| {
        let values = c.map(|c| ("c".to_owned(), json!(c))).into_iter().collect();
        let bound = plan.bind(&values).unwrap();
        bound.requests().iter().map(|r| r.index).collect::<Vec<_>>()
    };
    assert_eq!(bind(None), [0]);
    assert_eq!(bind(Some(false)), [0]);
    assert_eq!(bind(Some(true)), [0, 1]);
}

#[test]
fn what_a_source_does_not_know_is_left_out() {
    // Node, Tagged and User mean the same to both.
    let users = USERS.replace("type Note implements Tagged", "type Note implements Node & Tagged");
    let users = part(
        "users",
        &users.replace(
            "Note implements Node & Tagged { tag",
            "Note implements Node & Tagged { id: ID! tag",
        ),
    );
    let shop = "type Query { entity(id: ID!): Node any: Node } interface Node { id: ID! } interface Tagged { tag: String } \
                type Item implements Node { id: ID! }  type Label implements Tagged { tag: String }";
    let composed = Arc::new(compose(&[users, part("shop", shop)]).unwrap());
    let text = |text| texts(&try_plan(&composed, text).unwrap())[0].1.to_owned();
    // Tags is a fragment that the shop can never meet at a Node, but the merged schema can.
    assert_eq!(
        text(
            "{ entity(id: 1) { ... on User { name } ...I ...Tags id } } \
              fragment I on Item { id } fragment Tags on Tagged { tag }"
        ),
        "{ entity(id: 1) { ...I id } } fragment I on Item { id }"
    );
    assert_eq!(
        text("query ($x: Boolean!) { any { ... on User @skip(if: $x) { name } } }"),
        "{ any { __typename @skip(if: true) } }"
    );
}

#[test]
fn mutations_keep_their_order() {
    let plan =
        plan("mutation { a: bump b: bump shop_buy(id: 1) { id } __typename c: bump a: bump }");
    assert_eq!(
        texts(&plan),
        [
            ("users", "mutation { a: bump a: bump b: bump }"),
            ("shop", "mutation { shop_buy: buy(id: 1) { id } }"),
            ("users", "mutation { c: bump }"),
        ]
    );
    let moving = "mutation ($x: Boolean!) { a: bump @skip(if: $x) shop_buy(id: 1) { id } a: bump }";
    assert!(matches!(try_plan(&composed(), moving), Err(PlanError::Unsupported(_))));
}

#[test]
fn subscriptions_have_one_source() {
    let plan = plan("subscription S { it: shop_sold { id } }");
    assert_eq!(texts(&plan), [("shop", "subscription S { it: sold { id } }")]);
    for text in ["subscription { joined { id } shop_sold { id } }", "subscription { __typename }"] {
        assert!(try_plan(&composed(), text).is_err(), "{text}");
    }
}

#[test]
fn directives_go_to_those_who_know_them() {
    let plan = plan("query @up { status @up shop_secret }");
    assert_eq!(
        texts(&plan),
        [("users", "query @up { status @up }"), ("shop", "{ shop_secret: secret }")]
    );
    let error = try_plan(&composed(), "{ shop_secret @up }").unwrap_err().to_string();
    assert!(error.contains("\"@up\" is not known to \"shop\""), "{error}");
}

#[test]
fn aliases_and_names_of_fields() {
    let plan = plan("{ shop_secret x: shop_secret secret: shop_secret }");
    assert_eq!(texts(&plan), [("shop", "{ shop_secret: secret x: secret secret }")]);
}

#[test]
fn the_way_back_to_a_root() {
    let composed = Arc::new(compose(&[part("shop", SHOP)]).unwrap());
    let plan = try_plan(
        &composed,
        "{ back { __typename secret ...F } } fragment F on shop_Query { secret }",
    );
    let plan = plan.unwrap();
    assert_eq!(
        texts(&plan),
        [("shop", "{ back { __typename secret ...F } } fragment F on Query { secret }")]
    );
    assert!(plan.requests()[0].typenames.is_some());
}

#[test]
fn names_of_types_are_found() {
    let find = |text: &str| plan(text).requests()[0].typenames.is_some();
    assert!(!find("{ shop_top { id } }"));
    assert!(find("{ shop_top { t: __typename } }"));
    assert!(!find("{ me { __typename } }"));
    let ambiguous =
        "{ shop_all { ... on Shop_Item { t: __typename } ... on Shop_User { t: nick } } }";
    // Both are strings, but one may be null: the specification forbids that already.
    assert!(try_plan(&composed(), ambiguous).is_err());
}

#[test]
fn what_is_too_large() {
    let composed = composed();
    let fails = |text: &str, what: &str| {
        let error = try_plan(&composed, text).unwrap_err().to_string();
        assert!(error.contains(what), "{what}: {error}");
    };
    // Each fragment doubles the one before it.
    let mut bomb = String::from("{ me { ...F0 } } fragment F20 on User { id }");
    for i in 0..20 {
        bomb.push_str(&format!(
            " fragment F{i} on User {{ a: friends {{ ...F{0} }} b: friends {{ ...F{0} }} }}",
            i + 1
        ));
    }
    fails(&bomb, "more than 20000 fields");
    let deep = format!("{{ me {{ {} id {} }} }}", "friends { ".repeat(60), "}".repeat(60));
    fails(&deep, "levels of fields");
    let wide: String = (0..201).map(|i| format!(" a{i}: status")).collect();
    fails(&format!("{{ {wide} }}"), "more than 200 root fields");
    let long: String = (0..5000).map(|i| format!(" a{i}: status")).collect();
    assert!(try_plan(&composed, &format!("{{ {long} }}")).is_err());
    // A chain of fragments neither overflows the stack here nor in the validation.
    let mut chain = String::from("{ me { ...C0 } } fragment C1800 on User { id }");
    for i in 0..1800 {
        chain.push_str(&format!(" fragment C{i} on User {{ ...C{} }}", i + 1));
    }
    let _either = try_plan(&composed, &chain);
}

#[test]
fn what_does_not_fit_the_schema() {
    for text in
        ["{", "{ nothing }", "{ me }", "{ top { id } }", "query A { status } query B { status }"]
    {
        assert!(matches!(try_plan(&composed(), text), Err(PlanError::Invalid(_))), "{text}");
    }
}

#[test]
fn the_schema_is_not_read_over_and_over() {
    let composed = composed();
    // As long as the usual query, whose type references are nine deep.
    let mut reference = "kind name".to_owned();
    for _ in 0..9 {
        reference = format!("kind name ofType {{ {reference} }}");
    }
    let usual = format!(
        "query I {{ __schema {{ description queryType {{ name }} mutationType {{ name }} types {{ ...F }}
             directives {{ name description isRepeatable locations args {{ ...V }} }} }} }}
         fragment F on __Type {{ kind name description specifiedByURL fields(includeDeprecated: true)
             {{ name description args {{ ...V }} type {{ ...T }} isDeprecated deprecationReason }}
             inputFields {{ ...V }} interfaces {{ ...T }} possibleTypes {{ ...T }}
             enumValues(includeDeprecated: true) {{ name description }} }}
         fragment V on __InputValue {{ name description type {{ ...T }} defaultValue }}
         fragment T on __Type {{ {reference} }}"
    );
    let read = try_plan(&composed, &usual).unwrap();
    assert_eq!(read.introspects(), Some("__schema"));
    let many: String = (0..200)
        .map(|at| {
            format!("a{at}: __schema {{ types {{ name fields {{ name type {{ name }} }} }} }} ")
        })
        .collect();
    let refused = try_plan(&composed, &format!("{{ {many} }}")).unwrap_err();
    assert!(matches!(refused, PlanError::TooLarge { limit: 1_000, .. }), "{refused}");
}

#[test]
fn long_chains_of_fragments_are_answered() {
    let composed = composed();
    // More than a thread's stack has room for, if each were a step of recursion.
    let mut text = "{ me { ...F0 } }".to_owned();
    for at in 0..2_000 {
        text.push_str(&format!(" fragment F{at} on User {{ ...F{} }}", at + 1));
    }
    text.push_str(" fragment F2000 on User { id }");
    let _whatever = try_plan(&composed, &text);
}

#[test]
fn subscriptions_to_live_fields_ask_queries() {
    let mut shop = part("shop", SHOP);
    shop.field_prefix = "shop_".into();
    shop.type_prefix = "Shop_".into();
    shop.live = vec!["top".into()];
    let composed = Arc::new(compose(&[part("users", USERS), shop]).unwrap());
    let text = "subscription S($by: Shop_By) { mine: shop_top(by: $by) { ...F } }
                fragment F on Shop_Item { __typename id }";
    let plan = try_plan(&composed, text).unwrap();
    assert_eq!(plan.kind(), OperationType::Subscription);
    let [request] = plan.requests() else { panic!() };
    assert_eq!(request.kind, OperationType::Query);
    let wanted =
        "query S($by: By) { mine: top(by: $by) { ...F } } fragment F on Item { __typename id }";
    assert_eq!(*request.text, *wanted);
    let bound = plan.bind(json!({"by": {"id": 1}}).as_object().unwrap()).unwrap();
    assert!(request.typenames.is_some());
    assert_eq!(bound.requests().len(), 1);

    let own = try_plan(&composed, "subscription { shop_sold { id } }").unwrap();
    assert_eq!(own.requests()[0].kind, OperationType::Subscription);
    let two = try_plan(&composed, "subscription { shop_top { id } shop_sold { id } }");
    assert!(matches!(two, Err(PlanError::Invalid(_))), "{two:?}");
}
