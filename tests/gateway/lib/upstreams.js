// Every service over every protocol that it speaks, and over what the gateway finds out by itself.

import { NAMES, SERVICES } from './services.js';

/** Rows: `{title, name, protocol}`, and `socket`: whether subscriptions have a connection_init. */
export const UPSTREAMS = NAMES.flatMap((name) => {
  const { protocols } = SERVICES[name];
  const row = (protocol, actual) => ({
    title: `${name} over ${protocol}`,
    ...{ name, protocol, actual },
    socket: actual.startsWith('graphql'),
  });
  return [...protocols.map((protocol) => row(protocol, protocol)), row('auto', protocols[0])];
});
