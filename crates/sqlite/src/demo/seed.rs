//! The town as it is on the first morning.

use rusqlite::{Connection, Result, params};

use super::names::{CUISINES, FIRST_NAMES, LAST_NAMES, RESTAURANTS, STREETS};
use super::random::Random;
use super::simulator::{GRID, book, order, review};
use super::time::{date, timestamp};

const COURIERS: usize = 48;
const CUSTOMERS: usize = 600;
/// Orders that were delivered or cancelled before the demo begins, and over how many seconds.
const PAST_ORDERS: i64 = 1200;
const PAST: i64 = 2 * 86_400;
/// Orders at work when the demo begins.
const ACTIVE: &[(&str, i64)] = &[("open", 12), ("cooking", 10), ("ready", 5), ("on_the_way", 9)];

/// Makes the tables and fills them. The same seed and time make the same town.
///
/// Call it within a transaction.
pub fn fill(connection: &Connection, seed: u64, now: i64) -> Result<()> {
    connection.execute_batch(include_str!("schema.sql"))?;
    let random = &mut Random::new(seed);
    restaurants(connection, random)?;
    couriers(connection, random, now)?;
    customers(connection, random, now)?;
    past_orders(connection, random, now)?;
    active_orders(connection, random, now)
}

fn restaurants(connection: &Connection, random: &mut Random) -> Result<()> {
    let mut restaurant = connection.prepare(
        "INSERT INTO restaurants (name, cuisine, street, x, y, details) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut dish = connection.prepare(
        "INSERT INTO dishes (restaurant_id, name, price, vegetarian) VALUES (?1, ?2, ?3 / 100.0, ?4)",
    )?;
    for (number, name) in RESTAURANTS.iter().enumerate() {
        let cuisine = &CUISINES[number % CUISINES.len()];
        let details = format!(
            "{{\"minimum_order\":{},\"seats\":{},\"terrace\":{},\"opens\":\"{:02}:00\"}}",
            random.between(0, 3) * 5,
            random.between(2, 12) * 4,
            random.percent(40),
            random.between(8, 12),
        );
        let id = restaurant.insert(params![
            format!("{name} {}", cuisine.ending),
            cuisine.name,
            random.pick(STREETS),
            random.between(0, GRID),
            random.between(0, GRID),
            details,
        ])?;
        let left_out = random.below(cuisine.dishes.len());
        for (place, (dish_name, cents, vegetarian)) in cuisine.dishes.iter().enumerate() {
            if place != left_out {
                let cents = cents + random.between(-4, 8) * 10;
                dish.insert(params![id, dish_name, cents, vegetarian])?;
            }
        }
    }
    Ok(())
}

fn couriers(connection: &Connection, random: &mut Random, now: i64) -> Result<()> {
    let mut courier =
        connection.prepare("INSERT INTO couriers (name, vehicle, on_duty) VALUES (?1, ?2, ?3)")?;
    let mut position = connection
        .prepare("INSERT INTO positions (courier_id, x, y, updated_at) VALUES (?1, ?2, ?3, ?4)")?;
    for _ in 0..COURIERS {
        let vehicle = random.pick(&["bicycle", "bicycle", "cargo bike", "scooter"]);
        let id = courier.insert(params![person(random), vehicle, random.percent(85)])?;
        let (x, y) = (random.between(0, GRID), random.between(0, GRID));
        position.insert(params![id, x, y, timestamp(now)])?;
    }
    Ok(())
}

fn customers(connection: &Connection, random: &mut Random, now: i64) -> Result<()> {
    let mut customer = connection.prepare(
        "INSERT INTO customers (name, street, x, y, joined_on) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for _ in 0..CUSTOMERS {
        let street = format!("{} {}", random.pick(STREETS), random.between(1, 98));
        let joined = now - random.between(1, 900) * 86_400;
        let (x, y) = (random.between(0, GRID), random.between(0, GRID));
        customer.insert(params![person(random), street, x, y, date(joined)])?;
    }
    Ok(())
}

fn past_orders(connection: &Connection, random: &mut Random, now: i64) -> Result<()> {
    let mut end = connection.prepare(
        "UPDATE orders SET status = ?2, courier_id = ?3, updated_at = ?4, delivered_at = ?5 WHERE id = ?1",
    )?;
    for number in 0..PAST_ORDERS {
        let placed = now - PAST + number * (PAST - 3600) / PAST_ORDERS;
        let Some(id) = order(connection, random, placed)? else {
            continue;
        };
        let ended = timestamp(placed + random.between(900, 3400));
        if random.percent(4) {
            end.execute(params![id, "cancelled", None::<i64>, ended, None::<String>])?;
            continue;
        }
        let courier = 1 + random.below(COURIERS);
        end.execute(params![id, "delivered", courier, ended, ended])?;
        connection
            .execute("UPDATE couriers SET deliveries = deliveries + 1 WHERE id = ?1", [courier])?;
        if random.percent(35) {
            review(connection, random, id, placed + 3500)?;
        }
    }
    Ok(())
}

fn active_orders(connection: &Connection, random: &mut Random, now: i64) -> Result<()> {
    let mut free: Vec<i64> = connection
        .prepare("SELECT id FROM couriers WHERE on_duty ORDER BY id DESC")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_>>()?;
    let mut at = now - 40 * 60;
    for &(status, count) in ACTIVE.iter().rev() {
        for _ in 0..count {
            at += random.between(20, 60);
            let Some(id) = order(connection, random, at)? else {
                continue;
            };
            let courier = if status == "on_the_way" { free.pop() } else { None };
            connection.execute(
                "UPDATE orders SET status = ?2, courier_id = ?3 WHERE id = ?1",
                params![id, status, courier],
            )?;
            if status == "open" && random.percent(60) {
                book(connection, random, at)?;
            }
        }
    }
    Ok(())
}

fn person(random: &mut Random) -> String {
    format!("{} {}", random.pick(FIRST_NAMES), random.pick(LAST_NAMES))
}
