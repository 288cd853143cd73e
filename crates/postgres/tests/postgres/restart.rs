//! A server that goes away and comes back.

use std::{sync::Arc, time::Duration};

use crate::common::{Database, Server, eventually, fetch};
use artesian_database::{Backend, BackendError};
use artesian_postgres::Postgres;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_costs_errors_while_it_lasts() {
    let server = Server::new("restart");
    let url = server.script("start");
    let database = Database::on(&url).await;
    database.run("CREATE TABLE t (id int)").await;
    let mut settings = database.settings();
    settings.connect_timeout = Duration::from_secs(2);
    let backend = Arc::new(Postgres::new(settings).unwrap());
    // Several connections, all with prepared statements.
    let query = "SELECT count(*)::text || pg_sleep(0.01)::text FROM t";
    for _ in 0..4 {
        let all = (0..4).map(|_| fetch(&backend, query));
        assert!(futures_util::future::join_all(all).await.iter().all(Result::is_ok));
    }
    assert_eq!(backend.connections(), (4, 4));

    let other = backend.clone();
    let caught = tokio::spawn(async move { fetch(&other, "SELECT pg_sleep(60)::text").await });
    eventually("it is under way", async || backend.connections().1 == 3).await;
    server.script("pause");
    let caught = caught.await.unwrap();
    assert!(matches!(caught, Err(BackendError::Unavailable(_))), "{caught:?}");
    for _ in 0..6 {
        let down = fetch(&backend, query).await;
        assert!(matches!(down, Err(BackendError::Unavailable(_))), "{down:?}");
        assert!(matches!(backend.ping().await, Err(BackendError::Unavailable(_))));
    }

    assert_eq!(server.script("start"), url, "on the same port");
    // All dead connections were noticed while the server was away: not one error more.
    for _ in 0..4 {
        let all = (0..4).map(|_| fetch(&backend, query));
        for result in futures_util::future::join_all(all).await {
            assert_eq!(result.unwrap(), "{\"data\":0}");
        }
    }
    assert_eq!(backend.catalog(&[], &[]).await.unwrap().tables.len(), 1);
}
