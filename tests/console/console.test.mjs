// Drives the console in headless Chromium. ARTESIAN_URL names a running Artesian with the demo's data; without it the
// fake server beside this file stands in. SCREENSHOTS names a folder to leave pictures in.
import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { LIMIT, launch } from './chromium.mjs';
import { startFakeServer } from './fake-server.mjs';

const REAL = process.env.ARTESIAN_URL;
const ORDERS = `subscription {
  orders(order_by: {placed_at: desc}, limit: 20) { id status placed_at courier { name } }
}`;
const QUERY_EDITOR = '.graphiql-query-editor';
const EDITORS = [QUERY_EDITOR, '.result-window'];
const PROTOCOLS = ['graphql-transport-ws', 'graphql-ws'];
const onlyFake = { skip: REAL ? 'needs the fake server' : false };

let fake;
let url;
let browser;
let context;
let page;
let complaints;
/** What Chromium may note in its console. */
let tolerated;
let sockets;

before(async () => {
  fake = REAL ? undefined : await startFakeServer();
  url = REAL ? new URL('/', REAL).href : fake.url;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await fake?.stop();
});

beforeEach(() => openPage());

afterEach(async () => {
  await context.close();
  const found = complaints.filter((complaint) => !tolerated?.test(complaint));
  assert.deepEqual(found, [], 'the page must not complain, break its policy or leave its origin');
});

async function openPage({ at = url, prepare, ...options } = {}) {
  await context?.close();
  context = await browser.newContext({ viewport: { width: 1440, height: 860 }, ...options });
  page = await context.newPage();
  page.setDefaultTimeout(LIMIT);
  complaints = [];
  tolerated = undefined;
  sockets = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('request', (request) => {
    const target = new URL(request.url());
    if (target.protocol !== 'data:' && target.origin !== new URL(url).origin) complaints.push(`request: ${target}`);
  });
  page.on('websocket', (socket) => {
    const host = new URL(socket.url()).host;
    if (host !== new URL(url).host) complaints.push(`socket: ${socket.url()}`);
    const sent = [];
    sockets.push({ sent });
    socket.on('framesent', ({ payload }) => sent.push(JSON.parse(payload)));
  });
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      console.error(`policy: ${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
    });
    // Some statuses do not stay for long.
    globalThis.statuses = [];
    const note = () => {
      const text = document.querySelector('.status')?.textContent;
      if (text && text !== globalThis.statuses.at(-1)) globalThis.statuses.push(text);
    };
    new MutationObserver(note).observe(document, { subtree: true, childList: true, characterData: true });
  });
  await prepare?.(page);
  await page.goto(at);
  await page.getByRole('heading', { name: 'Artesian' }).waitFor();
  // Editors come later than the page, each by itself. Without both of them nothing runs.
  for (const editor of EDITORS) await page.locator(`${editor} .CodeMirror`).waitFor();
}

/** Waits until the page has read the schema and given it to those who use it. */
const schemaIsThere = () =>
  until(
    () => page.locator(`${QUERY_EDITOR} .CodeMirror`).evaluate(({ CodeMirror }) => Boolean(CodeMirror.options.hintOptions.schema)),
    Boolean,
    'the editor has no schema',
  );

async function write(editor, text) {
  await page.locator(`${editor} .CodeMirror`).click();
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.insertText(text);
}

const writeQuery = (text) => write(QUERY_EDITOR, text);

async function writeHeaders(headers) {
  await page.getByRole('button', { name: 'Headers', exact: true }).click();
  await write('.graphiql-editor-tool .graphiql-editor:not(.hidden)', JSON.stringify(headers));
}

const execute = () => page.locator('.graphiql-execute-button').click();
const choose = (label) => page.locator('.choice label', { hasText: new RegExp(`^${label}$`) }).click();
const status = (kind) => page.locator(`.status[data-status="${kind}"]`);
const rows = (table) => page.locator(`[data-table="${table}"] tbody tr[data-key]`);
const statuses = () => page.evaluate(() => globalThis.statuses);
const updates = async () => Number((await page.getByTestId('updates').textContent()).replaceAll(',', ''));
const editorText = (editor) => page.locator(`${editor} .CodeMirror`).evaluate((element) => element.CodeMirror.getValue());
const shoot = (name) => process.env.SCREENSHOTS && page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}.png` });

/** Waits until `read()` is something that `accept`s. */
async function until(read, accept, what) {
  const deadline = Date.now() + LIMIT;
  for (;;) {
    const value = await read();
    if (accept(value)) return value;
    if (Date.now() > deadline) assert.fail(`${what}; the last seen: ${value}`);
    await page.evaluate(() => new Promise(requestAnimationFrame));
  }
}

test('an empty editor gets an operation for the schema, and it runs', async () => {
  // What is there before the schema speaks of subscriptions, too.
  const suggested = /subscription \{\s*orders\(\s*where: \{status: \{_eq: "open"\}\}/;
  await until(() => editorText(QUERY_EDITOR), (text) => suggested.test(text), 'no suggestion');
  await execute();
  await status('live').waitFor();
  await rows('orders').first().waitFor();
  await page.locator('th', { hasText: 'courier.name' }).waitFor();
});

test('a schema that comes late does not write over who has begun', async () => {
  let come;
  const coming = new Promise((resolve) => (come = resolve));
  const hold = async (route) => {
    if (route.request().postData()?.includes('__schema')) await coming;
    await route.continue();
  };
  await openPage({ prepare: (page) => page.route('**/*', hold) });
  await page.locator(`${QUERY_EDITOR} .CodeMirror`).click();
  await page.keyboard.press('ControlOrMeta+A');
  come();
  await schemaIsThere();
  await page.keyboard.type('{ ord');
  await page.locator('.CodeMirror-hints').waitFor();
  assert.match(await editorText(QUERY_EDITOR), /^\{ ord\}?$/);
});

for (const protocol of PROTOCOLS) {
  test(`a subscription over ${protocol} shows rows, then what changes in them`, async () => {
    await choose(protocol);
    await writeQuery(ORDERS);
    await execute();
    await status('live').waitFor();
    await rows('orders').first().waitFor();
    await page.locator('[data-table="orders"] td.changed').first().waitFor();
    await until(updates, (count) => count >= 3, 'updates are counted');
    await until(() => editorText('.result-window'), (t) => t.includes('"orders"'), 'the JSON shows');
    await shoot(protocol);
    assert.equal(sockets.length, 1);
    const [init, start] = sockets[0].sent;
    assert.equal(init.type, 'connection_init');
    assert.equal(start.type, protocol === 'graphql-ws' ? 'start' : 'subscribe');

    await execute();
    await status('stopped').waitFor();
    const last = await updates();
    await until(() => sockets[0].sent.at(-1).type, (t) => t === 'complete' || t === 'stop', 'the server is told');
    assert.equal(await updates(), last);
    // Marks go away by themselves.
    await until(() => page.locator('.changed, .added, .removed').count(), (count) => count === 0, 'marks end');
  });

  test(`a live query streams over ${protocol}`, async () => {
    await choose(protocol);
    await writeQuery('query Both @live { orders(limit: 5, order_by: {placed_at: desc}) { id status } again: orders(limit: 1) { id } }');
    await execute();
    await status('live').waitFor();
    await rows('orders').first().waitFor();
    await rows('again').first().waitFor();
    await until(updates, (count) => count >= 2, 'it answers again');
  });

  test(`headers go into connection_init of ${protocol}, and other headers open another socket`, onlyFake, async () => {
    await choose(protocol);
    await writeQuery('subscription { headers(name: "x-role") { name value } }');
    const value = page.locator('[data-table="headers"] td[data-column="value"]');
    for (const role of ['courier', 'cook']) {
      await writeHeaders({ 'x-role': role });
      await execute();
      await value.filter({ hasText: role }).waitFor();
      await execute();
      await status('stopped').waitFor();
    }
    assert.deepEqual(sockets.map(({ sent }) => sent[0].payload), [{ headers: { 'x-role': 'courier' } }, { headers: { 'x-role': 'cook' } }]);
    assert.deepEqual(fake.sockets.slice(-2).map((socket) => socket.protocol), [protocol, protocol]);
  });

  test(`a refusal over ${protocol} shows the code and the reason`, onlyFake, async () => {
    await choose(protocol);
    await writeHeaders({ 'x-role': 'banned' });
    await writeQuery(ORDERS);
    await execute();
    await status('closed').filter({ hasText: protocol === 'graphql-ws' ? '1011' : '4403 Forbidden' }).waitFor();
    await until(() => editorText('.result-window'), (t) => t.includes('Forbidden'), 'the JSON says so');
  });

  test(`a socket that is lost over ${protocol} comes back, and the stream with it`, onlyFake, async () => {
    await choose(protocol);
    await writeQuery(ORDERS);
    await execute();
    await rows('orders').first().waitFor();
    fake.sockets.at(-1).close(1012, 'Restart for a test');
    const told = 'Reconnecting after 1012 Restart for a test';
    await until(statuses, (all) => all.includes(told), 'it does not say that the socket was lost');
    await status('live').waitFor();
    const before = await updates();
    await until(updates, (count) => count > before, 'updates go on');
    assert.equal(sockets.length, 2);
  });

  test(`an error of a stream over ${protocol} shows as the server gave it`, onlyFake, async () => {
    await choose(protocol);
    await writeQuery('subscription { broken }');
    await execute();
    await page.locator('.errors', { hasText: 'The well is dry' }).waitFor();
    await until(() => editorText('.result-window'), (t) => t.includes('The well is dry'), 'the JSON shows it');
  });
}

test('a running stream moves to the other subprotocol when it is switched', async () => {
  await writeQuery(ORDERS);
  await execute();
  await rows('orders').first().waitFor();
  await choose('graphql-ws');
  await until(() => sockets.length, (count) => count === 2, 'a second socket opens');
  await until(() => sockets[1].sent.some(({ type }) => type === 'start'), Boolean, 'the operation starts on it');
  await status('live').waitFor();
  await until(updates, (count) => count >= 2, 'updates arrive');
});

test('a query goes over HTTP and needs no socket', async () => {
  await writeQuery('query { orders(limit: 3) { id status } }');
  await execute();
  await status('answered').filter({ hasText: 'HTTP 200' }).waitFor();
  assert.equal(await rows('orders').count(), 3);
  assert.equal(sockets.length, 0);
});

test('headers go with HTTP requests', onlyFake, async () => {
  await writeHeaders({ 'x-role': 'courier' });
  await writeQuery('{ headers(name: "x-role") { value } }');
  await execute();
  await page.locator('[data-table="headers"] td', { hasText: 'courier' }).waitFor();
});

test('an invalid query shows the errors of the server', async () => {
  // A server may answer with a 4xx.
  tolerated = /Failed to load resource.*\b4\d\d\b/;
  await writeQuery('{ no_such_field }');
  await execute();
  await page.locator('.errors', { hasText: 'no_such_field' }).waitFor();
  await until(() => editorText('.result-window'), (t) => t.includes('no_such_field'), 'the JSON shows them');
});

test('the schema explorer, the history, the dialogs and the layouts keep to the policy', async () => {
  await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
  await page.locator('.graphiql-doc-explorer').getByRole('link', { name: /subscription/i }).or(
    page.locator('.graphiql-doc-explorer-type-name', { hasText: /subscription/i }),
  ).first().click();
  await page.locator('.graphiql-doc-explorer', { hasText: 'orders' }).waitFor();
  await shoot('docs');
  await page.getByRole('button', { name: 'Show History' }).click();
  await page.locator('.graphiql-history').waitFor();
  for (const name of ['Open settings dialog', 'Open short keys dialog']) {
    await page.getByRole('button', { name }).click();
    await page.getByRole('dialog').waitFor();
    await shoot(name.replaceAll(' ', '-'));
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  }
  for (const [layout, table, json] of [['Table', true, false], ['JSON', false, true], ['Both', true, true]]) {
    await choose(layout);
    for (const [part, isShown] of [['.live-body', table], ['.result-window', json]]) {
      await page.locator(part).waitFor({ state: isShown ? 'visible' : 'hidden' });
    }
  }
  await schemaIsThere();
  await page.getByRole('button', { name: 'New tab' }).click();
  await page.locator(`${QUERY_EDITOR} .CodeMirror`).click();
  await page.keyboard.type('{ ord');
  await page.locator('.CodeMirror-hints').waitFor();
});

test('a long result scrolls in its pane and pushes nothing out', async () => {
  const aliases = Array.from({ length: 9 }, (_, index) => `a${index}: orders(limit: 10) { id status }`);
  await writeQuery(`{ ${aliases.join(' ')} }`);
  await execute();
  await rows('a8').first().waitFor();
  const tools = await page.getByRole('button', { name: 'Headers', exact: true }).boundingBox();
  const { bottom } = await page.locator('.graphiql-sessions').evaluate((element) => element.getBoundingClientRect());
  assert.ok(tools.y + tools.height < bottom);
  assert.ok(bottom <= page.viewportSize().height);
});

test('it works under a path prefix', onlyFake, async () => {
  await openPage({ at: `${url}some/where/` });
  await writeQuery(ORDERS);
  await execute();
  await rows('orders').first().waitFor();
  await page.locator('td.changed').first().waitFor();
});

test('without motion a change is marked and nothing moves; the dark theme applies', async () => {
  await openPage({ reducedMotion: 'reduce', colorScheme: 'dark' });
  await writeQuery(ORDERS);
  await execute();
  const changed = page.locator('td.changed');
  const style = await until(
    () => changed.evaluateAll((cells) => cells[0] && getComputedStyle(cells[0]).animationName),
    Boolean,
    'a cell changes',
  );
  assert.equal(style, 'none');
  const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.equal(ground, 'rgb(12, 21, 28)');
  await shoot('dark');
});
