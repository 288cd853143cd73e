// A service of Python, and one that only streams.

import { matrix } from '../lib/matrix.js';

matrix(['strawberry', 'graphql-yoga']);
