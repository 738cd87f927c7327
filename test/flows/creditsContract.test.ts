import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CreditsApi, expectRefusal, success, TIMESTAMP } from '../support/creditsApi.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

/** The credits half of the contract, row by row: every success and every refusal. */
const KEY = uniqueName('shared-key');
const BONUS_KEY = uniqueName('bonus-key');
const NO_KEY = 'Invalid or missing API key. Include X-API-Key header or api_key parameter.';

let system: TestSystem;
let api: CreditsApi;

beforeAll(async () => {
  system = await createTestSystem('creditscontract');
  const web = await system.startWeb({ PENORA_API_KEY: KEY, CREDITS_BONUS_KEY: BONUS_KEY });
  api = new CreditsApi(web.url, KEY);
});

afterAll(() => system.remove());

const newUser = (credits?: number) => api.newUser(uniqueName('u'), credits);
const transactions = async (userId: string, query = '') =>
  success(api.get(`/transactions?user_id=${userId}${query}`));

const ENDPOINTS = [
  ['GET', '/api/unified/user-info?user_id=u'],
  ['POST', '/api/unified/deduct-credits'],
  ['POST', '/api/unified/add-credits'],
  ['GET', '/api/unified/user-projects?user_id=u'],
  ['POST', '/api/unified/save-project'],
  ['GET', '/api/unified/projects?user_id=u'],
  ['GET', '/api/unified/project/ABCDEF?user_id=u'],
  ['GET', '/api/unified/transactions?user_id=u'],
  ['GET', '/api/unified/storage-stats?user_id=u'],
  ['POST', '/api/unified/create-user'],
  ['POST', '/api/unified/give-bonus-credits'],
] as const;

describe('the key', () => {
  test.each(ENDPOINTS)('is needed by %s %s, before anything else', async (method, path) => {
    const body = method === 'POST' ? { body: '{' } : {};
    const separator = path.includes('?') ? '&' : '?';
    for (const headers of [
      {},
      { 'X-API-Key': '' },
      { 'X-API-Key': `${KEY}x` },
      { Authorization: 'Basic eDp5' },
    ]) {
      expectRefusal(await api.ask(path, { method, headers, ...body }), 401, NO_KEY);
    }
    expectRefusal(await api.ask(`${path}${separator}api_key=wrong`, { method, ...body }), 401, NO_KEY);
    const withoutUser = path.replace('?user_id=u', '');
    expectRefusal(await api.ask(withoutUser, { method, ...body }), 401, NO_KEY);
  });

  test.each(ENDPOINTS)('may be a header or a parameter of %s %s', async (method, path) => {
    const body = method === 'POST' ? { body: '{}' } : {};
    const separator = path.includes('?') ? '&' : '?';
    const byHeader = await api.ask(path, { method, headers: { 'x-api-key': KEY }, ...body });
    const byParameter = await api.ask(`${path}${separator}api_key=${KEY}`, { method, ...body });
    expect([byHeader.status, byParameter.status]).not.toContain(undefined);
    expect(byHeader.text).not.toContain(NO_KEY);
    expect(byParameter.text).not.toContain(NO_KEY);
    expect(byParameter.status).toBe(byHeader.status);
  });

  test('none configured: everything is refused', async () => {
    const web = await system.startWeb();
    const closed = new CreditsApi(web.url, KEY);
    expectRefusal(await closed.get('/user-info?user_id=u'), 401, NO_KEY);
    expectRefusal(await closed.ask('/api/unified/user-info?user_id=u&api_key='), 401, NO_KEY);
  });

  test('is not in the log', async () => {
    const web = await system.startWeb({ PENORA_API_KEY: KEY });
    const logged = new CreditsApi(web.url, KEY);
    await success(logged.ask(`/api/unified/user-info?user_id=logged&api_key=${KEY}`));
    await web.line((line) => line.includes('/api/unified/user-info'));
    expect(web.lines.join('\n')).not.toContain(KEY);
  });
});

describe('GET user-info', () => {
  test('shows credits and storage', async () => {
    const userId = await newUser();
    await api.save(userId, 'x'.repeat(125_829));
    expect(await success(api.get(`/user-info?user_id=${userId}`))).toEqual({
      success: true,
      credits: 60,
      user_id: userId,
      storage: { used_mb: 0.12, limit_mb: 1, available_mb: 0.88, usage_percentage: 12 },
      timestamp: expect.stringMatching(TIMESTAMP),
    });
  });

  test('of an unknown user shows nothing and does not create it', async () => {
    const userId = uniqueName('unknown');
    for (const _ of [1, 2]) {
      expect(await success(api.get(`/user-info?user_id=${userId}`))).toEqual({
        success: true,
        credits: 0,
        user_id: userId,
        storage: { used_mb: 0, limit_mb: 1, available_mb: 1, usage_percentage: 0 },
        timestamp: expect.stringMatching(TIMESTAMP),
      });
    }
    expectRefusal(await api.post('/add-credits', { user_id: userId, amount: 1 }), 404, 'User not found');
  });

  test('is in UTC', async () => {
    const before = Date.now();
    const { timestamp } = await success(api.get('/user-info?user_id=u'));
    const at = Date.parse(`${timestamp.slice(0, 23)}Z`);
    expect(at).toBeGreaterThanOrEqual(before);
    expect(at).toBeLessThanOrEqual(Date.now());
  });
});

describe('a GET', () => {
  test.each(['user-info', 'user-projects', 'projects', 'project/ABCDEF', 'transactions', 'storage-stats'])(
    '%s without user_id is 401, and with one that cannot be, 400',
    async (path) => {
      for (const query of ['', '?user_id=', '?user_id', '?userId=u', '?user_id[$ne]=u']) {
        expectRefusal(await api.get(`/${path}${query}`), 401, 'User ID required');
      }
      expectRefusal(
        await api.get(`/${path}?user_id=${'x'.repeat(201)}`),
        400,
        'user_id must be at most 200 characters',
      );
      expectRefusal(
        await api.get(`/${path}?user_id=a%00b`),
        400,
        'user_id must not contain control characters',
      );
    },
  );

  test('of a repeated user_id takes the first', async () => {
    expect((await success(api.get('/user-info?user_id=one&user_id=two'))).user_id).toBe('one');
  });
});

describe('a POST', () => {
  const POSTS = ['deduct-credits', 'add-credits', 'save-project', 'create-user', 'give-bonus-credits'];

  test.each(POSTS)('%s of anything but a JSON object is 400', async (path) => {
    const bodies = [
      '',
      '{',
      'user_id=u&amount=3',
      '[]',
      '"text"',
      'null',
      '7',
      new Uint8Array([0x7b, 0xff, 0x7d]),
    ];
    for (const body of bodies) {
      expectRefusal(await api.post(`/${path}`, body), 400, 'Invalid JSON body');
    }
  });

  test.each(POSTS)('%s that is nested too deeply says so', async (path) => {
    const body = `{"metadata":${'['.repeat(40)}${']'.repeat(40)}}`;
    expectRefusal(await api.post(`/${path}`, body), 400, 'The JSON is nested deeper than 32 levels');
  });

  test('is JSON whatever its content type says', async () => {
    const userId = await newUser(10);
    const body = JSON.stringify({ user_id: userId, amount: 1, app_name: 'penora' });
    for (const type of [
      'text/plain',
      'application/x-www-form-urlencoded',
      'application/json; charset=UTF-8',
      'odd',
    ]) {
      await success(api.post('/deduct-credits', body, { 'Content-Type': type }));
    }
    const bytes = new TextEncoder().encode(body);
    await success(
      api.ask('/api/unified/deduct-credits', { method: 'POST', body: bytes, headers: { 'X-API-Key': KEY } }),
    );
    expect(await api.credits(userId)).toBe(5);
  });

  test.each(POSTS)('%s of more than its limit is 413', async (path) => {
    const limit = path === 'save-project' ? 8_388_608 : 1_048_576;
    const answer = await api.post(`/${path}`, 'x'.repeat(limit + 1));
    expectRefusal(answer, 413, `The body is larger than ${limit} bytes`);
  });

  test('with a compressed body is 415', async () => {
    const answer = await api.post('/add-credits', '{}', { 'Content-Encoding': 'gzip' });
    expectRefusal(answer, 415, 'A compressed body is not accepted; send it as it is');
  });
});

describe('POST deduct-credits', () => {
  const DEDUCT = { amount: 3, app_name: 'imagegene' };

  test('takes credits and lists them', async () => {
    const userId = await newUser(57);
    const sent = { ...DEDUCT, user_id: userId, description: 'An image', project_code: 'IMG_1767598000000' };
    expect(await success(api.post('/deduct-credits', sent))).toEqual({
      success: true,
      credits_deducted: 3,
      new_balance: 54,
      app_name: 'imagegene',
      timestamp: expect.stringMatching(TIMESTAMP),
    });
    expect((await transactions(userId, '&limit=1')).all_transactions).toEqual([
      {
        app_name: 'imagegene',
        transaction_type: 'used',
        amount: -3,
        description: 'An image',
        project_code: 'IMG_1767598000000',
        created_at: expect.stringMatching(TIMESTAMP),
      },
    ]);
    expect(await api.credits(userId)).toBe(54);
  });

  test('needs no description and no code, and any app will do', async () => {
    const userId = await newUser(10);
    for (const more of [{}, { description: null, project_code: null }]) {
      await success(
        api.post('/deduct-credits', { user_id: userId, amount: 1, app_name: 'another app', ...more }),
      );
      expect((await transactions(userId, '&limit=1')).all_transactions[0]).toMatchObject({
        app_name: 'another app',
        description: 'Credit usage',
        project_code: null,
      });
    }
  });

  test('down to nothing, but not below', async () => {
    const userId = await newUser(5);
    expect(
      (await success(api.post('/deduct-credits', { ...DEDUCT, user_id: userId, amount: 5 }))).new_balance,
    ).toBe(0);
    const answer = await api.post('/deduct-credits', { ...DEDUCT, user_id: userId, amount: 1 });
    expectRefusal(answer, 400, 'Insufficient credits or deduction failed');
    expect(await api.credits(userId)).toBe(0);
    expect((await transactions(userId)).total_count).toBe(3);
  });

  test('charges the same code as often as it is sent', async () => {
    const userId = await newUser(10);
    for (const _ of [1, 2]) {
      await success(api.post('/deduct-credits', { ...DEDUCT, user_id: userId, project_code: 'QW12ER' }));
    }
    expect(await api.credits(userId)).toBe(4);
  });

  test.each([
    ['an unknown user', () => uniqueName('unknown'), 1],
    ['more than there is', () => newUser(2), 3],
    ['more than can be counted on', () => newUser(2), Number.MAX_SAFE_INTEGER],
  ])('of %s is refused', async (_what, user, amount) => {
    const answer = await api.post('/deduct-credits', { user_id: await user(), amount, app_name: 'penora' });
    expectRefusal(answer, 400, 'Insufficient credits or deduction failed');
  });

  test.each([
    ['user_id', undefined],
    ['user_id', null],
    ['user_id', ''],
    ['amount', undefined],
    ['amount', null],
    ['amount', 0],
    ['amount', -0],
    ['amount', ''],
    ['amount', false],
    ['app_name', undefined],
    ['app_name', ''],
  ])('with the %s %j lacks a field', async (field, value) => {
    const answer = await api.post('/deduct-credits', { user_id: 'u', ...DEDUCT, [field]: value });
    expectRefusal(answer, 400, 'Missing required fields: user_id, amount, app_name');
  });

  test.each([-1, -5, 1.5, 0.1, '3', 'three', '-3', true, [3], { value: 3 }, 1e300, 2 ** 53])(
    'of the amount %j is refused, and nothing is charged or given',
    async (amount) => {
      const userId = await newUser(20);
      for (const path of ['/deduct-credits', '/add-credits']) {
        const answer = await api.post(path, { user_id: userId, amount, app_name: 'penora' });
        expectRefusal(answer, 400, 'amount must be a positive integer');
      }
      expect(await api.credits(userId)).toBe(20);
    },
  );

  test('of 3.0 is of 3', async () => {
    const userId = await newUser(20);
    await success(api.post('/deduct-credits', `{"user_id":"${userId}","amount":3.0,"app_name":"penora"}`));
    expect(await api.credits(userId)).toBe(17);
  });

  test.each([
    [{ user_id: 7 }, 'user_id must be a string'],
    [{ user_id: 'x'.repeat(201) }, 'user_id must be at most 200 characters'],
    [{ user_id: 'a\nb' }, 'user_id must not contain control characters'],
    [{ user_id: '\ud800' }, 'user_id must be valid Unicode'],
    [{ app_name: ['penora'] }, 'app_name must be a string'],
    [{ app_name: 'a\u0000b' }, 'app_name must not contain control characters'],
    [{ description: 7 }, 'description must be a string'],
    [{ description: 'x'.repeat(10_001) }, 'description must be at most 10000 characters'],
    [{ project_code: 7 }, 'project_code must be a string'],
  ])('with %j is refused', async (more, error) => {
    expectRefusal(await api.post('/deduct-credits', { user_id: 'u', ...DEDUCT, ...more }), 400, error);
  });

  test('never below zero under parallel calls', async () => {
    const userId = await newUser(20);
    const answers = await Promise.all(
      Array.from({ length: 50 }, () =>
        api.post('/deduct-credits', { user_id: userId, amount: 3, app_name: 'penora' }),
      ),
    );
    const done = answers
      .filter(({ status }) => status === 200)
      .map(({ text }) => JSON.parse(text).new_balance);
    expect(done.sort((one, other) => other - one)).toEqual([17, 14, 11, 8, 5, 2]);
    for (const answer of answers.filter(({ status }) => status !== 200)) {
      expectRefusal(answer, 400, 'Insufficient credits or deduction failed');
    }
    expect(await api.credits(userId)).toBe(2);
    expect(
      (await transactions(userId)).all_transactions.filter(({ amount }: { amount: number }) => amount === -3),
    ).toHaveLength(6);
  });
});

describe('POST add-credits', () => {
  test('gives credits and lists them', async () => {
    const userId = await newUser(54);
    const sent = { user_id: userId, amount: 10, transaction_type: 'purchase', description: 'Ten more' };
    expect(await success(api.post('/add-credits', sent))).toEqual({
      success: true,
      user_id: userId,
      credits_added: 10,
      amount_added: 10,
      new_balance: 64,
      message: 'Successfully added 10 credits',
      timestamp: expect.stringMatching(TIMESTAMP),
    });
    expect((await transactions(userId, '&limit=1')).all_transactions).toEqual([
      {
        app_name: 'system',
        transaction_type: 'purchase',
        amount: 10,
        description: 'Ten more',
        project_code: null,
        created_at: expect.stringMatching(TIMESTAMP),
      },
    ]);
  });

  test.each([
    [{}, 'purchased', 'Credit addition'],
    [{ transaction_type: null, description: null }, 'purchased', 'Credit addition'],
    [{ transaction_type: 'bonus', description: '' }, 'bonus', ''],
    [{ transaction_type: 'free text' }, 'free text', 'Credit addition'],
  ])('with %j is listed as %s', async (more, transaction_type, description) => {
    const userId = await newUser();
    await success(api.post('/add-credits', { user_id: userId, amount: 1, ...more }));
    const { all_transactions } = await transactions(userId, '&limit=1');
    expect(all_transactions[0]).toMatchObject({ transaction_type, description, amount: 1 });
  });

  test('to an unknown user is 404', async () => {
    const answer = await api.post('/add-credits', { user_id: uniqueName('unknown'), amount: 1 });
    expectRefusal(answer, 404, 'User not found');
  });

  test.each([{}, { user_id: 'u' }, { amount: 3 }, { user_id: 'u', amount: 0 }, { user_id: '', amount: 3 }])(
    'of %j lacks a field',
    async (body) => {
      expectRefusal(await api.post('/add-credits', body), 400, 'Missing required fields: user_id, amount');
    },
  );

  test('beyond what can be counted exactly is refused', async () => {
    const userId = await newUser(60);
    const answer = await api.post('/add-credits', { user_id: userId, amount: Number.MAX_SAFE_INTEGER });
    expectRefusal(answer, 400, 'The balance would become too large');
    expect(await api.credits(userId)).toBe(60);
  });
});

describe('POST create-user', () => {
  test('creates a user with 60 credits, listed as 50 and 10', async () => {
    const user_id = uniqueName('u');
    expect(
      await success(api.post('/create-user', { user_id, username: 'Ann', email: 'ann@example.test' })),
    ).toEqual({
      success: true,
      user: {
        user_id,
        username: 'Ann',
        email: 'ann@example.test',
        credits: 60,
        storage_used_mb: 0,
        storage_limit_mb: 1,
        storage_available_mb: 1,
      },
      timestamp: expect.stringMatching(TIMESTAMP),
    });
    const { all_transactions } = await transactions(user_id);
    expect(
      all_transactions
        .map((item: Record<string, unknown>) => [item['app_name'], item['transaction_type'], item['amount']])
        .sort(),
    ).toEqual([
      ['system', 'adjustment', 50],
      ['system', 'bonus', 10],
    ]);
  });

  test.each([
    [10, []],
    [0, [-10]],
    [7, [-3]],
    [500, [490]],
  ])('with %i credits lists what makes up the balance', async (initial_credits, adjustments) => {
    const userId = await newUser(initial_credits);
    expect(await api.credits(userId)).toBe(initial_credits);
    const { all_transactions } = await transactions(userId);
    const amounts = (type: string) =>
      all_transactions
        .filter((item: { transaction_type: string }) => item.transaction_type === type)
        .map((item: { amount: number }) => item.amount);
    expect(amounts('bonus')).toEqual([10]);
    expect(amounts('adjustment')).toEqual(adjustments);
  });

  test('of one who exists updates name and e-mail and leaves the credits', async () => {
    const user_id = await newUser(7);
    await api.save(user_id, 'x'.repeat(524_288));
    const sent = { user_id, username: 'New Name', email: 'new@example.test', initial_credits: 1_000 };
    expect((await success(api.post('/create-user', sent))).user).toEqual({
      user_id,
      username: 'New Name',
      email: 'new@example.test',
      credits: 7,
      storage_used_mb: 0.5,
      storage_limit_mb: 1,
      storage_available_mb: 0.5,
    });
    expect(await api.credits(user_id)).toBe(7);
  });

  test.each([
    {},
    { user_id: 'u' },
    { user_id: 'u', username: 'n' },
    { user_id: 'u', username: '', email: 'e' },
  ])('of %j lacks a field', async (body) => {
    expectRefusal(
      await api.post('/create-user', body),
      400,
      'Missing required fields: user_id, username, email',
    );
  });

  test.each([-1, 1.5, '60', true, 2 ** 53])('with %j credits is refused', async (initial_credits) => {
    const user = { user_id: uniqueName('u'), username: 'n', email: 'e' };
    const answer = await api.post('/create-user', { ...user, initial_credits });
    expectRefusal(answer, 400, 'initial_credits must be an integer, 0 or more');
  });

  test('many times at once creates one', async () => {
    const user = { user_id: uniqueName('u'), username: 'n', email: 'e' };
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => success(api.post('/create-user', user))),
    );
    expect(answers.map((answer) => answer.user.credits)).toEqual(Array.from({ length: 20 }, () => 60));
    expect((await transactions(user.user_id)).total_count).toBe(2);
  });

  test.each([
    '112233445566778899001',
    '0b8f7a3e-5d1c-4c6e-9b59-1f1f6a1d2c3b',
    'user123',
    '007',
    'Người dùng',
    'a b&c=d/é',
  ])('takes the id %s as it is', async (label) => {
    const user_id = `${label}-${uniqueName('x')}`;
    await api.newUser(user_id, 12);
    const info = await success(api.get(`/user-info?user_id=${encodeURIComponent(user_id)}`));
    expect([info.user_id, info.credits]).toEqual([user_id, 12]);
  });

  test('tells ids apart that are the same number', async () => {
    const digits = String(Date.now());
    await api.newUser(digits, 11);
    expect(await api.credits(`0${digits}`)).toBe(0);
    expect(await api.credits(`${digits}.0`)).toBe(0);
  });
});

describe('GET transactions', () => {
  test('are newest first, in all and by app', async () => {
    const userId = await newUser(100);
    for (const app_name of ['penora', 'imagegene', 'another']) {
      await success(
        api.post('/deduct-credits', { user_id: userId, amount: 2, app_name, description: app_name }),
      );
    }
    await success(api.post('/add-credits', { user_id: userId, amount: 5, description: 'added' }));
    const answer = await transactions(userId);
    const descriptions = (list: { description: string }[]) => list.map(({ description }) => description);
    expect(Object.keys(answer)).toEqual([
      'success',
      'all_transactions',
      'penora_transactions',
      'imagegene_transactions',
      'total_count',
      'timestamp',
    ]);
    expect(descriptions(answer.all_transactions).slice(0, 4)).toEqual([
      'added',
      'another',
      'imagegene',
      'penora',
    ]);
    expect(descriptions(answer.penora_transactions)).toEqual(['penora']);
    expect(descriptions(answer.imagegene_transactions)).toEqual(['imagegene']);
    expect(answer.total_count).toBe(6);
    const sum = answer.all_transactions.reduce(
      (total: number, item: { amount: number }) => total + item.amount,
      0,
    );
    expect(sum).toBe(await api.credits(userId));
  });

  test('are 50 unless told, and of a limit as many', async () => {
    const userId = await newUser(100);
    await Promise.all(
      Array.from({ length: 60 }, () =>
        success(api.post('/deduct-credits', { user_id: userId, amount: 1, app_name: 'penora' })),
      ),
    );
    expect((await transactions(userId)).total_count).toBe(50);
    expect((await transactions(userId, '&limit=7')).all_transactions).toHaveLength(7);
    expect((await transactions(userId, '&limit=0')).all_transactions).toEqual([]);
    expect((await transactions(userId, '&limit=100000')).total_count).toBe(62);
  });

  test('of an unknown user are none', async () => {
    expect(await transactions(uniqueName('unknown'))).toMatchObject({
      all_transactions: [],
      penora_transactions: [],
      imagegene_transactions: [],
      total_count: 0,
    });
  });

  test.each(['x', '', '1.5', '-1', '1e3', '0x10', ' 5', '99999999999999999999'])(
    'of the limit %j are 400',
    async (limit) => {
      const answer = await api.get(`/transactions?user_id=u&limit=${encodeURIComponent(limit)}`);
      expectRefusal(answer, 400, 'limit must be a whole number');
    },
  );
});

describe('POST give-bonus-credits', () => {
  const NOT_ADMIN = 'Unauthorized - Admin key required';

  test('gives everybody the same', async () => {
    const users = await Promise.all([newUser(0), newUser(7), newUser(60)]);
    const all = await system.connection.collection('users').countDocuments();
    expect(all).toBe(0);
    const answer = await success(api.post('/give-bonus-credits', { bonus_amount: 4, admin_key: BONUS_KEY }));
    expect(answer).toEqual({
      success: true,
      message: 'Successfully gave 4 bonus credits to all users',
      users_updated: expect.any(Number),
      total_credits_distributed: answer.users_updated * 4,
      timestamp: expect.stringMatching(TIMESTAMP),
    });
    expect(answer.users_updated).toBeGreaterThanOrEqual(3);
    expect(await Promise.all(users.map((user) => api.credits(user)))).toEqual([4, 11, 64]);
    const [user = ''] = users;
    expect((await transactions(user, '&limit=1')).all_transactions[0]).toMatchObject({
      app_name: 'system',
      transaction_type: 'bonus',
      amount: 4,
      project_code: null,
    });
  });

  test('gives 10 unless told', async () => {
    const user = await newUser(0);
    for (const more of [{}, { bonus_amount: null }]) {
      const answer = await success(api.post('/give-bonus-credits', { admin_key: BONUS_KEY, ...more }));
      expect(answer.message).toBe('Successfully gave 10 bonus credits to all users');
    }
    expect(await api.credits(user)).toBe(20);
  });

  test.each([{}, { admin_key: '' }, { admin_key: 'wrong' }, { admin_key: [BONUS_KEY] }, { admin_key: KEY }])(
    'without the right admin_key is 401: %j',
    async (body) => {
      expectRefusal(await api.post('/give-bonus-credits', { ...body, bonus_amount: 'x' }), 401, NOT_ADMIN);
    },
  );

  test('is disabled where no key is configured', async () => {
    const web = await system.startWeb({ PENORA_API_KEY: KEY });
    const closed = new CreditsApi(web.url, KEY);
    for (const admin_key of [BONUS_KEY, '', undefined, null]) {
      expectRefusal(await closed.post('/give-bonus-credits', { admin_key }), 401, NOT_ADMIN);
    }
  });

  test.each([0, -1, 1.5, '10', true])('of %j is refused', async (bonus_amount) => {
    const answer = await api.post('/give-bonus-credits', { admin_key: BONUS_KEY, bonus_amount });
    expectRefusal(answer, 400, 'bonus_amount must be a positive integer');
  });

  test('with an Idempotency-Key is given once', async () => {
    const user = await newUser(0);
    const key = { 'Idempotency-Key': uniqueName('bonus') };
    const sent = { admin_key: BONUS_KEY, bonus_amount: 3 };
    const first = await api.post('/give-bonus-credits', sent, key);
    const second = await api.post('/give-bonus-credits', sent, key);
    expect([second.status, second.text]).toEqual([200, first.text]);
    expect(second.headers.get('idempotency-replayed')).toBe('true');
    expect(await api.credits(user)).toBe(3);
    expectRefusal(
      await api.post('/give-bonus-credits', { ...sent, bonus_amount: 4 }, key),
      422,
      'This Idempotency-Key was used before with another request',
    );
  });
});

describe('what is not there', () => {
  test.each([
    ['GET', '/api/unified/nothing'],
    ['POST', '/api/unified/user-info/more'],
    ['GET', '/api/unified/project/'],
    ['GET', '/api/unified/docs'],
    ['GET', '/api/unified'],
    // Of a client whose base address ends in a slash.
    ['GET', '//api/unified/user-info'],
    ['POST', '/api//unified/deduct-credits'],
    ['GET', '/API/Unified/nothing'],
  ])('%s %s is 404 as JSON', async (method, path) => {
    expectRefusal(await api.ask(path, { method }), 404, `There is nothing at ${path}`);
  });

  test('another method is 405 as JSON, after the key', async () => {
    const answer = await api.get('/deduct-credits');
    expectRefusal(answer, 405, 'GET is not possible here; possible: POST, OPTIONS');
    expect(answer.headers.get('allow')).toBe('POST, OPTIONS');
    for (const headers of [{}, { 'X-API-Key': `${KEY}x` }]) {
      const unknown = await api.ask('/api/unified/deduct-credits', { headers });
      expectRefusal(unknown, 401, NO_KEY);
    }
    const preflight = await api.ask('/api/unified/deduct-credits', { method: 'OPTIONS' });
    expect(preflight.status).toBe(204);
  });

  test('a path that cannot be decoded is 400 as JSON', async () => {
    expectRefusal(await api.get('/project/%ff?user_id=u'), 400, 'The path is not correctly percent-encoded');
  });
});

test('GET /health needs no key', async () => {
  const answer = await api.ask('/health');
  expect([answer.status, answer.text]).toEqual([200, '{"status":"healthy"}']);
  expect((await api.ask('/healthz')).status).toBe(200);
});
