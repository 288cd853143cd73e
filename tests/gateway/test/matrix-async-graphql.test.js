// A service of Rust.

import { matrix } from '../lib/matrix.js';

matrix(['async-graphql']);
