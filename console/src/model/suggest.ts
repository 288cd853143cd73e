/** The operation that an empty editor starts with, made from the schema. Pure. */
import {
  getNamedType,
  getNullableType,
  isLeafType,
  isListType,
  isObjectType,
  isRequiredArgument,
  parse,
  validate,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
} from 'graphql';

export const WELCOME = '# Artesian: write a query, a mutation or a subscription, and run it with Ctrl-Enter.\n';

const WATCH = '# Ctrl-Enter runs it. Then watch: rows change as the data does.\n';

const DEMO = `${WATCH}subscription {
  orders(
    where: {status: {_eq: "open"}}
    order_by: {placed_at: desc}
    limit: 10
  ) {
    id
    status
    courier {
      name
    }
  }
}
`;

const MAX_FIELDS = 6;

export function suggest(schema: GraphQLSchema): string {
  const subscription = schema.getSubscriptionType();
  if (subscription && validate(schema, parse(DEMO)).length === 0) return DEMO;

  const streaming = subscription && firstTable(subscription);
  if (streaming) return `${WATCH}${operation('subscription', streaming)}`;

  const query = schema.getQueryType();
  const table = query && firstTable(query);
  if (!table) return `${WELCOME}{\n  __typename\n}\n`;
  return schema.getDirective('live')
    ? `${WATCH}${operation('query @live', table)}`
    : `# Ctrl-Enter runs it.\n${operation('query', table)}`;
}

type Field = GraphQLField<unknown, unknown>;

/** A list of objects that can be read as it stands, rather those that take a `limit`. */
function firstTable(root: GraphQLObjectType): Field | undefined {
  const tables = Object.values(root.getFields()).filter(
    (field) =>
      isListType(getNullableType(field.type)) &&
      isObjectType(getNamedType(field.type)) &&
      !field.args.some(isRequiredArgument) &&
      leavesOf(field).length > 0,
  );
  return tables.find(takesLimit) ?? tables[0];
}

function operation(keyword: string, field: Field): string {
  const leaves = leavesOf(field);
  return `${keyword} {\n  ${field.name}${takesLimit(field) ? '(limit: 10)' : ''} {\n    ${leaves.join('\n    ')}\n  }\n}\n`;
}

function leavesOf(field: Field): string[] {
  const type = getNamedType(field.type);
  if (!isObjectType(type)) return [];
  const names = Object.values(type.getFields())
    .filter((f) => isLeafType(getNamedType(f.type)) && !f.args.some(isRequiredArgument))
    .map((f) => f.name);
  const ids = names.filter((name) => name === 'id');
  return [...ids, ...names.filter((name) => name !== 'id')].slice(0, MAX_FIELDS);
}

function takesLimit(field: Field): boolean {
  return field.args.some((arg) => arg.name === 'limit');
}
