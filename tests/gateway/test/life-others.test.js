// Services that come back, are cut off, or change: one that only streams, one of Python, one of Rust.

import { life } from '../lib/life.js';

life(['graphql-yoga', 'strawberry', 'async-graphql']);
