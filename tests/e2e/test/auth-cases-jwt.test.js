// Who is asking: JSON Web Tokens.

import { runCases } from '../lib/auth/run.js';

runCases((subject) => subject.startsWith('jwt-'));
