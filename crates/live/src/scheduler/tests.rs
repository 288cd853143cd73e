//! The state machine on its own: after every step of random schedules, each
//! cohort is in exactly the place that its phase says, and nothing else is in
//! any place.

use super::*;
use crate::plan::Dependencies;

#[derive(PartialEq, Eq, Hash)]
struct Query(u64, Dependencies);

impl Plan for Query {
    fn dependencies(&self) -> &Dependencies {
        &self.1
    }
}

type Machine = Scheduler<Query, &'static str>;

fn query(number: u64) -> Arc<Query> {
    let tables = [format!("t{}", number % 2), "all".to_string()];
    let reads = Dependencies {
        tables: tables.iter().map(|t| Arc::from(t.as_str())).collect(),
        volatile: number.is_multiple_of(3),
    };
    Arc::new(Query(number, reads))
}

fn check(machine: &Machine) {
    let mut placed = 0;
    let mut timers = 0;
    for (&plan, entry) in &machine.plans {
        assert_eq!(machine.by_plan.get(&entry.plan), Some(&plan));
        assert!(!entry.by_params.is_empty(), "a plan without cohorts");
        assert_eq!(entry.queued.is_some(), entry.has_work());
        if let Some(turn) = entry.queued {
            assert_eq!(machine.queue.get(&turn), Some(&plan));
        }
        if let Some(at) = entry.poll_at {
            assert!(machine.timers.contains(&(at, Timer::Poll(plan))));
            timers += 1;
        }
        placed +=
            entry.clean.len() + entry.running.len() + entry.ready.len() + entry.ready_alone.len();
        for id in &entry.hopeful {
            assert!(machine.cohorts[id].failures > 0);
        }
    }
    for (id, cohort) in &machine.cohorts {
        let entry = &machine.plans[&cohort.plan];
        assert_eq!(entry.by_params.get(&cohort.params), Some(id));
        assert!(cohort.subscribers > 0, "a cohort without subscribers");
        match cohort.phase {
            Phase::Clean => {
                assert!(entry.clean.contains(id));
                assert_eq!(cohort.seen, entry.generation, "clean, yet changed");
            }
            Phase::Running => assert!(entry.running.contains(id)),
            Phase::Ready(place) if cohort.failures > 0 => {
                assert_eq!(entry.ready_alone.get(&place), Some(id));
            }
            Phase::Ready(place) => assert_eq!(entry.ready.get(&place), Some(id)),
            Phase::Waiting(at) => {
                assert!(machine.timers.contains(&(at, Timer::Cohort(*id))));
                timers += 1;
                placed += 1;
            }
        }
    }
    assert_eq!(placed, machine.cohorts.len(), "something is left behind");
    assert_eq!(timers, machine.timers.len(), "a timer is left behind");
    assert_eq!(machine.by_plan.len(), machine.plans.len());
    let queued = machine.plans.values().filter(|e| e.queued.is_some());
    assert_eq!(queued.count(), machine.queue.len());
    if machine.plans.is_empty() {
        assert_eq!(machine.index.len(), 0, "the index remembers");
    }
}

struct UnderWay {
    flight: FlightId,
    plan: PlanId,
    /// Not finished; some of them may have left.
    cohorts: Vec<CohortId>,
}

fn schedule(seed: u64) {
    let mut state = seed;
    let mut below = move |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % n
    };
    let config = Config {
        batch_size: 1 + below(4) as usize,
        connections: 1 + below(3) as usize,
        ..Config::default()
    };
    let connections = config.connections;
    let mut machine = Machine::new(config);
    let mut now = Instant::now();
    let mut here: Vec<CohortId> = Vec::new();
    let mut flights: Vec<UnderWay> = Vec::new();
    for _ in 0..400 {
        match below(12) {
            0..3 => {
                let params: Params = Arc::from([Some(Arc::from(below(5).to_string()))]);
                here.push(machine.join(query(below(4)), params, now).cohort);
            }
            3..5 if !here.is_empty() => {
                machine.leave(here.swap_remove(below(here.len() as u64) as usize));
            }
            5 => machine.invalidate(&Change::Tables(vec!["t0".into()]), now),
            6 => machine.invalidate(&Change::Everything, now),
            7 => machine.set_polling(below(2) == 0, now),
            8 => now += Duration::from_millis(below(300)),
            9 => {
                machine.advance(now);
                while let Some(batch) = machine.launch(now) {
                    flights.push(UnderWay {
                        flight: batch.flight,
                        plan: batch.id,
                        cohorts: batch.cohorts,
                    });
                }
                assert!(flights.len() <= connections);
            }
            _ if !flights.is_empty() => {
                let number = below(flights.len() as u64) as usize;
                let UnderWay { flight, plan, cohorts } = flights.swap_remove(number);
                let seats = machine.begin(plan, &cohorts);
                let ids = seats.iter().map(|(_, seat)| seat.cohort);
                let mut left = Vec::new();
                match below(5) {
                    0 => machine.unreached(flight, ids, &"down", now),
                    1 => {
                        machine.reached(flight);
                        ids.for_each(|id| machine.failed(id, now));
                    }
                    2 => left = cohorts,
                    _ => {
                        machine.reached(flight);
                        machine.succeeded(ids, now, Duration::from_millis(1), now);
                    }
                }
                machine.landed(flight, left.into_iter(), now);
            }
            _ => {}
        }
        check(&machine);
        assert_eq!(machine.stats().subscribers, here.len());
    }
    for id in here {
        machine.leave(id);
        check(&machine);
    }
    for under_way in flights {
        assert!(machine.begin(under_way.plan, &under_way.cohorts).is_empty());
        machine.landed(under_way.flight, under_way.cohorts.into_iter(), now);
    }
    check(&machine);
    assert_eq!(machine.stats(), Stats::default());
    assert_eq!(machine.deadline(), None, "a wake-up for nobody");
}

#[test]
fn everything_is_in_its_place() {
    for seed in 0..500 {
        schedule(seed);
    }
}
