import { describe, expect, test } from 'vitest';
import { type Environment, InvalidEnvironmentError, readEnvironment } from '../../config/env.ts';

const STORES = { REDIS_URL: 'redis://127.0.0.1:6400', MONGODB_URL: 'mongodb://127.0.0.1:27400/millrace' };

const LONG = 'x'.repeat(32);
const JWKS = 'https://id.example.test/keys';
const KEY = `k1:${Buffer.alloc(32).toString('base64')}`;

describe('a usable environment', () => {
  test('needs the two stores only and has defaults for the rest', () => {
    expect(readEnvironment(STORES)).toMatchObject({
      ...STORES,
      PORT: 3560,
      HOST: '127.0.0.1',
      REDIS_PREFIX: 'millrace',
      LOG_LEVEL: 'info',
      BUSINESS_TIME_ZONE: 'Asia/Ho_Chi_Minh',
      BATCH_SIZE_DEFAULT: 5,
      OPENAI_RATE_LIMIT_RPM: 50,
      OPENAI_RATE_LIMIT_TPM: 40_000,
      OPENAI_TIMEOUT_SECONDS: 60,
      ICONS_KEEP_BATCHES_HOURS: 24,
      ICONS_BATCH_TIMEOUT_SECONDS: 300,
      ICONS_MAX_ATTEMPTS: 3,
    });
  });

  test('an empty or blank variable counts as absent', () => {
    const environment = readEnvironment({
      ...STORES,
      PORT: '',
      DRAIN_TIMEOUT_SECONDS: ' ',
      ADMIN_API_KEY: '',
      BUSINESS_TIME_ZONE: '',
      USAGE_RELAY_URL: '',
    });
    expect(environment.PORT).toBe(3560);
    expect(environment.DRAIN_TIMEOUT_SECONDS).toBe(20);
    expect(environment.ADMIN_API_KEY).toBeUndefined();
    expect(environment.USAGE_RELAY_URL).toBeUndefined();
    expect(environment.BUSINESS_TIME_ZONE).toBe('Asia/Ho_Chi_Minh');
  });

  test('numbers are numbers, and other variables of the machine are left out', () => {
    const environment = readEnvironment({
      ...STORES,
      PORT: '0',
      USAGE_RELAY_RETRY_DAYS: '0.5',
      PATH: '/bin',
    });
    expect(environment.PORT).toBe(0);
    expect(environment.USAGE_RELAY_RETRY_DAYS).toBe(0.5);
    expect(environment).not.toHaveProperty('PATH');
  });

  test('it cannot be changed', () => {
    const environment = readEnvironment(STORES);
    expect(Reflect.set(environment, 'PORT', 1)).toBe(false);
    expect(environment.PORT).toBe(3560);
  });

  test.each([
    'mongodb://127.0.0.1:27017',
    'mongodb://user:p%40ss@db.example.test/millrace?authSource=admin',
    'mongodb://a.example.test:27017,b.example.test:27017,c.example.test/millrace?replicaSet=rs0',
    'mongodb://user:pass@a.example.test,b.example.test:27018/?replicaSet=rs0',
    'mongodb+srv://user:pass@cluster0.example.test/millrace',
    'mongodb://[::1]:27017/millrace',
    'mongodb://%2Ftmp%2Fmongodb-27017.sock/millrace',
  ])('MONGODB_URL may be %s', (url) => {
    expect(readEnvironment({ ...STORES, MONGODB_URL: url }).MONGODB_URL).toBe(url);
  });

  test.each(['redis://127.0.0.1', 'rediss://:secret@cache.example.test:6380/2', 'redis://[::1]:6379'])(
    'REDIS_URL may be %s',
    (url) => {
      expect(readEnvironment({ ...STORES, REDIS_URL: url }).REDIS_URL).toBe(url);
    },
  );
});

describe('an unusable environment', () => {
  test('every problem is reported at once, by the name of its variable', () => {
    const bad: Record<string, string> = {
      PORT: '70000',
      TRUSTED_PROXIES: '-1',
      REDIS_URL: 'http://127.0.0.1',
      MONGODB_URL: 'postgres://127.0.0.1/x',
      REDIS_PREFIX: 'Mill:race',
      LOG_LEVEL: 'loud',
      ADMIN_API_KEY: 'short',
      BOARD_PASSWORD: 'short',
      BUSINESS_TIME_ZONE: 'Mars/Olympus',
      USAGE_QUEUE_LIMIT: '1.5',
      USAGE_RELAY_URL: 'ftp://example.test',
      USAGE_RELAY_RETRY_DAYS: '31',
      CREDITS_REMOTE_URL: 'ftp://example.test',
      CREDITS_REMOTE_KEY: 'two\nlines',
      USAGE_ACCESS: 'ajar',
      JWT_SECRET: 'short',
      JWT_PREVIOUS_SECRET: 'short',
      JWT_ISSUER_JWKS_URL: 'ftp://example.test',
      JWT_ISSUER: 'millrace',
      SUPERADMIN_USERNAME: '',
      SUPERADMIN_PASSWORD: 'short',
      PENORA_API_KEY: 'short',
      CREDITS_BONUS_KEY: 'short',
      CREDITS_AUTO_CREATE: 'yes',
      RATE_LIMIT_PER_MINUTE: '0',
      RATE_LIMIT_CONTRACT_PER_MINUTE: '0',
      RATE_LIMIT_EVENTS_PER_MINUTE: '0.5',
      WEBHOOKS_ALLOW_PRIVATE: 'yes',
      ENCRYPTION_KEY: 'k1:c2hvcnQ=',
      ENCRYPTION_PREVIOUS_KEY: 'no id',
      DRAIN_TIMEOUT_SECONDS: 'soon',
    };
    const error = problemsOf(bad);
    for (const name of Object.keys(bad)) {
      expect(error.problems.filter((problem) => problem.startsWith(`${name}: `))).toHaveLength(1);
      expect(error.message).toContain(name);
    }
    expect(error.problems).toHaveLength(Object.keys(bad).length);
  });

  test('times of icons that cut each other off are refused', () => {
    expect(problemsOf({ ...STORES, OPENAI_TIMEOUT_SECONDS: '299' }).problems).toEqual([
      'OPENAI_TIMEOUT_SECONDS: is 240 at most',
    ]);
    expect(problemsOf({ ...STORES, ICONS_BATCH_TIMEOUT_SECONDS: '60' }).problems).toEqual([
      'ICONS_BATCH_TIMEOUT_SECONDS: has to be longer than one call (OPENAI_TIMEOUT_SECONDS)',
    ]);
  });

  test('missing stores are both named, and so is what belongs there', () => {
    const error = problemsOf({ REDIS_URL: '', MONGODB_URL: undefined });
    expect(error.problems).toEqual([
      'REDIS_URL: REDIS_URL is a redis:// or rediss:// address',
      'MONGODB_URL: MONGODB_URL is a mongodb:// or mongodb+srv:// address',
    ]);
  });

  test('remote credits need an address and a key; both are named, beside every other problem', () => {
    expect(problemsOf({ ...STORES, PORT: '-1', CREDITS_PROVIDER: 'remote' }).problems).toEqual([
      expect.stringMatching(/^PORT: /),
      'CREDITS_REMOTE_URL: is needed with CREDITS_PROVIDER=remote',
      'CREDITS_REMOTE_KEY: is needed with CREDITS_PROVIDER=remote',
    ]);
    const half = {
      ...STORES,
      CREDITS_PROVIDER: 'remote',
      CREDITS_REMOTE_URL: 'https://credits.example.test',
    };
    expect(problemsOf(half).problems).toEqual(['CREDITS_REMOTE_KEY: is needed with CREDITS_PROVIDER=remote']);
    expect(readEnvironment({ ...half, CREDITS_REMOTE_KEY: 'k' })).toMatchObject({
      CREDITS_PROVIDER: 'remote',
    });
    expect(readEnvironment(STORES).CREDITS_PROVIDER).toBe('local');
  });

  test.each([
    ['JWT_PREVIOUS_SECRET', { JWT_PREVIOUS_SECRET: LONG }, ['JWT_SECRET']],
    ['JWT_ISSUER_JWKS_URL', { JWT_ISSUER_JWKS_URL: JWKS }, ['JWT_SECRET', 'JWT_ISSUER']],
    ['JWT_ISSUER', { JWT_ISSUER: 'https://id.example.test' }, ['JWT_ISSUER_JWKS_URL']],
    ['SUPERADMIN_USERNAME', { SUPERADMIN_USERNAME: 'root' }, ['SUPERADMIN_PASSWORD']],
    ['SUPERADMIN_PASSWORD', { SUPERADMIN_PASSWORD: LONG }, ['SUPERADMIN_USERNAME']],
    ['ENCRYPTION_PREVIOUS_KEY', { ENCRYPTION_PREVIOUS_KEY: KEY }, ['ENCRYPTION_KEY']],
  ])('%s means nothing without its partner, which is named', (name, given, missing) => {
    expect(problemsOf({ ...STORES, ...given }).problems).toEqual(
      missing.map((partner) => `${partner}: is needed with ${name}`),
    );
  });

  test.each([
    ['PORT', 'http'],
    ['PORT', '80.5'],
    ['PORT', '-1'],
    ['DRAIN_TIMEOUT_SECONDS', '0'],
    ['DRAIN_TIMEOUT_SECONDS', 'Infinity'],
    ['REDIS_URL', '127.0.0.1:6379'],
    ['MONGODB_URL', 'mongodb://'],
    ['MONGODB_URL', 'localhost'],
    ['BUSINESS_TIME_ZONE', 'UTC+7'],
    ['USAGE_RELAY_URL', 'nonsense'],
    ['USAGE_RELAY_URL', 'https://user:password@example.test/api/tools/update'],
    ['CREDITS_PROVIDER', 'elsewhere'],
    ['CREDITS_REMOTE_URL', 'https://user:password@example.test'],
    ['CREDITS_REMOTE_KEY', 'schlüssel'],
  ] satisfies [keyof Environment, string][])('%s cannot be %j', (name, value) => {
    expect(problemsOf({ ...STORES, [name]: value }).problems).toEqual([
      expect.stringMatching(new RegExp(`^${name}: `)),
    ]);
  });

  test('no value stands in the message: any of them may be secret', () => {
    const marker = 'zq9x';
    const error = problemsOf({
      REDIS_URL: `http://:${marker}@127.0.0.1`,
      MONGODB_URL: `postgres://user:${marker}@127.0.0.1`,
      ADMIN_API_KEY: marker,
      BOARD_PASSWORD: marker,
      LOG_LEVEL: marker,
      PORT: marker,
      BUSINESS_TIME_ZONE: marker,
      REDIS_PREFIX: `${marker}:`,
      USAGE_RELAY_URL: `ftp://user:${marker}@example.test`,
      CREDITS_REMOTE_URL: `ftp://user:${marker}@example.test`,
      CREDITS_REMOTE_KEY: `${marker} `,
    });
    expect(error.message).not.toContain(marker);
    expect(JSON.stringify(error.problems)).not.toContain(marker);
    expect(error.cause).toBeUndefined();
  });
});

function problemsOf(source: Record<string, string | undefined>): InvalidEnvironmentError {
  try {
    readEnvironment(source);
  } catch (error) {
    if (error instanceof InvalidEnvironmentError) return error;
    throw error;
  }
  throw new Error('The environment was taken');
}
