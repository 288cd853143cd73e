//! Who is who at the service: headers, templates, cookies, twenty at once, after a broken connection.

use std::collections::BTreeMap;

use artesian_upstreams::{
    client::{Caller, Transport, ask},
    gateway::Source,
    script::Act,
    seen,
};
use futures_util::future::join_all;

use super::who_query;
use crate::support::{Single, World, emit_until, everywhere, living, living_as};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_reaches_the_service_exactly_once() {
    everywhere(async |protocol| {
        let world = World::new(&Source::new(protocol)).await;
        for transport in Transport::ALL {
            let topic = format!("{transport:?}");
            let caller = Caller::header("t").and_header("x-other", "1").and_header("cookie", "a=1");
            let single = Single::new(&world, transport, &caller, &topic).await;
            let live = world.service.alive(&topic).await;
            assert_eq!(live.who, single.who);
            let begun = world.service.begun(&topic);
            assert_eq!(begun.len(), 1);
            let seen = &begun[0].seen;
            assert_eq!(seen.all("authorization"), ["t"]);
            for name in ["x-other", "cookie", "x-hasura-role"] {
                assert_eq!(seen.all(name), [""; 0], "{protocol}: {name} is not on the list");
            }
            single.client.kill().await;
            let caller = Caller::header("t");
            let (_, answer) = ask(world.gateway.address, &caller, &who_query(&topic)).await;
            assert_eq!(answer["data"]["who"]["who"], "t|-|-");
            assert_eq!(world.service.asked(&topic)[0].seen.all("authorization"), ["t"]);
        }
        world.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_inherits_nothing() {
    everywhere(async |protocol| {
        let world = World::new(&Source::new(protocol)).await;
        for transport in Transport::ALL {
            let topic = format!("{transport:?}");
            let known = Caller::header("t").and_token("p");
            // Before somebody, beside somebody and after somebody.
            let nobody = Caller::default();
            let first = Single::new(&world, transport, &nobody, &topic).await;
            living(&world.service, &topic, 1).await;
            let other = Single::new(&world, transport, &known, &topic).await;
            living(&world.service, &topic, 2).await;
            first.client.kill().await;
            living(&world.service, &topic, 1).await;
            let last = Single::new(&world, transport, &nobody, &topic).await;
            let who = living(&world.service, &topic, 2).await;
            let mut expected = [seen::who("-", "-", "-"), other.who.clone()];
            expected.sort();
            assert_eq!(who, expected, "{protocol}");
            world.service.emit(&topic, 1);
            other.check(0).await;
            last.check(0).await;
            for (caller, name) in [(&known, "t|-|-"), (&nobody, "-|-|-"), (&known, "t|-|-")] {
                let (_, answer) = ask(world.gateway.address, caller, &who_query(&topic)).await;
                assert_eq!(answer["data"]["who"]["who"], name);
            }
            // Nor in whatever else is sent.
            let is_silent = |seen: &seen::Seen| {
                !format!("{seen:?}").contains("\"t\"") && seen.all("authorization").is_empty()
            };
            for begun in world.service.begun(&topic) {
                assert_eq!(begun.seen.who() == "-|-|-", is_silent(&begun.seen), "{begun:?}");
            }
            other.client.kill().await;
            last.client.kill().await;
            world.service.gone(&topic).await;
        }
        world.end().await;
    })
    .await;
}

/// Twenty callers at once, with nothing in place and with everything in place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_callers_are_twenty_at_the_service() {
    everywhere(async |protocol| {
        let world = World::new(&Source::new(protocol)).await;
        let callers: Vec<(Transport, Caller)> = (0..20)
            .map(|n| {
                let transport = Transport::ALL[n % 5];
                (transport, Caller::header(&format!("t{n}")).and_token(&format!("p{n}")))
            })
            .collect();
        for _warmth in 0..2 {
            let joining = callers
                .iter()
                .map(|(transport, caller)| Single::new(&world, *transport, caller, "same"));
            let all = join_all(joining).await;
            let mut expected: Vec<String> = all.iter().map(|single| single.who.clone()).collect();
            expected.sort();
            living_as(&world.service, "same", &expected).await;
            assert_eq!(world.service.emit("same", 1), 20);
            for single in &all {
                single.check(0).await;
            }
            let asking = callers.iter().map(|(_, caller)| async {
                let (_, answer) = ask(world.gateway.address, caller, &who_query("same")).await;
                let header = caller.header.as_deref().unwrap();
                assert_eq!(answer["data"]["who"]["who"], seen::who(header, "-", "-"));
            });
            join_all(asking).await;
            for single in all {
                let results = single.operation.log.with(|log| log.results.len());
                assert_eq!(results, 1, "one's own and nobody else's");
                single.client.kill().await;
            }
            world.service.gone("same").await;
        }
        world.end().await;
    })
    .await;
}

/// Equal clients share; it makes no difference that others do not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_operations_of_equals_are_one() {
    everywhere(async |protocol| {
        let world = World::new(&Source::new(protocol)).await;
        let (a, b) = (Caller::header("a"), Caller::header("b"));
        let mut all = Vec::new();
        for caller in [&a, &b] {
            for transport in Transport::ALL {
                all.push(Single::new(&world, transport, caller, "same").await);
            }
        }
        assert_eq!(living(&world.service, "same", 2).await, ["a|-|-", "b|-|-"], "{protocol}");
        let has_some = |single: &Single| single.operation.log.with(|log| !log.results.is_empty());
        emit_until(&world, "same", || all.iter().all(has_some)).await;
        for single in &all {
            single.check(0).await;
        }
        assert_eq!(world.service.begun("same").len(), 2);
        // The last leaver ends it, and nobody before.
        while let Some(single) = all.pop() {
            let rest = all.len().div_ceil(5);
            single.client.kill().await;
            living(&world.service, "same", rest).await;
        }
        world.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn templates_are_filled_for_each() {
    everywhere(async |protocol| {
        let mut source = Source::new(protocol);
        source.graphql = "headers:\n  set:\n    x-user: \"{{session.x-hasura-user-id}}\"\n    \
                          x-tenant: \"of {{headers.x-tenant}}\"\n    x-gateway: artesian\n    \
                          authorization: \"Bearer {{headers.x-token}}\""
            .to_owned();
        let world = World::new(&source).await;
        let callers: Vec<(Transport, Caller)> = (0..20)
            .map(|n| {
                let transport = Transport::ALL[n % 5];
                let caller = Caller::header("not for the service")
                    .and_header("x-hasura-user-id", &format!("u{n}"))
                    .and_header("x-tenant", &format!("t{}", n % 3))
                    .and_header("x-token", &format!("k{n}"));
                (transport, caller)
            })
            .collect();
        let joining = callers.iter().map(|(transport, caller)| async {
            let mut client = world.connect(*transport, caller).await;
            let operation = client.subscribe("same").await;
            (client, operation)
        });
        let all = join_all(joining).await;
        living(&world.service, "same", 20).await;
        let asking = callers.iter().map(|(_, caller)| async {
            ask(world.gateway.address, caller, &who_query("same")).await;
        });
        join_all(asking).await;
        let begun = world.service.begun("same").into_iter().map(|begun| begun.seen);
        let asked = world.service.asked("same").into_iter().map(|asked| asked.seen);
        let mut counts = BTreeMap::<String, usize>::new();
        for seen in begun.chain(asked) {
            let n: usize = seen.all("x-user")[0].strip_prefix('u').unwrap().parse().unwrap();
            assert_eq!(seen.all("x-user"), [format!("u{n}")]);
            assert_eq!(seen.all("x-tenant"), [format!("of t{}", n % 3)]);
            assert_eq!(seen.all("authorization"), [format!("Bearer k{n}")], "{protocol}");
            assert_eq!(seen.all("x-gateway"), ["artesian"]);
            *counts.entry(format!("u{n}")).or_default() += 1;
        }
        assert!(counts.len() == 20 && counts.values().all(|count| *count == 2), "{counts:?}");
        for (client, operation) in all {
            client.kill().await;
            drop(operation);
        }
        world.end().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_change_and_cookies_are_chosen() {
    everywhere(async |protocol| {
        let mut source = Source::new(protocol);
        source.graphql = "headers:\n  forward: [{ from: x-token, to: authorization }]\n  \
                          cookies: [session]"
            .to_owned();
        let world = World::new(&source).await;
        for transport in Transport::ALL {
            let topic = format!("{transport:?}");
            let caller = Caller::header("not this")
                .and_header("x-token", "k")
                .and_header("cookie", "a=1; session=s; b=2");
            let single = Single::new(&world, transport, &caller, &topic).await;
            world.service.alive(&topic).await;
            ask(world.gateway.address, &caller, &who_query(&topic)).await;
            let begun = world.service.begun(&topic).remove(0).seen;
            let asked = world.service.asked(&topic).remove(0).seen;
            for seen in [begun, asked] {
                assert_eq!(seen.all("authorization"), ["k"], "{protocol}");
                assert_eq!(seen.all("cookie"), ["session=s"], "{protocol}");
                assert_eq!(seen.all("x-token"), [""; 0]);
            }
            single.client.kill().await;
        }
        world.end().await;
    })
    .await;
}

/// After a broken connection everybody is who it was before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reconnecting_mixes_nothing_up() {
    everywhere(async |protocol| {
        let source = Source::new(protocol).graphql("retry: { first: 1ms, longest: 50ms }");
        let world = World::new(&source).await;
        let joining = (0..20).map(|n| {
            let caller = Caller::header(&format!("t{n}")).and_token(&format!("p{n}"));
            let world = &world;
            async move { Single::new(world, Transport::ALL[n % 5], &caller, "same").await }
        });
        let mut all = join_all(joining).await;
        let mut expected: Vec<String> = all.iter().map(|single| single.who.clone()).collect();
        expected.sort();
        living_as(&world.service, "same", &expected).await;
        for round in 0..3 {
            world.service.tell(|_| true, &Act::Cut);
            // Some leave while there is no connection, and do not come back.
            all.pop().unwrap().client.kill().await;
            let mut expected: Vec<String> = all.iter().map(|single| single.who.clone()).collect();
            expected.sort();
            living_as(&world.service, "same", &expected).await;
            world.service.emit("same", 1);
            for single in &all {
                single.check(round).await;
            }
        }
        for single in all {
            let results = single.operation.log.with(|log| log.results.len());
            assert_eq!(results, 3);
            single.client.kill().await;
        }
        world.end().await;
    })
    .await;
}
