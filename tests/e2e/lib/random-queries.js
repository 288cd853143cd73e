// Random live queries over the tables `shelf` and `box` of the shop.

export const COLOURS = ['red', 'green', 'blue', 'Grey', 'off-white', "d'or"];
export const IDS = 24;

const TABLES = {
  box: {
    columns: { id: 'Int', shelf_id: 'Int', colour: 'String', weight: 'Int' },
    numbers: ['id', 'weight'],
    one: { shelf: 'shelf' },
    many: {},
  },
  shelf: {
    columns: { id: 'Int', label: 'String', floor: 'Int' },
    numbers: ['id', 'floor'],
    one: {},
    many: { boxes: 'box' },
  },
};

/** A random operation: `{live, once, variables}`, the same as a subscription and as a query. */
export function randomOperation(random) {
  const variables = {};
  const types = [];
  const value = (type) => {
    const literal = type === 'Int' ? random.below(IDS) : random.pick(COLOURS);
    if (random.chance(0.5)) return JSON.stringify(literal);
    const name = `v${types.length}`;
    types.push(`$${name}: ${type}!`);
    variables[name] = literal;
    return `$${name}`;
  };

  const comparison = (type) => {
    const list = () => `[${Array.from({ length: 1 + random.below(4) }, () => value(type)).join(', ')}]`;
    const choices = [
      () => `_eq: ${value(type)}`,
      () => `_neq: ${value(type)}`,
      () => `_gt: ${value(type)}`,
      () => `_lte: ${value(type)}`,
      () => `_in: ${list()}`,
      () => `_nin: ${list()}`,
      () => `_is_null: ${random.chance(0.5)}`,
      () => (type === 'String' ? `_like: "%${random.pick(['r', 'e', 'o'])}%"` : `_gte: ${value(type)}`),
    ];
    return `{${random.pick(choices)()}}`;
  };

  const condition = (table, depth) => {
    const { columns, one, many } = TABLES[table];
    const name = random.pick(Object.keys(columns));
    const plain = () => `{${name}: ${comparison(columns[name])}}`;
    if (depth === 0) return plain();
    const [related, target] = random.pick(Object.entries({ ...one, ...many }));
    const inner = (t = table) => condition(t, depth - 1);
    return random.pick([
      plain,
      plain,
      () => `{_and: [${inner()}, ${inner()}]}`,
      () => `{_or: [${inner()}, ${inner()}]}`,
      () => `{_not: ${inner()}}`,
      () => `{${related}: ${inner(target)}}`,
    ])();
  };

  const cut = (table) => {
    const parts = [];
    if (random.chance(0.7)) parts.push(`where: ${condition(table, 2)}`);
    // With the key at the end there is one right order.
    const orders = [`{id: ${random.pick(['asc', 'desc'])}}`];
    if (random.chance(0.6)) {
      const column = random.pick(Object.keys(TABLES[table].columns));
      orders.unshift(`{${column}: ${random.pick(['asc', 'desc', 'asc_nulls_first', 'desc_nulls_last'])}}`);
    }
    if (table === 'box' && random.chance(0.2)) orders.unshift('{shelf: {label: asc_nulls_last}}');
    parts.push(`order_by: [${orders.join(', ')}]`);
    if (random.chance(0.5)) parts.push(`limit: ${1 + random.below(6)}`);
    if (random.chance(0.2)) parts.push(`offset: ${random.below(4)}`);
    return `(${parts.join(', ')})`;
  };

  const row = (table, depth) => {
    const { columns, one, many } = TABLES[table];
    const fields = random.some(Object.keys(columns));
    if (depth > 0) {
      for (const [name, target] of Object.entries(one)) {
        if (random.chance(0.5)) fields.push(`${name} ${row(target, depth - 1)}`);
      }
      for (const [name, target] of Object.entries(many)) {
        if (random.chance(0.5)) fields.push(`${name}${cut(target)} ${row(target, depth - 1)}`);
        if (random.chance(0.3)) fields.push(`${name}_aggregate ${aggregate(target, 0)}`);
      }
    }
    return `{ ${fields.join(' ')} }`;
  };

  const aggregate = (table, depth) => {
    const { numbers } = TABLES[table];
    const parts = ['count'];
    for (const name of ['sum', 'min', 'max', 'avg']) {
      if (random.chance(0.4)) parts.push(`${name} { ${random.some(numbers).join(' ')} }`);
    }
    const nodes = depth > 0 && random.chance(0.4) ? ` nodes ${row(table, depth - 1)}` : '';
    return `{ aggregate { ${parts.join(' ')} }${nodes} }`;
  };

  const table = random.pick(Object.keys(TABLES));
  const field = random.pick([
    () => `${table}${cut(table)} ${row(table, 2)}`,
    () => `${table}${cut(table)} ${row(table, 2)}`,
    () => `${table}_by_pk(id: ${value('Int')}) ${row(table, 2)}`,
    () => `${table}_aggregate${cut(table)} ${aggregate(table, 1)}`,
  ])();
  const head = types.length > 0 ? `(${types.join(', ')}) ` : '';
  return { live: `subscription ${head}{ ${field} }`, once: `query ${head}{ ${field} }`, variables };
}

/** A random transaction. */
export function randomWrite(random) {
  const id = () => random.below(IDS);
  const text = () => `'${random.pick(COLOURS).replaceAll("'", "''")}'`;
  const maybe = (value) => (random.chance(0.2) ? 'null' : value);
  const shelf = () => maybe(`(select id from shelf where id >= ${id()} order by id limit 1)`);
  const statement = () =>
    random.pick([
      () => `insert into box values (${id()}, ${shelf()}, ${text()}, ${random.below(50)}) on conflict do nothing`,
      () => `insert into box values (${id()}, ${shelf()}, ${text()}, ${random.below(50)}) on conflict do nothing`,
      () => `insert into shelf values (${id()}, ${text()}, ${maybe(random.below(5))}) on conflict do nothing`,
      () => `update box set weight = weight + 1 where id = ${id()}`,
      () => `update box set colour = ${text()}, shelf_id = ${shelf()} where id between ${id()} and ${id()}`,
      () => `update shelf set floor = ${maybe(random.below(5))} where id = ${id()}`,
      () => `update shelf set label = ${text()} where floor = ${random.below(5)}`,
      () => `delete from box where id = ${id()}`,
      () => `delete from shelf where id = ${id()}`,
      // Changes of keys.
      ...['box', 'shelf'].map((table) => () => {
        const to = id();
        return `update ${table} set id = ${to} where id = ${id()} and not exists (select 1 from ${table} where id = ${to})`;
      }),
    ])();
  const statements = Array.from({ length: 1 + random.below(4) }, statement);
  if (random.chance(0.2)) statements.push('savepoint s', statement(), 'rollback to s', statement());
  return { statements, commits: !random.chance(0.25) };
}
