// Requests that are refused, whatever transport brings them, and how.

/** The limits that the requests below exceed: small, so that every request fits into a URL. */
export const LIMITS = { depth: 8, aliases: 6, rootFields: 5, tokens: 300, directives: 4, bytes: 8192 };

/** The settings of a server with these limits. */
export const ARGS = Object.entries({
  'max-depth': LIMITS.depth,
  'max-aliases': LIMITS.aliases,
  'max-root-fields': LIMITS.rootFields,
  'max-tokens': LIMITS.tokens,
  'max-body-bytes': LIMITS.bytes,
  'websocket-max-message-bytes': LIMITS.bytes,
  'max-directives': LIMITS.directives,
}).flatMap(([name, value]) => [`--${name}`, String(value)]);

const nested = (levels) => {
  let inner = '{ id }';
  for (let level = levels; level > 1; level -= 1) inner = `{ ${level % 2 ? 'purchases' : 'customer'} ${inner} }`;
  return inner;
};
const conditions = (levels) => `${'{_and: ['.repeat(levels)}{}${']}'.repeat(levels)}`;
const list = (count, make) => Array.from({ length: count }, (_, n) => make(n)).join(' ');
const chain = (length) => `{ ...F0 } ${list(length, (n) => `fragment F${n} on query_root { ...F${n + 1} }`)}`;
const MARKED = '@include(if: true) ';

/**
 * `[what, body, code, path, message]`. Those that begin with `{` are refused as subscriptions too.
 */
export const REFUSED = [
  ['an unknown column', { query: '{ customer { id nope } }' }, 'validation-failed', '$.selectionSet.customer.selectionSet.nope', /nope/],
  ['an unknown table', { query: '{ nope { id } }' }, 'validation-failed', '$.selectionSet.nope', /nope/],
  ['an unknown argument', { query: '{ customer(nope: 1) { id } }' }, 'validation-failed', '$.selectionSet.customer', /nope/],
  [
    'an unknown operator',
    { query: '{ customer(where: {id: {_nope: 1}}) { id } }' },
    'validation-failed',
    '$.selectionSet.customer.args.where.id._nope',
    /_nope/,
  ],
  ['an unknown directive', { query: '{ customer { id @nope } }' }, 'validation-failed', '$.selectionSet.customer.selectionSet.id', /nope/],
  ['an unknown fragment', { query: '{ customer { ...Nope } }' }, 'validation-failed', /^\$\.selectionSet\.customer/, /Nope/],
  ['a fragment in itself', { query: '{ ...A } fragment A on query_root { ...A }' }, 'validation-failed', /^\$/, /cycle/],
  [
    'a literal of the wrong type',
    { query: '{ customer(where: {id: {_eq: "one"}}) { id } }' },
    'validation-failed',
    '$.selectionSet.customer.args.where.id._eq',
    /Int/,
  ],
  ['a field without its fields', { query: '{ customer }' }, 'validation-failed', '$.selectionSet.customer', /selection/],
  [
    'a variable of the wrong type',
    { query: 'query ($id: Int!) { customer_by_pk(id: $id) { id } }', variables: { id: 'one' } },
    'validation-failed',
    /^\$/,
    /Int/,
  ],
  [
    'an object of the wrong shape',
    { query: 'query ($w: customer_bool_exp) { customer(where: $w) { id } }', variables: { w: { nope: 1 } } },
    'validation-failed',
    '$.selectionSet.customer.args.where.nope',
    /nope/,
  ],
  [
    'a variable whose declared type does not fit',
    { query: 'query ($id: String!) { customer_by_pk(id: $id) { id } }', variables: { id: 'one' } },
    'validation-failed',
    /^\$\.selectionSet\.customer_by_pk/,
    /id/,
  ],
  ['a missing variable', { query: 'query ($id: Int!) { customer_by_pk(id: $id) { id } }' }, 'validation-failed', /^\$/, /id/],
  ['a surplus variable', { query: '{ customer { id } }', variables: { surplus: 1 } }, 'validation-failed', /^\$/, /surplus/],
  ['an undeclared variable', { query: '{ customer_by_pk(id: $id) { id } }' }, 'validation-failed', /^\$/, /id/],
  ['a document that does not parse', { query: '{ customer { id ' }, 'validation-failed', '$.query', /./],
  ['a document of something else', { query: 'type T { id: Int }' }, 'validation-failed', '$.query', /./],
  ['an empty document', { query: '' }, 'validation-failed', '$.query', /./],
  ['a document without an operation', { query: 'fragment F on customer { id }' }, 'validation-failed', '$', /operation/],
  [
    'several operations and none is chosen',
    { query: 'query A { customer { id } } query B { customer { id } }' },
    'validation-failed',
    /^\$/,
    /./,
  ],
  [
    'an operation that is not there',
    { query: 'query A { customer { id } }', operationName: 'B' },
    'validation-failed',
    /^\$/,
    /B/,
  ],
  ['a mutation where there is none', { query: 'mutation { nope }' }, 'validation-failed', '$', /mutations/],
  ['selections nested too deep', { query: nested(LIMITS.depth + 1) }, 'limit-exceeded', /^\$/, /8 levels/],
  ['selections nested far too deep', { query: `${'{ a '.repeat(90)}${'}'.repeat(90)}` }, 'limit-exceeded', /^\$/, /8 levels/],
  ['fragments nested too deep', { query: chain(12) }, 'limit-exceeded', /^\$/, /8 levels/],
  ['a condition nested too deep', { query: `{ customer(where: ${conditions(9)}) { id } }` }, 'limit-exceeded', /^\$/, /8 levels/],
  ['a type nested too deep', { query: `query ($a: ${'['.repeat(90)}Int${']'.repeat(90)}) { customer { id } }` }, 'limit-exceeded', /^\$/, /8 levels/],
  [
    'a variable nested too deep',
    {
      query: 'query ($w: customer_bool_exp) { customer(where: $w) { id } }',
      variables: { w: JSON.parse(`${'{"_not":'.repeat(9)}{}${'}'.repeat(9)}`) },
    },
    'limit-exceeded',
    /^\$/,
    /8 levels/,
  ],
  ['too many aliases', { query: `{ customer { ${list(7, (n) => `a${n}: id`)} } }` }, 'limit-exceeded', /^\$/, /6 aliases/],
  [
    'too many root fields',
    { query: 'query { customer { id } purchase { id } shelf { id } box { id } city_spending { city } a: __typename }' },
    'limit-exceeded',
    /^\$/,
    /5 root fields/,
  ],
  ['too many tokens', { query: `{ customer { ${'id '.repeat(300)} } }` }, 'limit-exceeded', /^\$/, /300 tokens/],
  ['too many directives on a field', { query: `{ customer { id ${MARKED.repeat(5)} } }` }, 'limit-exceeded', /^\$/, /4 directives/],
  ['too many directives on a fragment', { query: `{ ... ${MARKED.repeat(5)} { __typename } }` }, 'limit-exceeded', /^\$/, /4 directives/],
  ['too many directives on an operation', { query: `query ${'@cached '.repeat(5)} { __typename }` }, 'limit-exceeded', /^\$/, /4 directives/],
  [
    'an introspection nested too deep',
    { query: `{ __schema { types ${'{ inputFields { type '.repeat(3)}{ name }${' } }'.repeat(3)} } }` },
    'limit-exceeded',
    /^\$/,
    /8 levels/,
  ],
];

/** What only subscriptions are refused for. */
export const REFUSED_LIVE = [
  [
    'a subscription with two root fields',
    { query: 'subscription { customer { id } purchase { id } }' },
    'validation-failed',
    '$',
    /one top level field/,
  ],
  ['an introspection as a subscription', { query: 'subscription { __typename }' }, 'validation-failed', /^\$/, /introspection/],
];
