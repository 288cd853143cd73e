//! Start-up time: from the start of the process to the first 200 of `/healthz`.

use std::{fmt::Write, time::Duration};

use crate::server::{Server, database};

/// Makes databases of 1, 100 and 1,000 tables and starts the server on each five times.
pub async fn run(artesian: &str, url: &str) {
    let admin = database(url).await;
    let base = url.rsplit_once('/').unwrap().0;
    println!("start-up until /healthz answers 200; tables of 12 columns, each refers to another");
    for tables in [1, 100, 1000] {
        let name = format!("bench_start_{tables}");
        admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name}")).await.unwrap();
        admin.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        let url = format!("{base}/{name}");
        let mut sql = String::new();
        for t in 0..tables {
            let _ = write!(
                sql,
                "CREATE TABLE t{t} (id int PRIMARY KEY, ref_id int REFERENCES t{}(id), a text, b text, \
                 c int, d numeric, e boolean, f timestamptz, g jsonb, h uuid, i text[], j date);",
                if t == 0 { 0 } else { t - 1 }
            );
        }
        database(&url).await.batch_execute(&sql).await.unwrap();
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..5 {
            times.push(Server::start(artesian, &url).await.ready_after);
        }
        times.sort();
        println!(
            "{tables:>5} tables: median {:?}, fastest {:?}, slowest {:?}",
            times[2], times[0], times[4]
        );
        admin.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    }
}
