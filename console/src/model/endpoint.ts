/** Where the GraphQL endpoint is: beside the page, whatever path the page is served under. Pure. */

export interface Endpoint {
  readonly http: string;
  readonly socket: string;
}

export function endpointOf(page: string): Endpoint {
  const http = new URL('graphql', page);
  http.search = '';
  http.hash = '';
  const socket = new URL(http);
  socket.protocol = http.protocol === 'https:' ? 'wss:' : 'ws:';
  return { http: http.href, socket: socket.href };
}
