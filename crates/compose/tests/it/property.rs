//! Splitting over three sources and joining gives what one source that has everything would give.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use apollo_compiler::{Schema, ast::OperationType, validation::Valid};
use artesian_compose::{Answer, Composed, Plan, PlanLimits, compose};
use artesian_remote::Response;
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::{
    choices::Choices,
    executor::{Itself, Outcome, View, execute},
    operations::{self, Request},
    schemas::{self, Source},
};

/// The composed schema as the reference sees it.
struct Merged<'a> {
    composed: &'a Composed,
    kind: OperationType,
}

impl View for Merged<'_> {
    fn source(&self, root_field: &str) -> usize {
        // Meta-fields are nobody's; what they give does not depend on the source.
        self.composed.root_field(self.kind, root_field).map_or(0, |(source, _)| source)
    }

    fn own_name(&self, source: usize, ty: &str) -> Option<String> {
        self.composed.type_at_source(source, ty).map(str::to_owned)
    }
}

pub fn answer(text: &str) -> Answer {
    let response = Response::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap();
    let Response { text, data, errors, extensions } = response;
    Answer::Response { text, data, errors, extensions }
}

fn valid(sdl: &str) -> Valid<Schema> {
    Schema::parse_and_validate(sdl, "s").unwrap_or_else(|e| panic!("{e}\n{sdl}"))
}

/// Asks every source, joins.
pub fn split(sources: &[Valid<Schema>], plan: &Arc<Plan>, variables: &Map<String, Value>) -> Bytes {
    let bound = plan.bind(variables).unwrap();
    let mut answers = Vec::new();
    for (at, request) in bound.requests().iter().enumerate() {
        let asked = &plan.requests()[request.index];
        let variables = request.variables.as_deref().map(|t| serde_json::from_slice(t).unwrap());
        let text = execute(
            &sources[asked.source],
            &Itself(asked.source),
            &asked.text,
            asked.operation_name.as_deref(),
            &variables.unwrap_or_default(),
            0,
        );
        // The source validates: a document that it would refuse has no data.
        assert!(text.starts_with("{\"data\""), "{text}");
        answers.push(answer(&text));
        if plan.kind() == OperationType::Mutation && bound.stops_after(at, &answers[at]) {
            break;
        }
    }
    bound.join(&answers)
}

/// What one source that has everything would give.
pub fn reference(composed: &Composed, kind: OperationType, request: &Request) -> Outcome {
    let view = Merged { composed, kind };
    let merged = valid(&composed.sdl());
    let whole = execute(&merged, &view, &request.text, None, &request.variables, 0);
    Outcome::of_response(whole.as_bytes())
}

struct Case {
    sources: Vec<Source>,
    composed: Arc<Composed>,
    kind: OperationType,
    request: Request,
}

fn case(bytes: &[u8]) -> Option<Case> {
    let mut choices = Choices::new(bytes);
    // The operation is chosen first: its bytes must not run out.
    let (head, tail) = bytes.split_at(bytes.len() / 2);
    let sources = schemas::sources(&mut Choices::new(head));
    let parts: Vec<_> = sources.iter().map(Source::part).collect();
    let composed = Arc::new(compose(&parts).unwrap_or_else(|e| panic!("{e}")));
    let kinds = [
        OperationType::Query,
        OperationType::Query,
        OperationType::Mutation,
        OperationType::Subscription,
    ];
    let kind = *choices.of(&kinds);
    let schema = valid(&composed.sdl());
    let request = operations::operation(&mut Choices::new(tail), &schema, kind)?;
    Some(Case { sources, composed, kind, request })
}

#[test]
fn splitting_changes_nothing() {
    static TRIED: AtomicUsize = AtomicUsize::new(0);
    static DONE: AtomicUsize = AtomicUsize::new(0);
    static SEVERAL: AtomicUsize = AtomicUsize::new(0);
    static WITH_ERRORS: AtomicUsize = AtomicUsize::new(0);
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(400);
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..ProptestConfig::default()
    };
    proptest!(config, |(bytes in prop::collection::vec(any::<u8>(), 200..700))| {
        let Some(Case { sources, composed, kind, request }) = case(&bytes) else { return Ok(()) };
        TRIED.fetch_add(1, Ordering::Relaxed);
        let limits = PlanLimits::default();
        // Some have two meanings for one key, or spread what cannot be there.
        let Ok(document) = composed.parse(&request.text, &limits) else { return Ok(()) };
        let plan = match Plan::new(Arc::clone(&composed), document, None, &limits) {
            Ok(plan) => Arc::new(plan),
            Err(error) => {
                let text = error.to_string();
                let is_known = text.contains("another alias") || text.contains("select it once")
                    || text.contains("exactly one field");
                prop_assert!(is_known, "{text}");
                return Ok(());
            }
        };
        DONE.fetch_add(1, Ordering::Relaxed);
        SEVERAL.fetch_add(usize::from(plan.requests().len() > 1), Ordering::Relaxed);
        let whole = reference(&composed, kind, &request);
        let own: Vec<_> = sources.iter().map(|s| valid(&s.sdl)).collect();
        let joined = split(&own, &plan, &request.variables);
        let texts: Vec<_> = plan.requests().iter().map(|r| &r.text).collect();
        let joined = Outcome::of_response(&joined);
        WITH_ERRORS.fetch_add(usize::from(!whole.errors.is_empty()), Ordering::Relaxed);
        prop_assert_eq!(&joined.data, &whole.data, "{}\n{:#?}", request.text, texts);
        prop_assert_eq!(&joined.errors, &whole.errors, "{}\n{:#?}", request.text, texts);
    });
    // The generator is of use: most of what it makes is valid, and much of it concerns several sources.
    let figure = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let (tried, done) = (figure(&TRIED), figure(&DONE));
    let (several, with_errors) = (figure(&SEVERAL), figure(&WITH_ERRORS));
    let enough = done * 2 > tried && several * 5 > done && with_errors * 20 > done;
    assert!(
        enough,
        "{tried} operations, {done} valid, {several} of several sources, {with_errors} with errors"
    );
}
