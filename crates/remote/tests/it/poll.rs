//! Live queries over services that only answer queries.

use std::{sync::Arc, time::Duration};

use artesian_remote::{
    CircuitState, Credentials, End, Poll, RemoteError, Transport, Update, Upstream, UpstreamConfig,
};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::time::Instant;

use crate::support::{
    Service,
    answers::{Answers, Mode, result},
    config, credentials, mutation, query, settle, subscription,
};

const SECOND: Duration = Duration::from_secs(1);
const Q: &str = "{ n }";

fn world_with(config: UpstreamConfig) -> (Arc<Service>, Answers, Upstream) {
    let service = Arc::new(Service::new());
    let answers = Answers::start(&service);
    let client = service.client(config);
    (service, answers, client)
}

fn world() -> (Arc<Service>, Answers, Upstream) {
    world_with(config(Transport::None))
}

/// The next update, which must come within five minutes of the test's time.
async fn update(poll: &mut Poll) -> Update {
    let next = tokio::time::timeout(Duration::from_secs(300), poll.next());
    next.await.expect("an update within five minutes").expect("an update before the end")
}

async fn data(poll: &mut Poll) -> Bytes {
    match update(poll).await {
        Update::Next(response) => response.data.expect("data"),
        other => panic!("no result: {other:?}"),
    }
}

async fn end(poll: &mut Poll) -> End {
    let end = match update(poll).await {
        Update::End(end) => end,
        other => panic!("not the end: {other:?}"),
    };
    assert_eq!(poll.next().await, None, "nothing follows the end");
    end
}

#[tokio::test(start_paused = true)]
async fn only_changes_are_told_and_the_first_result_at_once() {
    let (_service, answers, client) = world();
    let start = Instant::now();
    let mut poll = client.poll(query(Q), credentials("a"), SECOND).unwrap();
    assert_eq!(data(&mut poll).await, result("a", Q, 0));
    assert!(start.elapsed() < Duration::from_millis(10), "{:?}", start.elapsed());
    tokio::time::sleep(100 * SECOND).await;
    assert_eq!(poll.next().now_or_never(), None, "nothing has changed");
    let stats = client.stats();
    // The interval and up to a tenth of it.
    assert!((91..=101).contains(&stats.polls_run), "{stats:?}");
    assert_eq!((stats.polls, stats.polls_unchanged), (1, stats.polls_run - 1));
    answers.set(Q, 1);
    let start = Instant::now();
    assert_eq!(data(&mut poll).await, result("a", Q, 1));
    assert!(start.elapsed() <= SECOND + SECOND / 10, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn one_poll_for_all_who_ask_the_same() {
    let (_service, answers, client) = world();
    let join = |text: &str, token: &str, interval| {
        client.poll(query(text), credentials(token), interval).unwrap()
    };
    let mut all: Vec<Poll> = (0..50).map(|_| join(Q, "a", SECOND)).collect();
    let _others = [join(Q, "b", SECOND), join("{ m }", "a", SECOND), join(Q, "a", 2 * SECOND)];
    assert_eq!(client.stats().polls, 4);
    for poll in &mut all {
        assert_eq!(data(poll).await, result("a", Q, 0));
    }
    assert_eq!(answers.asked("a", Q), 2, "one for each interval");
    // Who comes later gets what is there, at once.
    answers.set(Q, 7);
    let mut late = join(Q, "a", SECOND);
    match late.next().now_or_never() {
        Some(Some(Update::Next(response))) => {
            assert_eq!(response.data.unwrap(), result("a", Q, 0));
        }
        other => panic!("{other:?}"),
    }
    for poll in all.iter_mut().chain([&mut late]) {
        assert_eq!(data(poll).await, result("a", Q, 7));
    }
    // The last one to leave ends it at once.
    drop(late);
    assert_eq!(client.stats().polls, 4);
    drop(all);
    assert_eq!(client.stats().polls, 3);
    drop(_others);
    assert_eq!(client.stats().polls, 0);
    settle().await;
    let before = answers.asked_at_all();
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(answers.asked_at_all(), before);
}

#[tokio::test(start_paused = true)]
async fn leaving_ends_a_request_that_is_under_way() {
    let (_service, answers, client) = world();
    answers.mode(Mode::Silence);
    let poll = client.poll(query(Q), credentials("a"), SECOND).unwrap();
    settle().await;
    assert_eq!(answers.running(), 1);
    drop(poll);
    settle().await;
    assert_eq!((answers.running(), client.stats().polls), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_poll_never_overlaps_itself() {
    let (_service, answers, client) = world();
    answers.delay(5 * SECOND);
    let mut poll = client.poll(query(Q), credentials("a"), SECOND).unwrap();
    for n in 0..20 {
        answers.set(Q, n);
        assert_eq!(data(&mut poll).await, result("a", Q, n));
    }
    assert_eq!(answers.most(), 1);
    // Between two requests the service has a rest.
    let start = Instant::now();
    answers.set(Q, 100);
    data(&mut poll).await;
    assert!(start.elapsed() >= 5 * SECOND + SECOND / 4, "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn who_is_slow_gets_the_latest_only() {
    let (_service, answers, client) = world();
    let mut fast = client.poll(query(Q), credentials("a"), SECOND).unwrap();
    let mut slow = client.poll(query(Q), credentials("a"), SECOND).unwrap();
    for n in 0..1000 {
        answers.set(Q, n);
        assert_eq!(data(&mut fast).await, result("a", Q, n));
    }
    assert_eq!(data(&mut slow).await, result("a", Q, 999));
    assert_eq!(slow.next().now_or_never(), None);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_told_once_and_passes() {
    for (mode, expected) in [
        (Mode::Break, RemoteError::Lost { code: None, reason: "".into() }),
        (Mode::Say { status: 502, head: "", body: "<html>" }, RemoteError::Status(502)),
        (Mode::Say { status: 404, head: "", body: "<html>" }, RemoteError::Status(404)),
        (Mode::Say { status: 200, head: "", body: "<html>" }, RemoteError::NotJson(200)),
    ] {
        let mut config = config(Transport::None);
        config.retry.attempts = 0;
        let (_service, answers, client) = world_with(config);
        let mut poll = client.poll(query(Q), credentials("a"), SECOND).unwrap();
        assert_eq!(data(&mut poll).await, result("a", Q, 0));
        answers.mode(mode.clone());
        assert_eq!(update(&mut poll).await, Update::Failed(expected.clone()));
        let (before, start) = (answers.asked_at_all(), Instant::now());
        tokio::time::sleep(300 * SECOND).await;
        assert_eq!(poll.next().now_or_never(), None, "once: {mode:?}");
        // Fewer and fewer, but at least one in ten seconds or when the circuit lets one through.
        let asked = answers.asked_at_all() - before;
        assert!((6..=120).contains(&asked), "{mode:?} {asked} in {:?}", start.elapsed());
        let mut late = client.poll(query(Q), credentials("a"), SECOND).unwrap();
        assert_eq!(late.next().now_or_never(), Some(Some(Update::Failed(expected))));
        answers.mode(Mode::Answer);
        // Nothing has changed since, but that it works again is news.
        for poll in [&mut poll, &mut late] {
            assert_eq!(data(poll).await, result("a", Q, 0), "{mode:?}");
        }
        assert_eq!(client.stats().circuit, CircuitState::Closed);
        assert_eq!(client.stats().polls, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_circuit_is_respected() {
    let (service, _answers, client) = world();
    service.set_up(false);
    let mut polls: Vec<Poll> = (0..50)
        .map(|n| client.poll(query(&format!("{{ n{n} }}")), credentials("a"), SECOND).unwrap())
        .collect();
    tokio::time::sleep(60 * SECOND).await;
    assert_eq!(client.stats().circuit, CircuitState::Open);
    let before = service.dialled();
    let run = client.stats().polls_run;
    tokio::time::sleep(300 * SECOND).await;
    // All wait until then, and do not ask the circuit again and again.
    let run = client.stats().polls_run - run;
    assert!(run < 50 * 60, "{run} in five minutes");
    // Each time that it is open one tries, and no more than a few more.
    let dialled = service.dialled() - before;
    assert!((8..=30).contains(&dialled), "{dialled} in five minutes");
    for poll in &mut polls {
        assert!(matches!(update(poll).await, Update::Failed(_)));
        assert_eq!(poll.next().now_or_never(), None);
    }
    service.set_up(true);
    for poll in &mut polls {
        assert!(matches!(update(poll).await, Update::Next(_)));
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_end_it() {
    let errors = r#"[{"message":"expired","extensions":{"code":"UNAUTHENTICATED"}}]"#;
    let body = r#"{"errors":[{"message":"expired","extensions":{"code":"UNAUTHENTICATED"}}]}"#;
    let refused = |code| End::Failed(RemoteError::Refused { code: Some(code), reason: "".into() });
    for (status, body, expected) in [
        (401, "no", refused(401)),
        (403, "{}", refused(403)),
        (401, body, End::Errors(Bytes::from_static(errors.as_bytes()))),
    ] {
        let (_service, answers, client) = world();
        let mut poll = client.poll(query(Q), credentials("a"), SECOND).unwrap();
        data(&mut poll).await;
        answers.mode(Mode::Say { status, head: "", body });
        assert_eq!(end(&mut poll).await, expected, "{status} {body}");
        settle().await;
        assert_eq!(client.stats().polls, 0);
        let before = answers.asked_at_all();
        tokio::time::sleep(60 * SECOND).await;
        assert_eq!(answers.asked_at_all(), before, "it does not go on");
        // Who comes afterwards begins anew, be it that the old ones have not left.
        answers.mode(Mode::Answer);
        let mut again = client.poll(query(Q), credentials("a"), SECOND).unwrap();
        assert_eq!(data(&mut again).await, result("a", Q, 0));
        drop(poll);
        assert_eq!(client.stats().polls, 1, "who leaves the old one does not end the new one");
    }
    assert_eq!(RemoteError::Refused { code: None, reason: "".into() }.code(), "access-denied");
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_service_are_results() {
    let (_service, answers, client) = world();
    let body = r#"{"errors":[{"message":"x"}],"data":null}"#;
    for (status, body) in [(200, r#"{"errors":[{"message":"x"}]}"#), (500, body), (403, body)] {
        answers.mode(Mode::Say { status, head: "", body });
        let mut poll = client.poll(query(Q), credentials("a"), SECOND).unwrap();
        match update(&mut poll).await {
            Update::Next(response) => assert_eq!(response.text, body),
            other => panic!("{other:?}"),
        }
        tokio::time::sleep(10 * SECOND).await;
        assert_eq!(poll.next().now_or_never(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn limits() {
    let mut config = config(Transport::None);
    config.limits.polls = 2;
    config.min_interval = 5 * SECOND;
    let (_service, answers, client) = world_with(config);
    let join = |text: &str| client.poll(query(text), Credentials::none(), Duration::ZERO);
    let mut a = join("{ a }").unwrap();
    let _b = join("{ b }").unwrap();
    let busy = RemoteError::Busy { what: "polled queries", limit: 2 };
    assert_eq!(join("{ c }").unwrap_err(), busy);
    let _also_a = client.poll(query("{ a }"), Credentials::none(), SECOND).unwrap();
    data(&mut a).await;
    tokio::time::sleep(50 * SECOND).await;
    let asked = answers.asked("", "{ a }");
    assert!((9..=11).contains(&asked), "{asked}");
    drop(_b);
    let _c = join("{ c }").unwrap();
    for operation in [mutation("mutation { n }"), subscription("subscription { n }")] {
        let refused = client.poll(operation, Credentials::none(), SECOND);
        assert!(matches!(refused, Err(RemoteError::Request(_))));
    }
}

/// A thousand slow polls leave room for what clients wait for.
#[tokio::test(start_paused = true)]
async fn polls_do_not_crowd_out_single_operations() {
    let mut config = config(Transport::None);
    config.limits.concurrent_requests = 20;
    config.limits.waiting_requests = 10;
    config.limits.concurrent_polls = 5;
    let (_service, answers, client) = world_with(config);
    answers.delay(SECOND);
    let mut polls: Vec<Poll> = (0..1000)
        .map(|n| client.poll(query(&format!("{{ n{n} }}")), credentials("a"), SECOND).unwrap())
        .collect();
    for _ in 0..20 {
        settle().await;
        assert!(answers.running() <= 5, "{}", answers.running());
        let response = client.request(&query("{ now }"), &credentials("a")).await.unwrap();
        assert_eq!(response.data.unwrap(), result("a", "{ now }", 0));
    }
    // And all of them get their turn.
    for (n, poll) in polls.iter_mut().enumerate() {
        assert_eq!(data(poll).await, result("a", &format!("{{ n{n} }}"), 0));
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_the_client_ends_all() {
    let (_service, _answers, client) = world();
    let mut poll = client.poll(query(Q), credentials("a"), SECOND).unwrap();
    data(&mut poll).await;
    drop(client);
    assert_eq!(end(&mut poll).await, End::Failed(RemoteError::ShutDown));
}
