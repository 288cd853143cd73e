use super::*;
use crate::ReadLimits;

fn part(name: &str, sdl: &str) -> Part {
    Part::new(name, ServiceSchema::from_sdl(sdl, &ReadLimits::default()).unwrap())
}

fn patterns(list: &[&str]) -> Vec<Pattern> {
    list.iter().map(|text| text.parse().unwrap()).collect()
}

fn conflict(parts: &[Part]) -> String {
    compose(parts).unwrap_err().to_string()
}

#[test]
fn roots_are_merged_and_equal_types_are_one() {
    let a = part(
        "a",
        "type Query { me: User now: Date } type Mutation { rename: User } \
         scalar Date \"A person.\" type User { id: ID! born: Date } type Unused { x: Int }",
    );
    let b = part(
        "b",
        "schema { query: Root subscription: Subs } type Root { users(by: By): [User] found: Found } \
         type Subs { joined: User } scalar Date type User { born: Date id: ID! @deprecated } \
         input By { day: Day = MON } enum Day { MON } union Found = User | Shop \
         interface Named { name: String } type Shop implements Named { name: String }",
    );
    let composed = compose(&[a, b]).unwrap();
    let sdl = composed.sdl();
    let (live, rest) = sdl.split_at(sdl.find("type Query").unwrap());
    assert!(live.contains("directive @live("), "{live}");
    assert_eq!(
        rest,
        "type Query {\n  me: User\n  now: Date\n  users(by: By): [User]\n  found: Found\n}\n\n\
         type Mutation {\n  rename: User\n}\n\n\
         type Subscription {\n  joined: User\n}\n\n\
         scalar Date\n\n\
         \"\"\"A person.\"\"\"\ntype User {\n  id: ID!\n  born: Date\n}\n\n\
         input By {\n  day: Day = MON\n}\n\n\
         enum Day {\n  MON\n}\n\n\
         union Found = User | Shop\n\n\
         interface Named {\n  name: String\n}\n\n\
         type Shop implements Named {\n  name: String\n}\n"
    );
    assert_eq!(composed.root_field(OperationType::Query, "users"), Some((1, "users")));
    assert_eq!(composed.root_field(OperationType::Mutation, "rename"), Some((0, "rename")));
    assert_eq!(composed.root_field(OperationType::Query, "rename"), None);
    assert_eq!(composed.type_at_source(0, "Shop"), None);
}

#[test]
fn prefixes() {
    let sdl = "type Query { top(by: By): User } scalar Date union U = User enum E { A } \
               interface I { e: E } type User implements I { e: E at: Date all: [U!]! } input By { e: E }";
    let mut b = part("b", sdl);
    b.field_prefix = "b_".into();
    b.type_prefix = "B_".into();
    let composed = compose(&[part("a", sdl), b]).unwrap();
    let text = composed.sdl();
    assert!(text.contains("b_top(by: B_By): B_User") && text.contains("top(by: By): User"));
    assert!(
        text.contains("type B_User implements B_I {\n  e: B_E\n  at: B_Date\n  all: [B_U!]!\n}")
    );
    assert_eq!(composed.root_field(OperationType::Query, "b_top"), Some((1, "top")));
    assert_eq!(composed.type_at_source(1, "B_User"), Some("User"));
    assert_eq!(composed.type_at_source(1, "User"), None);
    let mut bad = part("b", sdl);
    bad.type_prefix = "1".into();
    assert!(conflict(&[bad]).contains("the prefix \"1\" cannot begin a name"));
}

#[test]
fn conflicts_name_both_sources_and_the_way_out() {
    let a = || part("a", "type Query { me: User } type User { id: ID! age: Int }");
    let b = || part("b", "type Query { me: User } type User { id: ID! age: String }");
    let text = conflict(&[a(), b()]);
    assert_eq!(
        text,
        "query field \"me\" is offered by \"a\" and by \"b\": give one of them a prefix \
         (prefix.root_fields), or leave the field out of one (exclude: [\"query.me\"])\n\
         type \"User\" differs between \"a\" and \"b\": User.age: \"a\" has it as Int, \"b\" has it as \
         String; make them equal, or give the types of one a prefix (prefix.types)"
    );
    let mut b = b();
    b.field_prefix = "b_".into();
    b.type_prefix = "B_".into();
    assert!(compose(&[a(), b]).is_ok());
    let missing = part("b", "type Query { other: User } type User { id: ID! }");
    assert!(
        conflict(&[a(), missing]).contains("User.age: \"a\" has it as Int, \"b\" does not have it")
    );
    let kind = part("b", "type Query { other: User } enum User { X }");
    assert!(conflict(&[a(), kind]).contains("\"b\" has it as enum"));
    let root = part("b", "schema { query: Q } type Q { other: Query } type Query { x: Int }");
    assert!(conflict(&[a(), root]).contains("has the name of a root"));
    assert!(conflict(&[a(), a()]).contains("two sources are named \"a\""));
    assert!(conflict(&[]).contains("no source offers a field to query"));
}

#[test]
fn every_kind_of_difference_is_one() {
    let base = "type Query { x(i: I): T, u: U, n: N } type T implements N { a: Int } interface N { a: Int } \
                union U = T input I { a: Int = 1 }";
    for other in [
        "type Query { y(i: I): T } type T implements N { a(x: Int): Int } interface N { a: Int } input I { a: Int = 1 }",
        "type Query { y(i: I): T } type T { a: Int } input I { a: Int = 1 }",
        "type Query { y(i: I): T } type T implements N { a: Int } interface N { a: Int } input I { a: Int = 2 }",
        "type Query { y(i: I): T } type T implements N { a: Int } interface N { a: Int } input I { a: Int = 1 b: Int }",
        "type Query { y(i: I): U } type T implements N { a: Int } interface N { a: Int } type V { v: Int } union U = T | V input I { a: Int = 1 }",
        "type Query { y(i: I): T } type T implements N { a: Int } interface N { a: Int } directive @oneOf on INPUT_OBJECT input I @oneOf { a: Int = 1 }",
    ] {
        let other = part("b", other);
        assert!(conflict(&[part("a", base), other]).contains("differs"), "equal");
    }
    let same = part(
        "b",
        "interface N { a: Int } type Query { y(i: I): T, v: U } union U = T input I { a: Int = 1 } \
         type T implements N { \"x\" a: Int @deprecated }",
    );
    assert!(compose(&[part("a", base), same]).is_ok());
}

#[test]
fn only_what_is_listed_is_offered() {
    let sdl = "type Query { user: User users: [User] secret: Secret } type Mutation { setUser: User } \
               type User { id: ID! } type Secret { key: String }";
    let mut a = part("a", sdl);
    a.include = patterns(&["user*", "sec*", "nothing"]);
    a.exclude = patterns(&["query.secret"]);
    let composed = compose(&[a]).unwrap();
    let text = composed.sdl();
    assert!(
        text.contains("users") && !text.contains("ecret") && !text.contains("Mutation"),
        "{text}"
    );
    assert_eq!(composed.notes(), ["source \"a\": nothing is named nothing"]);
}

#[test]
fn a_field_that_leads_back_to_the_root_leads_to_what_is_offered() {
    let sdl = "type Query { user: User node: Node secret: Int } type User { query: Query! } \
               interface Node { secret: Int }";
    let sdl = sdl.replace("type Query {", "type Query implements Node {");
    let mut a = part("my-api", &sdl);
    a.exclude = patterns(&["secret"]);
    // The interface promises what is left out: that is found, not passed over.
    assert!(conflict(&[a]).contains("not valid"));
    let mut a = part("my-api", "type Query { user: User secret: Int } type User { query: Query! }");
    a.exclude = patterns(&["secret"]);
    let b = part("b", "type Query { other: Int }");
    let text = compose(&[a, b]).unwrap().sdl();
    assert!(text.contains("type Query {\n  user: User\n  other: Int\n}"), "{text}");
    assert!(text.contains("query: my_api_Query!"), "{text}");
    assert!(text.contains("type my_api_Query {\n  user: User\n}"), "{text}");
}

#[test]
fn directives_are_merged() {
    let a = "directive @cached(ttl: Int) on FIELD directive @key on OBJECT type Query { a: Int }";
    let b = "directive @cached(ttl: Int) on FIELD directive @up(how: How) on FIELD | OBJECT \
             directive @defer(if: Boolean) on FRAGMENT_SPREAD enum How { X } type Query { b: Int }";
    let text = compose(&[part("a", a), part("b", b)]).unwrap().sdl();
    assert!(text.contains("directive @cached(ttl: Int) on FIELD"), "{text}");
    assert!(text.contains("directive @up(how: How) on FIELD\n"), "{text}");
    assert!(
        text.contains("enum How") && !text.contains("@key") && !text.contains("@defer"),
        "{text}"
    );
    let c = "directive @cached(ttl: Int!) on FIELD type Query { c: Int }";
    let text = conflict(&[part("a", a), part("c", c)]);
    assert!(
        text.contains("\"@cached\" differs between \"a\" and \"c\", at @cached(ttl:)"),
        "{text}"
    );
    let mut c = part("c", c);
    c.exclude = patterns(&["@cached"]);
    assert!(compose(&[part("a", a), c]).is_ok());
}

#[test]
fn one_of_stays() {
    let sdl = "directive @oneOf on INPUT_OBJECT input I @oneOf { a: Int b: Int } type Query { x(i: I): Int }";
    let text = compose(&[part("a", sdl)]).unwrap().sdl();
    assert!(text.contains("input I @oneOf"), "{text}");
}

#[test]
fn a_database_takes_part_with_the_schema_of_a_role() {
    use artesian_graphql::{
        document::{Document, ParseLimits},
        schema::{Field, InputField, Schema, TypeKind, TypeRef},
        sdl,
    };
    let mut own = Schema::new("query_root");
    own.subscription = Some("subscription_root".into());
    let rows = || {
        let limit = InputField::new(TypeRef::named("Int"));
        Field::new(TypeRef::named("author").rows()).arg("limit", limit)
    };
    let author = [("id".into(), Field::new(TypeRef::named("Int").non_null()))];
    own.add("author", Some("a \"table\""), TypeKind::Object(author.into_iter().collect()));
    for root in ["query_root", "subscription_root"] {
        let fields = [("author".into(), rows())].into_iter().collect();
        own.add(root, None, TypeKind::Object(fields));
    }
    let database = part("default", &sdl::print(&own));
    let names = RootNames::of(&database.schema);
    let service = part("reviews", "type Query { reviews: [Int] } type Mutation { review: Int }");
    let composed = Arc::new(compose_as(&[database, service], &names).unwrap());
    let text = composed.sdl();
    assert!(text.contains("query: query_root\n  mutation: Mutation\n"), "{text}");
    assert!(text.contains("directive @live("), "{text}");
    let limits = crate::PlanLimits::default();
    let text = "query Q($n: Int) @live { ...F reviews } fragment F on query_root { author(limit: $n) { id } }";
    let document = composed.parse(text, &limits).unwrap();
    let plan = crate::Plan::new(composed, document, None, &limits).unwrap();
    // What the database is sent is a document that the engine binds to the role's schema.
    let sent = &plan.requests()[0].text;
    assert_eq!(&**sent, "query Q($n: Int) { author(limit: $n) { id } }");
    let document = Document::parse(sent, ParseLimits::default()).unwrap();
    let operation = document.operation(None).unwrap();
    let variables = serde_json::Map::new();
    let limits = artesian_graphql::bind::BindLimits::default();
    let bound =
        artesian_graphql::bind::bind(&document, operation, &own, &variables, limits).unwrap();
    assert!(plan.is_live() && bound.fields.len() == 1);
    assert_eq!(&*plan.requests()[1].text, "query Q { reviews }");
}

#[test]
fn live_fields_are_subscriptions_too() {
    let sdl = "type Query { price(of: ID!): Price! stock: Int secret: Int } type Price { cents: Int } \
               type Subscription { stock: Float }";
    let live = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
    let mut a = part("a", sdl);
    a.field_prefix = "a_".into();
    a.type_prefix = "A_".into();
    a.live = live(&["price", "stock", "secret", "gone"]);
    a.exclude = patterns(&["subscription.secret"]);
    let composed = compose(std::slice::from_ref(&a)).unwrap();
    let sdl = composed.sdl();
    // A subscription of its own goes before.
    let root = "type Subscription {\n  a_stock: Float\n  a_price(of: ID!): A_Price!\n}";
    assert!(sdl.contains(root), "{sdl}");
    assert_eq!(composed.root_field(OperationType::Subscription, "a_price"), Some((0, "price")));
    assert_eq!(composed.notes(), ["source \"a\": there is no query field gone to be live"]);

    // Who may not ask may not subscribe.
    a.narrowed = Some((Vec::new(), patterns(&["query.price"])));
    let sdl = compose(std::slice::from_ref(&a)).unwrap().sdl();
    assert!(sdl.contains("type Subscription {\n  a_stock: Float\n}"), "{sdl}");
    // And one whose own subscription is not to be seen has the query.
    a.narrowed = Some((patterns(&["query.*"]), Vec::new()));
    let sdl = compose(std::slice::from_ref(&a)).unwrap().sdl();
    assert!(sdl.contains("  a_price(of: ID!): A_Price!\n  a_stock: Int\n}"), "{sdl}");

    // Nor is there another if the source is not asked for subscriptions at all.
    a.narrowed = None;
    a.streams = false;
    a.live = live(&["price"]);
    let sdl = compose(std::slice::from_ref(&a)).unwrap().sdl();
    assert!(sdl.contains("type Subscription {\n  a_price(of: ID!): A_Price!\n}"), "{sdl}");

    let b = part("b", "type Query { b: Int } type Subscription { a_price: Int }");
    assert!(conflict(&[a, b]).contains("subscription field \"a_price\" is offered by"));
}
