/** Live connections whose other side is hostile, silent or gone. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { CreditsClient } from '../support/creditsClient.ts';
import { EventSource } from '../support/eventSource.ts';
import { IconsApi } from '../support/iconsApi.ts';
import { createIconsSystem, type IconsSystem } from '../support/iconsSystem.ts';
import { LiveClient } from '../support/liveClient.ts';
import { rawExchange } from '../support/rawExchange.ts';
import { served } from '../support/served.ts';
import { uniqueName } from '../support/testSystem.ts';
import { waitFor } from '../support/waitFor.ts';

const PAGE = 'https://app.example.test';

let icons: IconsSystem;
let url: string;

beforeAll(async () => {
  icons = await createIconsSystem('live-connections');
  ({ url } = await icons.startWeb({ CORS_ORIGINS: PAGE }));
});
afterAll(() => icons?.remove());

const SOCKET_IO = '/socket.io/?EIO=4&transport=websocket';

function upgradeOf(path: string, headers: Readonly<Record<string, string>> = {}): string {
  const all = {
    Host: new URL(url).host,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return `GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
}

/** Asks for an upgrade, and never closes its side. */
async function openSocket(request: string, at = url): Promise<{ socket: Socket; statusLine: string }> {
  const { port, hostname } = new URL(at);
  const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  socket.on('error', () => undefined);
  socket.write(request);
  const [data]: unknown[] = await once(socket, 'data');
  return { socket, statusLine: String(data).split('\r\n', 1)[0] ?? '' };
}

test.each(['h2c', 'TLS/1.0', 'websocket'])(
  'a request that offers to upgrade to %s is answered where there is nothing to upgrade to',
  async (protocol) => {
    const answer = await rawExchange(url, [upgradeOf('/healthz', { Upgrade: protocol })]);
    expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  },
);

test.each([
  ['/socket.io/?EIO=4&transport=none', {}],
  [SOCKET_IO, { Origin: 'https://evil.example.test' }],
  ['/ws', { Origin: 'https://evil.example.test' }],
  ['/ws', { 'Sec-WebSocket-Version': '1' }],
])('a refused upgrade of %s does not stay half open: %j', async (path, headers) => {
  const { socket, statusLine } = await openSocket(upgradeOf(path, headers));
  expect(statusLine).toMatch(/^HTTP\/1\.1 4/);
  // Only a connection that nobody holds any more answers with a reset.
  await waitFor('the end', async () => {
    if (!socket.destroyed) socket.write('x');
    return socket.destroyed || undefined;
  });
});

test.each(['/ws', SOCKET_IO])('pages of the own and of configured origins may upgrade %s', async (path) => {
  for (const Origin of [PAGE, url]) {
    const { statusLine } = await openSocket(upgradeOf(path, { Origin }));
    expect(statusLine).toBe('HTTP/1.1 101 Switching Protocols');
  }
});

test.each(['/ws', SOCKET_IO])('a peer of %s that is silent does not hold up the end', async (path) => {
  const web = await icons.startWeb();
  const { socket, statusLine } = await openSocket(upgradeOf(path), web.url);
  expect(statusLine).toBe('HTTP/1.1 101 Switching Protocols');
  socket.pause();
  web.kill('SIGTERM');
  expect(await web.exited).toEqual({ code: 0, signal: null });
});

test('a revoked key ends what was opened with it: streams, and what connections see', async () => {
  const { system } = icons;
  const asOperator = { 'X-API-Key': system.adminKey, 'Content-Type': 'application/json' };
  const body = JSON.stringify({ name: 'live', scopes: ['icons', 'credits:read'] });
  const made = await served(() => fetch(`${url}/api/keys`, { method: 'POST', headers: asOperator, body }));
  const { key, key_id } = JSON.parse(await made.text());
  const batchId = await new IconsApi(url, key).start({ categories: ['never made'] });
  const authorization = `Bearer ${key}`;
  const user = await new CreditsClient({ url }, system).newUser(uniqueName('live'), 60);
  const [socketIo, raw, stranger, ...streams] = await Promise.all([
    LiveClient.socketIo(url, key),
    LiveClient.raw(url, { authorization }),
    LiveClient.raw(url),
    EventSource.open(`${url}/api/icons/batch/${batchId}/events`, { authorization }),
    EventSource.open(`${url}/api/unified/balance/stream?user_id=${user}`, { authorization }),
  ]);
  onTestFinished(() => {
    for (const client of [socketIo, raw, stranger, ...streams]) client.close();
  });
  expect(streams.map(({ status }) => status)).toEqual([200, 200]);
  socketIo.send('subscribe_batch', { batch_id: batchId });
  await socketIo.first('subscribed');
  socketIo.send('unsubscribe_batch', { batch_id: batchId });
  const revoked = await served(() =>
    fetch(`${url}/api/keys/${key_id}/revoke`, { method: 'POST', headers: asOperator }),
  );
  expect(revoked.status).toBe(200);
  await waitFor('the end of the streams', async () => streams.every(({ ended }) => ended) || undefined);
  // It says nothing, so it is cut off.
  await waitFor('the end of the silent one', async () => stranger.ended || undefined);
  for (const client of [socketIo, raw]) {
    await waitFor('a refusal', async () => {
      client.send('join_batch', { batch_id: batchId });
      return client.of('join_refused')[0];
    });
    expect(client.ended).toBe(false);
  }
});
