// npm's services with WebSockets.

import { matrix } from '../lib/matrix.js';

matrix(['mercurius', 'graphql-ws', 'subscriptions-transport-ws']);
