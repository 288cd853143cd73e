/** Which operation of a document runs, and whether it streams. Pure. */
import { Kind, parse, type DocumentNode, type OperationDefinitionNode } from 'graphql';

export function operationOf(document: DocumentNode, name?: string | null): OperationDefinitionNode | undefined {
  const operations = document.definitions.filter((d) => d.kind === Kind.OPERATION_DEFINITION);
  if (name) return operations.find((operation) => operation.name?.value === name);
  return operations[0];
}

/** A subscription, or an operation with `@live`: it goes over the socket and answers until it is stopped. */
export function streams(query: string, name?: string | null): boolean {
  let document: DocumentNode;
  try {
    document = parse(query);
  } catch {
    return false; // The server says what is wrong with it.
  }
  const operation = operationOf(document, name);
  if (!operation) return false;
  return operation.operation === 'subscription' || (operation.directives ?? []).some((d) => d.name.value === 'live');
}
