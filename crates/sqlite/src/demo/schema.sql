-- The demo: a town that orders its food. Times are ISO 8601 texts in UTC. The casts in views give
-- expressions a type, which SQLite does not do by itself.

CREATE TABLE restaurants (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  cuisine TEXT NOT NULL,
  street TEXT NOT NULL,
  x INTEGER NOT NULL,
  y INTEGER NOT NULL,
  is_open BOOLEAN NOT NULL DEFAULT TRUE CHECK (is_open IN (0, 1)),
  rating NUMERIC,
  review_count INTEGER NOT NULL DEFAULT 0,
  details JSON NOT NULL CHECK (json_valid(details))
);

CREATE TABLE dishes (
  id INTEGER PRIMARY KEY,
  restaurant_id INTEGER NOT NULL REFERENCES restaurants ON DELETE CASCADE,
  name TEXT NOT NULL,
  price NUMERIC NOT NULL CHECK (price > 0),
  vegetarian BOOLEAN NOT NULL CHECK (vegetarian IN (0, 1)),
  available BOOLEAN NOT NULL DEFAULT TRUE CHECK (available IN (0, 1)),
  UNIQUE (restaurant_id, name)
);

CREATE TABLE couriers (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  vehicle TEXT NOT NULL CHECK (vehicle IN ('bicycle', 'cargo bike', 'scooter')),
  on_duty BOOLEAN NOT NULL DEFAULT TRUE CHECK (on_duty IN (0, 1)),
  deliveries INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE customers (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  street TEXT NOT NULL,
  x INTEGER NOT NULL,
  y INTEGER NOT NULL,
  joined_on DATE NOT NULL
);

CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers,
  restaurant_id INTEGER NOT NULL REFERENCES restaurants,
  courier_id INTEGER REFERENCES couriers,
  status TEXT NOT NULL
    CHECK (status IN ('open', 'cooking', 'ready', 'on_the_way', 'delivered', 'cancelled')),
  total NUMERIC NOT NULL,
  note TEXT,
  placed_at TIMESTAMP NOT NULL,
  updated_at TIMESTAMP NOT NULL,
  delivered_at TIMESTAMP
);
CREATE INDEX orders_status_placed_at ON orders (status, placed_at);
CREATE INDEX orders_placed_at ON orders (placed_at);
CREATE INDEX orders_customer_id ON orders (customer_id);
CREATE INDEX orders_restaurant_id ON orders (restaurant_id, status);
CREATE INDEX orders_courier_id ON orders (courier_id, status);

CREATE TABLE order_items (
  order_id INTEGER NOT NULL REFERENCES orders ON DELETE CASCADE,
  dish_id INTEGER NOT NULL REFERENCES dishes,
  quantity INTEGER NOT NULL CHECK (quantity > 0),
  price NUMERIC NOT NULL,
  PRIMARY KEY (order_id, dish_id)
);
CREATE INDEX order_items_dish_id ON order_items (dish_id);

-- Where each courier is on the grid of streets.
CREATE TABLE positions (
  courier_id INTEGER PRIMARY KEY REFERENCES couriers ON DELETE CASCADE,
  x INTEGER NOT NULL,
  y INTEGER NOT NULL,
  updated_at TIMESTAMP NOT NULL
);

CREATE TABLE reviews (
  id INTEGER PRIMARY KEY,
  order_id INTEGER NOT NULL UNIQUE REFERENCES orders ON DELETE CASCADE,
  restaurant_id INTEGER NOT NULL REFERENCES restaurants,
  customer_id INTEGER NOT NULL REFERENCES customers,
  stars INTEGER NOT NULL CHECK (stars BETWEEN 1 AND 5),
  text TEXT NOT NULL,
  written_at TIMESTAMP NOT NULL
);
CREATE INDEX reviews_restaurant_id ON reviews (restaurant_id, written_at);
CREATE INDEX reviews_customer_id ON reviews (customer_id);

-- What is left of orders that were archived.
CREATE TABLE daily_sales (
  day DATE NOT NULL,
  restaurant_id INTEGER NOT NULL REFERENCES restaurants ON DELETE CASCADE,
  orders INTEGER NOT NULL,
  revenue NUMERIC NOT NULL,
  PRIMARY KEY (day, restaurant_id)
) WITHOUT ROWID;

CREATE VIEW busy_restaurants AS
SELECT r.id, r.name, r.cuisine,
       CAST(count(*) AS INTEGER) AS active_orders,
       CAST(count(*) FILTER (WHERE o.status = 'open') AS INTEGER) AS open_orders
FROM restaurants AS r
JOIN orders AS o ON o.restaurant_id = r.id
WHERE o.status IN ('open', 'cooking', 'ready', 'on_the_way')
GROUP BY r.id;

CREATE VIEW deliveries_under_way AS
SELECT o.id AS order_id, o.courier_id, k.name AS courier_name, p.x, p.y,
       c.x AS to_x, c.y AS to_y, CAST(abs(c.x - p.x) + abs(c.y - p.y) AS INTEGER) AS blocks_left
FROM orders AS o
JOIN couriers AS k ON k.id = o.courier_id
JOIN positions AS p ON p.courier_id = o.courier_id
JOIN customers AS c ON c.id = o.customer_id
WHERE o.status = 'on_the_way';
