// Schemas, to be compared.

import { isIntrospectionType, isSpecifiedScalarType, lexicographicSortSchema, printType } from 'graphql';

/** The text of every type that is not GraphQL's own, by name; fields and values in order of their names. */
export function types(schema) {
  const all = Object.values(lexicographicSortSchema(schema).getTypeMap());
  const own = all.filter((type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type));
  return Object.fromEntries(own.map((type) => [type.name, printType(type)]));
}
