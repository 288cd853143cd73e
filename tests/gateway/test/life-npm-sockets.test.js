// Services of npm that come back, are cut off, or change: those with sockets.

import { life } from '../lib/life.js';

life(['mercurius', 'graphql-ws', 'subscriptions-transport-ws']);
