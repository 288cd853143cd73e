//! What happens in the town, one small transaction at a time.

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::names::{NOTES, REVIEWS};
use super::random::Random;
use super::time::{date, timestamp};

/// Streets run from 0 to this in both directions.
pub(super) const GRID: i64 = 24;
/// Orders that are over and still kept.
const KEPT_ORDERS: usize = 1500;
/// Orders that are archived at a time.
const ARCHIVED: usize = 10;
/// Days that daily sales are kept.
const KEPT_DAYS: i64 = 30;
/// Between these the number of open orders stays, with some room on both sides.
const OPEN: std::ops::Range<usize> = 8..26;
/// Orders that a town full of hungry people has in its kitchens at most.
const COOKING: usize = 25;

/// One moment of the town's life: couriers move, and a few other things happen. The same
/// `seed` in the same town does the same.
///
/// Call it within a transaction. `now` is in seconds since 1970.
pub fn step(connection: &Connection, seed: u64, now: i64) -> Result<()> {
    let random = &mut Random::new(seed);
    move_couriers(connection, random, now)?;
    if random.percent(60) {
        book(connection, random, now)?;
    }
    for _ in 0..random.between(1, 2) {
        act(connection, random, now)?;
    }
    archive(connection, now)
}

fn act(connection: &Connection, random: &mut Random, now: i64) -> Result<()> {
    let [open, cooking, ready] = active(connection)?;
    let weights = [
        if open < OPEN.end { 30 + 4 * OPEN.start.saturating_sub(open) } else { 0 },
        if open > OPEN.start && cooking < COOKING { 3 * (open - OPEN.start) } else { 0 },
        2 * cooking,
        4 * ready,
        if open > OPEN.start { 2 } else { 0 },
        8,
        3,
    ];
    match random.weighted(&weights) {
        Some(0) => order(connection, random, now).map(drop),
        Some(1) => advance(connection, random, "open", "cooking", now),
        Some(2) => advance(connection, random, "cooking", "ready", now),
        Some(3) => send_out(connection, random, now),
        Some(4) => advance(connection, random, "open", "cancelled", now),
        Some(5) => review_any(connection, random, now),
        _ => odds_and_ends(connection, random),
    }
}

/// How many orders are open, cooking and ready.
fn active(connection: &Connection) -> Result<[usize; 3]> {
    let mut count = connection.prepare_cached("SELECT count(*) FROM orders WHERE status = ?1")?;
    let mut of = |status: &str| count.query_row([status], |row| row.get(0));
    Ok([of("open")?, of("cooking")?, of("ready")?])
}

/// One of the rows that a query of ids finds.
fn any(connection: &Connection, random: &mut Random, query: &str) -> Result<Option<i64>> {
    let count = format!("SELECT count(*) FROM ({query})");
    let count: usize = connection.prepare_cached(&count)?.query_row([], |row| row.get(0))?;
    if count == 0 {
        return Ok(None);
    }
    let pick = format!("{query} LIMIT 1 OFFSET ?1");
    connection.prepare_cached(&pick)?.query_row([random.below(count)], |row| row.get(0)).optional()
}

/// Somebody orders something.
pub(super) fn order(connection: &Connection, random: &mut Random, now: i64) -> Result<Option<i64>> {
    let customer = any(connection, random, "SELECT id FROM customers ORDER BY id")?;
    let restaurant =
        any(connection, random, "SELECT id FROM restaurants WHERE is_open ORDER BY id")?;
    let (Some(customer), Some(restaurant)) = (customer, restaurant) else {
        return Ok(None);
    };
    let mut dishes: Vec<i64> = connection
        .prepare_cached("SELECT id FROM dishes WHERE restaurant_id = ?1 AND available ORDER BY id")?
        .query_map([restaurant], |row| row.get(0))?
        .collect::<Result<_>>()?;
    if dishes.is_empty() {
        return Ok(None);
    }
    let note = random.percent(20).then(|| *random.pick(NOTES));
    let id = connection
        .prepare_cached(
            "INSERT INTO orders (customer_id, restaurant_id, status, total, note, placed_at, updated_at) \
             VALUES (?1, ?2, 'open', 0, ?3, ?4, ?4)",
        )?
        .insert(params![customer, restaurant, note, timestamp(now)])?;
    for _ in 0..random.between(1, 4) {
        if dishes.is_empty() {
            break;
        }
        let dish = dishes.swap_remove(random.below(dishes.len()));
        let quantity = if random.percent(75) { 1 } else { random.between(2, 3) };
        connection
            .prepare_cached(
                "INSERT INTO order_items (order_id, dish_id, quantity, price) \
                 SELECT ?1, id, ?3, price FROM dishes WHERE id = ?2",
            )?
            .execute([id, dish, quantity])?;
    }
    connection
        .prepare_cached(
            "UPDATE orders SET total = round((SELECT sum(quantity * price) FROM order_items \
             WHERE order_id = ?1), 2) WHERE id = ?1",
        )?
        .execute([id])?;
    Ok(Some(id))
}

/// One of the orders that have waited longest goes on.
fn advance(
    connection: &Connection,
    random: &mut Random,
    from: &str,
    to: &str,
    now: i64,
) -> Result<()> {
    let place = random.below(3);
    connection
        .prepare_cached(
            "UPDATE orders SET status = ?2, updated_at = ?3 WHERE id = \
             (SELECT id FROM orders WHERE status = ?1 ORDER BY placed_at, id LIMIT 1 OFFSET ?4)",
        )?
        .execute(params![from, to, timestamp(now), place])
        .map(drop)
}

/// A courier signs up for one of the newest orders that nobody has signed up for yet.
pub(super) fn book(connection: &Connection, random: &mut Random, now: i64) -> Result<()> {
    let Some(courier) =
        any(connection, random, "SELECT id FROM couriers WHERE on_duty ORDER BY id")?
    else {
        return Ok(());
    };
    let place = random.below(4);
    connection
        .prepare_cached(
            "UPDATE orders SET courier_id = ?1, updated_at = ?2 WHERE id = (SELECT id FROM orders \
             WHERE status = 'open' AND courier_id IS NULL ORDER BY placed_at DESC, id DESC \
             LIMIT 1 OFFSET ?3)",
        )?
        .execute(params![courier, timestamp(now), place])
        .map(drop)
}

/// The order that has been ready longest is taken, at the restaurant, by the courier who signed up
/// for it if there is one and free, else by any that is.
fn send_out(connection: &Connection, random: &mut Random, now: i64) -> Result<()> {
    let order: Option<(i64, i64, i64, Option<i64>)> = connection
        .prepare_cached(
            "SELECT o.id, r.x, r.y, (SELECT id FROM couriers AS k WHERE k.id = o.courier_id AND \
             on_duty AND NOT EXISTS (SELECT 1 FROM orders WHERE courier_id = k.id AND \
             status = 'on_the_way')) FROM orders AS o \
             JOIN restaurants AS r ON r.id = o.restaurant_id \
             WHERE o.status = 'ready' ORDER BY o.placed_at, o.id LIMIT 1",
        )?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let booked = order.and_then(|(.., courier)| courier);
    let free = any(
        connection,
        random,
        "SELECT id FROM couriers AS k WHERE on_duty AND NOT EXISTS \
         (SELECT 1 FROM orders WHERE courier_id = k.id AND status = 'on_the_way') ORDER BY id",
    )?;
    let (Some((order, x, y, _)), Some(courier)) = (order, booked.or(free)) else {
        return Ok(());
    };
    let now = timestamp(now);
    connection
        .prepare_cached(
            "UPDATE orders SET status = 'on_the_way', courier_id = ?2, updated_at = ?3 WHERE id = ?1",
        )?
        .execute(params![order, courier, now])?;
    connection
        .prepare_cached(
            "UPDATE positions SET x = ?2, y = ?3, updated_at = ?4 WHERE courier_id = ?1",
        )?
        .execute(params![courier, x, y, now])
        .map(drop)
}

/// Couriers with an order ride a block or two towards its customer, and hand it over when they are
/// there; one or two of the others wander about.
fn move_couriers(connection: &Connection, random: &mut Random, now: i64) -> Result<()> {
    let under_way: Vec<[i64; 6]> = connection
        .prepare_cached(
            "SELECT order_id, courier_id, x, y, to_x, to_y FROM deliveries_under_way ORDER BY order_id",
        )?
        .query_map([], |row| {
            Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?])
        })?
        .collect::<Result<_>>()?;
    for [order, courier, x, y, to_x, to_y] in under_way {
        if (x, y) == (to_x, to_y) {
            deliver(connection, order, courier, now)?;
            continue;
        }
        let blocks = random.between(1, 2);
        // Along one street first, then along the other.
        let (x, y) = if x == to_x {
            (x, y + (to_y - y).clamp(-blocks, blocks))
        } else {
            (x + (to_x - x).clamp(-blocks, blocks), y)
        };
        place(connection, courier, x, y, now)?;
    }
    for _ in 0..random.between(1, 2) {
        let idle = any(
            connection,
            random,
            "SELECT courier_id FROM positions WHERE courier_id NOT IN \
             (SELECT courier_id FROM deliveries_under_way) ORDER BY courier_id",
        )?;
        if let Some(courier) = idle {
            let (dx, dy) = *random.pick(&[(1, 0), (-1, 0), (0, 1), (0, -1)]);
            let here = connection
                .prepare_cached("SELECT x, y FROM positions WHERE courier_id = ?1")?
                .query_row([courier], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
            place(
                connection,
                courier,
                (here.0 + dx).clamp(0, GRID),
                (here.1 + dy).clamp(0, GRID),
                now,
            )?;
        }
    }
    Ok(())
}

fn place(connection: &Connection, courier: i64, x: i64, y: i64, now: i64) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE positions SET x = ?2, y = ?3, updated_at = ?4 WHERE courier_id = ?1",
        )?
        .execute(params![courier, x, y, timestamp(now)])
        .map(drop)
}

fn deliver(connection: &Connection, order: i64, courier: i64, now: i64) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE orders SET status = 'delivered', updated_at = ?2, delivered_at = ?2 WHERE id = ?1",
        )?
        .execute(params![order, timestamp(now)])?;
    connection
        .prepare_cached("UPDATE couriers SET deliveries = deliveries + 1 WHERE id = ?1")?
        .execute([courier])
        .map(drop)
}

/// Somebody reviews one of the latest orders.
fn review_any(connection: &Connection, random: &mut Random, now: i64) -> Result<()> {
    let order = any(
        connection,
        random,
        "SELECT id FROM (SELECT id FROM orders AS o WHERE status = 'delivered' AND NOT EXISTS \
         (SELECT 1 FROM reviews WHERE order_id = o.id) ORDER BY placed_at DESC, id DESC LIMIT 12)",
    )?;
    order.map_or(Ok(()), |order| review(connection, random, order, now))
}

/// A review of an order, which counts towards its restaurant's rating.
pub(super) fn review(
    connection: &Connection,
    random: &mut Random,
    order: i64,
    now: i64,
) -> Result<()> {
    let stars = [3, 6, 18, 38, 35];
    let stars = random.weighted(&stars).unwrap_or(4);
    let text = random.pick(REVIEWS[stars]);
    connection
        .prepare_cached(
            "INSERT INTO reviews (order_id, restaurant_id, customer_id, stars, text, written_at) \
             SELECT id, restaurant_id, customer_id, ?2, ?3, ?4 FROM orders WHERE id = ?1",
        )?
        .execute(params![order, stars + 1, text, timestamp(now)])?;
    connection
        .prepare_cached(
            "UPDATE restaurants SET review_count = review_count + 1, \
               rating = round((coalesce(rating, 0) * review_count + ?2) / (review_count + 1.0), 2) \
             WHERE id = (SELECT restaurant_id FROM orders WHERE id = ?1)",
        )?
        .execute(params![order, stars + 1])
        .map(drop)
}

/// A dish runs out or comes back, a restaurant closes or opens, a courier comes or goes: never so
/// many that the town stands still.
fn odds_and_ends(connection: &Connection, random: &mut Random) -> Result<()> {
    let (turn_back, share, off, on) = *random.pick(&[
        (
            "SELECT id FROM dishes WHERE NOT available ORDER BY id",
            50,
            "SELECT id FROM dishes AS d WHERE available AND 4 < (SELECT count(*) FROM dishes \
             WHERE restaurant_id = d.restaurant_id AND available) ORDER BY id",
            "UPDATE dishes SET available = NOT available WHERE id = ?1",
        ),
        (
            "SELECT id FROM restaurants WHERE NOT is_open ORDER BY id",
            60,
            "SELECT id FROM restaurants WHERE is_open AND 25 < (SELECT count(*) FROM restaurants \
             WHERE is_open) ORDER BY id",
            "UPDATE restaurants SET is_open = NOT is_open WHERE id = ?1",
        ),
        (
            "SELECT id FROM couriers WHERE NOT on_duty ORDER BY id",
            60,
            "SELECT id FROM couriers AS k WHERE on_duty AND 30 < (SELECT count(*) FROM couriers \
             WHERE on_duty) AND NOT EXISTS (SELECT 1 FROM orders WHERE courier_id = k.id \
             AND status = 'on_the_way') ORDER BY id",
            "UPDATE couriers SET on_duty = NOT on_duty WHERE id = ?1",
        ),
    ]);
    let query = if random.percent(share) { turn_back } else { off };
    match any(connection, random, query)? {
        Some(id) => connection.prepare_cached(on)?.execute([id]).map(drop),
        None => Ok(()),
    }
}

/// Turns the oldest orders that are over into daily sales, so that a town left running stays small.
fn archive(connection: &Connection, now: i64) -> Result<()> {
    let over: usize = connection
        .prepare_cached("SELECT count(*) FROM orders WHERE status IN ('delivered', 'cancelled')")?
        .query_row([], |row| row.get(0))?;
    if over < KEPT_ORDERS + ARCHIVED {
        return Ok(());
    }
    const OLDEST: &str = "SELECT id FROM orders WHERE status IN ('delivered', 'cancelled') \
                          ORDER BY placed_at, id LIMIT ?1";
    connection
        .prepare_cached(&format!(
            "INSERT INTO daily_sales (day, restaurant_id, orders, revenue) \
             SELECT substr(placed_at, 1, 10), restaurant_id, count(*), sum(total) FROM orders \
             WHERE status = 'delivered' AND id IN ({OLDEST}) GROUP BY 1, 2 \
             ON CONFLICT DO UPDATE SET orders = orders + excluded.orders, \
               revenue = round(revenue + excluded.revenue, 2)"
        ))?
        .execute([ARCHIVED])?;
    connection
        .prepare_cached(&format!("DELETE FROM orders WHERE id IN ({OLDEST})"))?
        .execute([ARCHIVED])?;
    connection
        .prepare_cached("DELETE FROM daily_sales WHERE day < ?1")?
        .execute([date(now - KEPT_DAYS * 86_400)])
        .map(drop)
}
