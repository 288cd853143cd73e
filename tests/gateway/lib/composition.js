// Introspection of a server, as graphql-js understands it.

import assert from 'node:assert/strict';

import { buildClientSchema, getIntrospectionQuery } from 'graphql';

import { TRANSPORTS } from './transports.js';

/** The schema that a server tells of itself. */
export async function schemaOf(server, who) {
  const query = getIntrospectionQuery({ specifiedByUrl: true, inputValueDeprecation: true });
  const { data, errors } = await TRANSPORTS.POST.connect(server, who).ask({ query });
  assert.equal(errors, undefined);
  return buildClientSchema(data);
}
