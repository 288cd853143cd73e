// Pages of several origins in headless Chromium, against the real binary. The user is logged in: the browser has a
// token in a cookie that is Secure, HttpOnly and SameSite=None. Which page may act with it?
//
// Chromium resolves whatever.localhost by itself, trusts it as if it were https, and takes each name for a site of its
// own. Cookies do not know ports, so a page of another port gets the cookie of the API's name.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { databases } from '../e2e/lib/databases.js';
import { Server } from '../e2e/lib/server.js';
import { LIMIT, launchWithProfile } from './chromium.mjs';

const KEY = 'a key that only this test has, of more than 32 bytes';
const SECRET = JSON.stringify({ type: 'HS256', key: KEY, header: { type: 'Cookie', name: 'session' } });
const QUERY = '{ vault { word } }';
const SQL = `create table vault (id integer primary key, word text not null);
insert into vault values (1, 'sesame');`;

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const claims = { 'x-hasura-default-role': 'admin', 'x-hasura-allowed-roles': ['admin'] };
const unsigned = `${encode({ alg: 'HS256' })}.${encode({ 'https://hasura.io/jwt/claims': claims })}`;
const TOKEN = `${unsigned}.${createHmac('sha256', KEY).update(unsigned).digest('base64url')}`;

let profile;
let context;
let pages;
let database;
let server;

const url = (name, port, path = '/') => `http://${name}.localhost:${port}${path}`;
const api = (path = '/graphql', scheme = 'http') => `${scheme}://api.localhost:${server.port}${path}`;
const withQuery = () => `${api()}?query=${encodeURIComponent(QUERY)}`;

// What a page is: where it comes from, and in which frame it runs.
const FROM = {
  own: async (page) => {
    await page.goto(api('/healthz'));
    return page;
  },
  'another port': (page) => visit(page, 'api'),
  app: (page) => visit(page, 'app'),
  evil: (page) => visit(page, 'evil'),
  // Its origin is `null`.
  sandbox: async (page) => {
    await visit(page, 'evil', '/framed');
    const frame = page.frames()[1];
    assert.equal(await frame.evaluate(() => self.origin), 'null');
    return frame;
  },
};

async function visit(page, name, path) {
  await page.goto(url(name, pages.address().port, path));
  return page;
}

// --- what a page tries ----------------------------------------------------------------------------

// 'data', 'denied' (it is nobody), 'refused' (there is no socket), or 'blocked' (the browser keeps the answer).
const socket = (protocol) => (frame, payload) =>
  frame.evaluate(
    ([address, name, init, query]) =>
      new Promise((resolve) => {
        const socket = new WebSocket(address, name);
        const say = (message) => socket.send(JSON.stringify(message));
        let isOpen = false;
        socket.onopen = () => {
          isOpen = true;
          say({ type: 'connection_init', payload: init });
        };
        socket.onmessage = ({ data }) => {
          const { type, payload: result } = JSON.parse(data);
          const start = name === 'graphql-ws' ? 'start' : 'subscribe';
          if (type === 'connection_ack') say({ id: '1', type: start, payload: { query } });
          if (type === 'next' || type === 'data') {
            resolve(JSON.stringify(result).includes('sesame') ? 'data' : 'denied');
            socket.close();
          }
        };
        socket.onclose = () => resolve(isOpen ? 'denied' : 'refused');
      }),
    [api('/graphql', 'ws'), protocol, payload, QUERY],
  );

const fetched = (options, path) => (frame) =>
  frame.evaluate(
    async ([address, init]) => {
      try {
        const response = await fetch(address, { credentials: 'include', ...init });
        return (await response.text()).includes('sesame') ? 'data' : 'denied';
      } catch {
        return 'blocked';
      }
    },
    [path?.() ?? api(), options],
  );

const events = (frame) =>
  frame.evaluate(
    (address) =>
      new Promise((resolve) => {
        const source = new EventSource(address, { withCredentials: true });
        const end = (outcome) => {
          source.close();
          resolve(outcome);
        };
        source.addEventListener('next', ({ data }) => end(data.includes('sesame') ? 'data' : 'denied'));
        source.onerror = () => end('blocked');
      }),
    withQuery(),
  );

// Whoever sends this sees nothing of the answer: whether a token was looked at is what counts.
const blind = async (frame) => {
  const before = await tokens();
  await frame.evaluate((address) => fetch(address, { mode: 'no-cors', credentials: 'include' }).catch(() => {}), withQuery());
  return (await tokens()) > before ? 'seen' : 'unseen';
};

const tokens = () => server.metric('artesian_auth_tokens_total');

// What the next page shows.
const navigation = (go) => async (frame) => {
  const arrived = frame.waitForURL(/graphql/);
  await frame.evaluate(go, [withQuery(), api(), QUERY]);
  await arrived;
  return (await frame.evaluate(() => document.body.innerText)).includes('sesame') ? 'data' : 'denied';
};

const body = JSON.stringify({ query: QUERY });
const WAYS = {
  modern: socket('graphql-transport-ws'),
  legacy: socket('graphql-ws'),
  events,
  get: fetched({}, withQuery),
  post: fetched({ method: 'POST', headers: { 'content-type': 'application/json' }, body }),
  multipart: fetched({ headers: { accept: 'multipart/mixed;subscriptionSpec=1.0' } }, withQuery),
  simple: fetched({ method: 'POST', headers: { 'content-type': 'text/plain' }, body }),
  blind,
  link: navigation(([address]) => {
    location.href = address;
  }),
  form: navigation(([, address, query]) => {
    const form = document.createElement('form');
    Object.assign(form, { method: 'post', enctype: 'text/plain', action: address });
    const field = document.createElement('input');
    Object.assign(field, { name: `{"query":"${query}","x":"`, value: '"}' });
    form.append(field);
    document.body.append(form);
    form.submit();
  }),
};

// --- what is expected -----------------------------------------------------------------------------

const all = (sockets, answers, blindly, link) => ({
  modern: sockets, legacy: sockets, events: answers, get: answers, post: answers, multipart: answers,
  // No content type but JSON is taken, from nobody.
  simple: answers === 'data' ? 'denied' : 'blocked',
  blind: blindly, link, form: 'denied',
});
const OWN = all('data', 'data', 'seen', 'data');
const NOBODY = all('denied', 'blocked', 'unseen', 'denied');
const REFUSED = all('refused', 'blocked', 'unseen', 'denied');
// Any page on the web acts for the user over sockets; browsers still withhold answers of HTTP.
const ANYBODY = { ...all('data', 'blocked', 'seen', 'data') };
const OTHERS = ['another port', 'app', 'evil', 'sandbox'];
const others = (expected, more) => ({ ...Object.fromEntries(OTHERS.map((name) => [name, expected])), ...more });

const SETTINGS = [
  { title: 'no setting', args: () => [], expected: { own: OWN, ...others(NOBODY) }, token: 'data' },
  {
    title: 'a list',
    args: () => ['--cors-domain', url('app', pages.address().port).slice(0, -1)],
    // Without `Origin` nobody knows that it is the page of the list.
    expected: { own: OWN, ...others(REFUSED, { app: all('data', 'data', 'unseen', 'denied') }) },
    token: 'refused',
  },
  {
    title: 'a list of one label in front',
    args: () => ['--cors-domain', `http://*.localhost:${pages.address().port}`],
    expected: { evil: all('data', 'data', 'unseen', 'denied'), sandbox: REFUSED },
    token: 'data',
  },
  { title: '*', args: () => ['--cors-domain', '*'], expected: { own: OWN, ...others(ANYBODY) }, token: 'data' },
  {
    title: 'CORS disabled',
    args: () => ['--disable-cors'],
    expected: { own: all('denied', 'data', 'seen', 'data'), ...others(NOBODY) },
    token: 'data',
  },
  {
    title: 'CORS disabled, but cookies of sockets are read',
    args: () => ['--disable-cors', '--ws-read-cookie'],
    expected: { own: OWN, ...others(all('data', 'blocked', 'unseen', 'denied')) },
    token: 'data',
  },
];

// --- the world ------------------------------------------------------------------------------------

before(async () => {
  pages = createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    if (request.url === '/login') {
      response.setHeader('set-cookie', `session=${TOKEN}; Path=/; Secure; HttpOnly; SameSite=None`);
    }
    const frame = `<iframe sandbox="allow-scripts allow-forms" srcdoc="<p>framed</p>"></iframe>`;
    response.end(`<!doctype html><title>page</title>${request.url === '/framed' ? frame : ''}`);
  });
  await new Promise((resolve) => pages.listen(0, '127.0.0.1', resolve));
  database = await databases.find(({ name }) => name === 'sqlite').create(SQL);
  // Not every Chromium sends cookies to other sites by itself, and none does in private windows.
  profile = await mkdtemp(join(tmpdir(), 'artesian-browser-'));
  await mkdir(join(profile, 'Default'));
  await writeFile(join(profile, 'Default', 'Preferences'), JSON.stringify({ profile: { cookie_controls_mode: 0 } }));
  context = await launchWithProfile(profile);
  context.setDefaultTimeout(LIMIT);
});

after(async () => {
  await context?.close();
  if (profile) await rm(profile, { recursive: true, force: true });
  await database?.drop();
  pages?.close();
});

for (const { title, args, expected, token } of SETTINGS) {
  describe(title, () => {
    before(async () => {
      const guarded = ['--jwt-secret', SECRET, ...args()];
      server = await Server.start({ url: database.url, args: guarded });
      const page = await context.newPage();
      await visit(page, 'api', '/login');
      await page.close();
    });

    after(async () => {
      await context?.clearCookies();
      await server?.kill();
    });

    test('the cookie is one that no script can read', async () => {
      const [cookie, ...more] = await context.cookies();
      assert.deepEqual(more, []);
      const { domain, secure, httpOnly, sameSite } = cookie;
      assert.deepEqual({ domain, secure, httpOnly, sameSite }, {
        domain: 'api.localhost', secure: true, httpOnly: true, sameSite: 'None',
      });
      const page = await context.newPage();
      const own = await FROM.own(page);
      assert.equal(await own.evaluate(() => document.cookie), '');
      await page.close();
    });

    for (const [from, outcomes] of Object.entries(expected)) {
      test(`what a page may do that is from: ${from}`, async () => {
        const got = {};
        const page = await context.newPage();
        for (const [way, tries] of Object.entries(WAYS)) {
          got[way] = await tries(await FROM[from](page));
        }
        await page.close();
        assert.deepEqual(got, outcomes);
        await server.alive();
      });
    }

    test('a page that has a token of its own needs no cookie', async () => {
      const page = await context.newPage();
      const evil = await FROM.evil(page);
      assert.equal(await WAYS.modern(evil, { headers: { cookie: `session=${TOKEN}` } }), token);
      await page.close();
    });
  });
}
