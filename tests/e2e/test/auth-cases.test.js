// Who is asking: admin secrets, webhooks, cookies and origins, the payload of `connection_init`.

import { runCases } from '../lib/auth/run.js';

runCases((subject) => !subject.startsWith('jwt-'));
