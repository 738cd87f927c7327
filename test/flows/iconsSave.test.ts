import { afterAll, beforeAll, expect, test } from 'vitest';
import { CreditsApi } from '../support/creditsApi.ts';
import { IconsApi } from '../support/iconsApi.ts';
import { createIconsSystem, type IconsSystem } from '../support/iconsSystem.ts';
import { uniqueName } from '../support/testSystem.ts';

const sharedKey = uniqueName('shared-key');

let icons: IconsSystem;
let credits: CreditsApi;
let url: string;

beforeAll(async () => {
  icons = await createIconsSystem('icons-save');
  const variables = { PENORA_API_KEY: sharedKey };
  const [web] = await Promise.all([icons.startWeb(variables), icons.startWorker(variables)]);
  url = web.url;
  credits = new CreditsApi(url, sharedKey);
});
afterAll(() => icons?.remove());

/** A person with a workspace. */
async function newPerson() {
  const user = await credits.newUser(uniqueName('saver'), 10);
  const { token } = await icons.newAccount({ credits_user_id: user });
  return { user, api: new IconsApi(url, token) };
}

async function projectsOf(user: string) {
  const answer = await new IconsApi(url, sharedKey).get(`/api/unified/user-projects?user_id=${user}`);
  return answer.body.projects;
}

test('a saved icon is a project with its address, and is not cleared with the others', async () => {
  const { user, api } = await newPerson();
  const [kept, other] = await Promise.all(
    ['lamps', 'chairs'].map(async (category) => (await api.generate({ category })).body.image_url),
  );
  const answer = await api.post('/api/icons/save', { image_url: kept });
  expect(answer.status, answer.text).toBe(201);
  expect(answer.body).toEqual({
    project_code: expect.any(String),
    title: 'Lamps',
    user_id: user,
    image_url: kept,
  });
  const projects = await projectsOf(user);
  expect(projects).toMatchObject([
    {
      code: answer.body.project_code,
      title: 'Lamps',
      app_source: 'icons',
      project_type: 'icon',
      content: kept,
      metadata: { category: 'lamps', style: 'modern', path: kept.replace('/api/images/', '') },
    },
  ]);

  expect((await api.post('/api/icons/cache/clear')).body).toMatchObject({ cleared: 1 });
  expect((await api.get(kept)).status).toBe(200);
  expect((await api.get(other)).status).toBe(404);
  expect((await api.post('/api/icons/save', { image_url: other })).status).toBe(404);
});

test('a repeat with the same Idempotency-Key makes no second project', async () => {
  const { user, api } = await newPerson();
  const { image_url } = (await api.generate({ category: 'once' })).body;
  const headers = { 'Idempotency-Key': uniqueName('key') };
  const save = () =>
    api.post(
      '/api/icons/save',
      { image_url: `https://icons.example.test${image_url}`, title: 'Mine' },
      headers,
    );
  const [first, second] = [await save(), await save()];
  expect(second.text).toBe(first.text);
  expect(second.headers.get('idempotency-replayed')).toBe('true');
  expect(await projectsOf(user)).toHaveLength(1);
  const changed = await api.post('/api/icons/save', { image_url, title: 'Other' }, headers);
  expect(changed.status).toBe(422);
});

test('the address may have a path before it, as behind a proxy', async () => {
  const { api } = await newPerson();
  const { image_url } = (await api.generate({ category: 'below' })).body;
  const answer = await api.post('/api/icons/save', {
    image_url: `https://shop.example.test/tools/icons${image_url}`,
  });
  expect(answer.status, answer.text).toBe(201);
});

test('what was refused is not spared from clearing', async () => {
  const { api } = await newPerson();
  const { image_url } = (await api.generate({ category: 'refused' })).body;
  const operator = new IconsApi(url, icons.system.adminKey);
  const refused = await operator.post('/api/icons/save', { image_url, user_id: uniqueName('nobody') });
  expect(refused.status).toBe(404);
  expect((await api.post('/api/icons/cache/clear', { category: 'refused' })).body.cleared).toBe(1);
});

test('saving and clearing at once never leave a project whose icon is gone', async () => {
  const { api } = await newPerson();
  const urls = await Promise.all(
    Array.from(
      { length: 8 },
      async (_, at) => (await api.generate({ category: `raced ${at}` })).body.image_url,
    ),
  );
  const [saves] = await Promise.all([
    Promise.all(urls.map((image_url) => api.post('/api/icons/save', { image_url }))),
    api.post('/api/icons/cache/clear'),
  ]);
  for (const [at, save] of saves.entries()) {
    expect([201, 404]).toContain(save.status);
    expect((await api.get(urls[at])).status).toBe(save.status === 201 ? 200 : 404);
  }
});

test('only into the own workspace; a key names one and needs the scope for it', async () => {
  const { user, api } = await newPerson();
  const { image_url } = (await api.generate({ category: 'whose' })).body;
  const somebody = await credits.newUser(uniqueName('somebody'), 10);
  const without = new IconsApi(url, (await icons.newAccount()).token);
  const operator = new IconsApi(url, icons.system.adminKey);
  expect((await api.post('/api/icons/save', { image_url, user_id: somebody })).status).toBe(403);
  expect((await without.post('/api/icons/save', { image_url })).status).toBe(403);
  expect((await new IconsApi(url).post('/api/icons/save', { image_url })).status).toBe(401);
  expect((await operator.post('/api/icons/save', { image_url })).status).toBe(400);
  expect((await operator.post('/api/icons/save', { image_url, user_id: uniqueName('nobody') })).status).toBe(
    404,
  );
  expect((await operator.post('/api/icons/save', { image_url, user_id: somebody })).status).toBe(201);
  expect(await projectsOf(user)).toEqual([]);
});

test.each([
  ['no body', undefined],
  ['no address', {}],
  ['another address', { image_url: 'https://example.test/lamp.png' }],
  ['a path that leads out', { image_url: '/api/images/../../etc/passwd' }],
  ['a query behind it', { image_url: '/api/images/lamps/lamp.png?x=1' }],
  ['an empty title', { image_url: '/api/images/lamps/lamp.png', title: ' ' }],
  ['a list', { image_url: ['/api/images/lamps/lamp.png'] }],
])('%s is refused clearly', async (_, body) => {
  const { api } = await newPerson();
  const answer = await api.post('/api/icons/save', body);
  expect(answer.status, answer.text).toBe(400);
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
});

test.each(['..', '%2e%2e', 'a%00b', '.hidden'])(
  'an icon that is not there (%s) is not found',
  async (name) => {
    const { api } = await newPerson();
    expect((await api.post('/api/icons/save', { image_url: `/api/images/lamps/${name}` })).status).toBe(404);
  },
);
