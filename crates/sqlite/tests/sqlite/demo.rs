//! The demo's town.

use std::future::pending;

use artesian_database::Backend;
use artesian_sqlite::rusqlite::Connection;
use artesian_sqlite::{Settings, Sqlite, demo};

use crate::support::{Directory, ask, heard_tables};

const NOW: i64 = 1_795_253_400;

fn town(seed: u64) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.execute_batch("PRAGMA foreign_keys = ON; BEGIN").unwrap();
    demo::fill(&connection, seed, NOW).unwrap();
    connection.execute_batch("COMMIT; BEGIN").unwrap();
    connection
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Every row of every table as one text.
fn content(connection: &Connection) -> String {
    let tables: Vec<String> = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let mut content = String::new();
    for table in tables {
        let mut rows = connection.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2")).unwrap();
        let columns = rows.column_count();
        let mut rows = rows.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            content.push_str(&table);
            for column in 0..columns {
                content.push_str(&format!("|{:?}", row.get_ref(column).unwrap()));
            }
            content.push('\n');
        }
    }
    content
}

#[test]
fn the_same_seed_makes_the_same_town() {
    let live = |seed| {
        let town = town(seed);
        for n in 0..200_u32 {
            demo::step(&town, u64::from(n), NOW + i64::from(n)).unwrap();
        }
        content(&town)
    };
    let first = live(7);
    assert!(first == live(7));
    assert!(first != live(8));
    let rows = first.lines().count();
    assert!((4000..12_000).contains(&rows), "{rows} rows");
}

/// More than an hour of the demo; the time of each step is two minutes later, so that orders grow
/// old and days pass.
#[test]
fn after_ten_thousand_steps_the_town_is_whole_and_small() {
    let town = town(1);
    let [mut placed, mut reviews] = [0; 2];
    let status = "SELECT count(*) FROM orders WHERE status = ";
    for n in 0..10_000_u32 {
        demo::step(&town, u64::from(n), NOW + 120 * i64::from(n)).unwrap();
        let open = number(&town, &format!("{status} 'open'"));
        assert!((5..=30).contains(&open), "{open} open orders at step {n}");
        if n % 500 == 499 {
            for (other, most) in [("cooking", 40), ("ready", 40), ("on_the_way", 48)] {
                let count = number(&town, &format!("{status} '{other}'"));
                assert!(count <= most, "{count} orders {other} at step {n}");
            }
            assert_eq!(number(&town, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
            assert!(number(&town, "SELECT count(*) FROM orders") < 1700);
            assert!(number(&town, "SELECT count(*) FROM reviews") < 1600);
            assert!(number(&town, "SELECT count(*) FROM daily_sales") <= 40 * 32);
            let now = number(&town, "SELECT max(id) FROM orders");
            assert!(now > placed + 50, "{} orders in 500 steps", now - placed);
            placed = now;
            let now = number(&town, "SELECT sum(review_count) FROM restaurants");
            assert!(now > reviews + 5, "{} reviews in 500 steps", now - reviews);
            reviews = now;
        }
    }
    town.execute_batch("COMMIT").unwrap();
    let pages = number(&town, "PRAGMA page_count");
    assert!(pages < 400, "{pages} pages");
    for broken in [
        "SELECT count(*) FROM orders WHERE total <> (SELECT round(sum(quantity * price), 2) FROM order_items WHERE order_id = orders.id)",
        "SELECT count(*) FROM orders WHERE (status = 'delivered') <> (delivered_at IS NOT NULL)",
        "SELECT count(*) FROM orders WHERE status IN ('on_the_way', 'delivered') AND courier_id IS NULL",
        // Couriers sign up for some of the orders before they are ready.
        "SELECT count(*) = 0 FROM orders WHERE status IN ('open', 'cooking', 'ready') AND courier_id IS NOT NULL",
        "SELECT count(*) FROM (SELECT 1 FROM orders WHERE status = 'on_the_way' GROUP BY courier_id HAVING count(*) > 1)",
        "SELECT count(*) FROM positions WHERE x NOT BETWEEN 0 AND 24 OR y NOT BETWEEN 0 AND 24",
        "SELECT count(*) FROM restaurants WHERE rating NOT BETWEEN 1 AND 5",
        "SELECT count(*) FROM reviews JOIN orders ON orders.id = order_id WHERE status <> 'delivered'",
    ] {
        assert_eq!(number(&town, broken), 0, "{broken}");
    }
    assert_eq!(
        number(&town, "SELECT sum(active_orders) FROM busy_restaurants"),
        number(&town, "SELECT count(*) FROM orders WHERE status NOT IN ('delivered', 'cancelled')"),
    );
}

#[tokio::test]
async fn a_town_is_served_and_lives() {
    let temporary = demo::Temporary::create(3).await.unwrap();
    let path = temporary.path();
    let sqlite = Sqlite::open(Settings::new(&path)).await.unwrap();
    let mut feed = sqlite.changes().await.unwrap();
    let living = tokio::spawn(demo::simulate(sqlite.writer(), 3, 100.0, pending()));
    let mut heard = std::collections::BTreeSet::new();
    while !["couriers", "order_items", "orders", "positions", "restaurants", "reviews"]
        .iter()
        .all(|t| heard.contains(&format!("main.{t}")))
    {
        let tables = heard_tables(&mut feed).await;
        assert_ne!(tables, ["everything"]);
        heard.extend(tables);
    }
    living.abort();
    assert!(living.await.unwrap_err().is_cancelled());
    let latest = "SELECT json_group_array(json_object('id', o.id, 'status', status, 'courier', k.name)) \
                  FROM (SELECT * FROM orders WHERE status = 'open' ORDER BY placed_at DESC LIMIT 10) AS o \
                  LEFT JOIN couriers AS k ON k.id = o.courier_id";
    assert!(ask(&sqlite, latest).await.unwrap().contains("\"status\":\"open\""));
    sqlite.close().await;
    drop(temporary);
    assert!(!path.exists());
}

#[tokio::test]
async fn the_simulation_stops_when_asked_and_when_the_database_is_closed() {
    let directory = Directory::new();
    demo::create(directory.file(), 1).await.unwrap();
    let again = demo::create(directory.file(), 1).await.unwrap_err().to_string();
    assert!(again.contains("already"), "{again}");
    let sqlite = Sqlite::open(directory.settings()).await.unwrap();
    demo::simulate(sqlite.writer(), 1, 1.0, async {}).await.unwrap();
    let catalog = sqlite.catalog(&[], &[]).await.unwrap();
    assert_eq!(catalog.tables.len(), 11);
    assert!(catalog.tables.iter().all(|t| !t.volatile));
    let busy = catalog.tables.iter().find(|t| t.name.name == "busy_restaurants").unwrap();
    assert_eq!(busy.column("open_orders").unwrap().ty.name, "int4");
}
