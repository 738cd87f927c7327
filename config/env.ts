/**
 * The only reader of process.env in the product's processes. Every problem is reported at once, by name, before anything starts.
 * `.env.example` lists what stands here.
 */
import { z } from 'zod';

const seconds = (name: string) => z.coerce.number({ error: `${name} is a number of seconds` }).positive();
const port = z.coerce.number().int().min(0).max(65_535);
const secret = (name: string) => z.string().min(16, `${name} needs at least 16 characters`);

const tokenSecret = (name: string) => z.string().min(32, `${name} needs at least 32 characters`);
const flag = (name: string) =>
  z
    .enum(['0', '1'], { error: `${name} is 0 or 1` })
    .default('0')
    .transform((value) => value === '1');
const encryptionKey = (name: string) =>
  z
    .string()
    .regex(/^[a-z0-9]{1,16}:[A-Za-z0-9+/]{43}=$/, `${name} is an id, a colon and 32 bytes in base64`)
    .transform((text) => {
      const [id = '', key = ''] = text.split(':');
      return { id, key: Buffer.from(key, 'base64') };
    });

const httpUrl = (name: string) =>
  z
    .url({ protocol: /^https?$/, error: `${name} is an http:// or https:// address` })
    .refine(hasNoCredentials, `${name} holds a user name or a password`);

/** No URL in the sense of the WHATWG when it names several servers of a replica set. */
const MONGODB_ADDRESS = /^mongodb(?:\+srv)?:\/\/(?:[^@/\s]+@)?[^@/\s,]+(?:,[^@/\s,]+)*(?:\/\S*)?$/;
const MONGODB_ADDRESS_WANTED = 'MONGODB_URL is a mongodb:// or mongodb+srv:// address';

const timeZone = z
  .string()
  .refine(isTimeZone, 'is not a time zone of the IANA database, such as Asia/Ho_Chi_Minh');

/** Variables that mean nothing without another one. */
const NEEDED_BY = [
  ['JWT_PREVIOUS_SECRET', 'JWT_SECRET'],
  ['JWT_ISSUER_JWKS_URL', 'JWT_SECRET'],
  ['JWT_ISSUER_JWKS_URL', 'JWT_ISSUER'],
  ['JWT_ISSUER', 'JWT_ISSUER_JWKS_URL'],
  ['SUPERADMIN_USERNAME', 'SUPERADMIN_PASSWORD'],
  ['SUPERADMIN_PASSWORD', 'SUPERADMIN_USERNAME'],
  ['ENCRYPTION_PREVIOUS_KEY', 'ENCRYPTION_KEY'],
  ['S3_ACCESS_KEY_ID', 'S3_SECRET_ACCESS_KEY'],
  ['S3_SECRET_ACCESS_KEY', 'S3_ACCESS_KEY_ID'],
] as const;

const environment = z.object({
  /** Port of the HTTP API; 0 takes any free one. */
  PORT: port.default(3560),
  /** Interface of the HTTP API. Loopback unless told otherwise. */
  HOST: z.string().min(1).default('127.0.0.1'),
  /** Express's `trust proxy`: how many proxies stand in front of the API. */
  TRUSTED_PROXIES: z.coerce.number().int().min(0).default(0),
  REDIS_URL: z.url({ protocol: /^rediss?$/, error: 'REDIS_URL is a redis:// or rediss:// address' }),
  MONGODB_URL: z
    .string({ error: MONGODB_ADDRESS_WANTED })
    .regex(MONGODB_ADDRESS, { error: MONGODB_ADDRESS_WANTED }),
  /** Prefix of every key in Redis, so that several installations can share one. */
  REDIS_PREFIX: z
    .string()
    .regex(/^[a-z0-9-]{1,40}$/, 'REDIS_PREFIX has 1 to 40 of a-z, 0-9 and -')
    .default('millrace'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
  /** The operator's key for every endpoint that is not open by contract. Without it those answer 401. */
  ADMIN_API_KEY: secret('ADMIN_API_KEY').optional(),
  /** Credentials of Bull Board at /admin/queues. Without them the board answers 404. */
  BOARD_USERNAME: z.string().min(1).optional(),
  BOARD_PASSWORD: secret('BOARD_PASSWORD').optional(),
  /** Cuts days, weeks and months, and prints wall-clock text. Instants are UTC everywhere else. */
  BUSINESS_TIME_ZONE: timeZone.default('Asia/Ho_Chi_Minh'),
  /**
   * Runs of consecutive queued reports (up to 100 each) beyond which the ingress answers 503; dead letters count, their
   * reports still wait.
   */
  USAGE_QUEUE_LIMIT: z.coerce.number().int().positive().default(20_000),
  /** Another server that speaks the usage contract: every accepted report is posted there too. */
  USAGE_RELAY_URL: z
    .url({ protocol: /^https?$/, error: 'USAGE_RELAY_URL is an http:// or https:// address' })
    .refine(
      hasNoCredentials,
      'USAGE_RELAY_URL holds a user name or a password, which the contract does not know',
    )
    .optional(),
  /** How long a report that the relay's other side cannot take is tried again before it is parked. */
  USAGE_RELAY_RETRY_DAYS: z.coerce.number().positive().max(30).default(5),
  /**
   * Whether the usage endpoints of the contract are open, as it says, or need a credential: `usage:report` to report,
   * `usage:read` for the totals.
   */
  USAGE_ACCESS: z.enum(['open', 'closed']).default('open'),
  /** Signs access tokens. Without it nobody can log in. */
  JWT_SECRET: tokenSecret('JWT_SECRET').optional(),
  /** The secret before the last rotation; its tokens are accepted until they expire. */
  JWT_PREVIOUS_SECRET: tokenSecret('JWT_PREVIOUS_SECRET').optional(),
  /** An outside issuer whose tokens are accepted too: where its keys are, and what it calls itself. */
  JWT_ISSUER_JWKS_URL: z
    .url({ protocol: /^https?$/, error: 'JWT_ISSUER_JWKS_URL is an http:// or https:// address' })
    .refine(hasNoCredentials, 'JWT_ISSUER_JWKS_URL holds a user name or a password')
    .optional(),
  JWT_ISSUER: z
    .string()
    .refine((name) => name !== 'millrace', 'JWT_ISSUER is the name of the own tokens')
    .optional(),
  /** What the tokens of the outside issuer call this installation. */
  JWT_AUDIENCE: z.string().default('millrace'),
  /** Makes the first superadmin at the start when there is none. */
  SUPERADMIN_USERNAME: z.string().min(1).optional(),
  SUPERADMIN_PASSWORD: z.string().min(12, 'SUPERADMIN_PASSWORD needs at least 12 characters').optional(),
  /** The shared key of the credits and workspace contract. */
  PENORA_API_KEY: secret('PENORA_API_KEY').optional(),
  /** The key that `give-bonus-credits` asks for in its body; without it nobody may give them. */
  CREDITS_BONUS_KEY: secret('CREDITS_BONUS_KEY').optional(),
  /** Makes an unknown user, with the 60 credits of a new one, at the first contact. */
  CREDITS_AUTO_CREATE: flag('CREDITS_AUTO_CREATE'),
  /** Where the credits of the other domains are kept: here, or on another server that speaks the credits contract. */
  CREDITS_PROVIDER: z.enum(['local', 'remote']).default('local'),
  CREDITS_REMOTE_URL: z
    .url({ protocol: /^https?$/, error: 'CREDITS_REMOTE_URL is an http:// or https:// address' })
    .refine(
      hasNoCredentials,
      'CREDITS_REMOTE_URL holds a user name or a password; CREDITS_REMOTE_KEY is the credential',
    )
    .optional(),
  CREDITS_REMOTE_KEY: z
    .string()
    .regex(/^[\x21-\x7E]+$/, 'CREDITS_REMOTE_KEY goes into a header: visible characters of ASCII only')
    .optional(),
  /** Browsers' origins that may call the credits and workspace endpoints, separated by commas. */
  CORS_ORIGINS: z
    .string()
    .transform((list) =>
      list
        .split(',')
        .map((origin) => origin.trim())
        .filter((origin) => origin !== ''),
    )
    .default([]),
  /** Requests a minute of one caller on the endpoints that are no published contract's. A whole app may share one key. */
  RATE_LIMIT_PER_MINUTE: z.coerce.number().int().positive().default(60_000),
  /** The same for the endpoints of the published contracts; unlimited unless set. */
  RATE_LIMIT_CONTRACT_PER_MINUTE: z.coerce.number().int().positive().optional(),
  /** Usage events a minute of one caller in batches. */
  RATE_LIMIT_EVENTS_PER_MINUTE: z.coerce.number().int().positive().default(6_000_000),
  /** Lets webhooks go to loopback and private addresses. */
  WEBHOOKS_ALLOW_PRIVATE: flag('WEBHOOKS_ALLOW_PRIVATE'),
  /** Encrypts the secrets that are kept in MongoDB: 32 bytes in base64. The id before the colon names it in the records. */
  ENCRYPTION_KEY: encryptionKey('ENCRYPTION_KEY').optional(),
  ENCRYPTION_PREVIOUS_KEY: encryptionKey('ENCRYPTION_PREVIOUS_KEY').optional(),
  /** Where icons come from: OpenAI's images API with this key, or drawn here without one. */
  OPENAI_API_KEY: z
    .string()
    .regex(/^[\x21-\x7E]+$/, 'OPENAI_API_KEY goes into a header: visible characters of ASCII only')
    .optional(),
  OPENAI_BASE_URL: httpUrl('OPENAI_BASE_URL').optional(),
  /** A model of the installed package's list; the default is a current one (`src/platforms/images/openaiModels.ts`). */
  OPENAI_MODEL: z.string().min(1).optional(),
  /** `<width>x<height>` of what is asked for. */
  OPENAI_IMAGE_SIZE: z
    .string()
    .regex(/^[1-9]\d{2,3}x[1-9]\d{2,3}$/, 'OPENAI_IMAGE_SIZE is <width>x<height>, such as 1024x1024')
    .default('1024x1024'),
  OPENAI_IMAGE_QUALITY: z.enum(['low', 'medium', 'high', 'xhigh', 'max', 'auto']).default('medium'),
  /** How long one call may take. Its outcome is unknown then. */
  OPENAI_TIMEOUT_SECONDS: seconds('OPENAI_TIMEOUT_SECONDS').default(60),
  /** What the whole fleet may ask for in any 60 seconds. */
  OPENAI_RATE_LIMIT_RPM: z.coerce.number().int().positive().default(50),
  OPENAI_RATE_LIMIT_TPM: z.coerce.number().int().positive().default(40_000),
  OPENAI_RATE_LIMIT_IPM: z.coerce.number().int().positive().default(50),
  /** Images of one batch that run at a time. */
  BATCH_SIZE_DEFAULT: z.coerce.number().int().min(1).max(50).default(5),
  /** Calls of the provider for one image that may fail before it is given up. */
  ICONS_MAX_ATTEMPTS: z.coerce.number().int().min(1).max(10).default(3),
  /** Without any progress for that long, what is left of a batch fails. */
  ICONS_BATCH_TIMEOUT_SECONDS: seconds('ICONS_BATCH_TIMEOUT_SECONDS').default(300),
  /** How long the state of finished batches can be read. The images stay. */
  ICONS_KEEP_BATCHES_HOURS: z.coerce.number().positive().default(24),
  /** The original's development mode: icons need no token, and a batch start answers 200. Only for its test scripts. */
  ICONS_OPEN_MODE: flag('ICONS_OPEN_MODE'),
  /** Whole credits for one icon; 0 charges nothing. */
  ICONS_CREDITS_PER_ICON: z.coerce.number().int().min(0).max(1_000_000).default(0),
  /** Icons that one account may get in a month of the business time zone; unlimited unless set. */
  ICONS_MONTHLY_LIMIT: z.coerce.number().int().positive().optional(),
  /** Where the API is seen from outside; image URLs in answers begin with it. Without it they begin with /api/images. */
  PUBLIC_BASE_URL: httpUrl('PUBLIC_BASE_URL')
    .transform((url) => url.replace(/\/+$/, ''))
    .optional(),
  /** Where files are kept. Several machines need a place that all of them reach. */
  STORAGE_DRIVER: z.enum(['disk', 's3']).default('disk'),
  STORAGE_PATH: z.string().min(1).default('.data/files'),
  S3_BUCKET: z.string().min(3).max(63).optional(),
  S3_REGION: z.string().min(1).default('us-east-1'),
  /** Of a server that is not Amazon's. */
  S3_ENDPOINT: httpUrl('S3_ENDPOINT').optional(),
  /** The bucket is named in the path instead of the host, as most such servers want it. */
  S3_PATH_STYLE: flag('S3_PATH_STYLE'),
  S3_ACCESS_KEY_ID: z.string().min(1).optional(),
  S3_SECRET_ACCESS_KEY: z.string().min(1).optional(),
  /** How long SIGTERM waits for running requests and jobs. */
  DRAIN_TIMEOUT_SECONDS: seconds('DRAIN_TIMEOUT_SECONDS').default(20),
});

export type Environment = Readonly<z.infer<typeof environment>>;

/** Names of the variables that hold keys, passwords and secrets. */
export const SECRET_VARIABLES: readonly string[] = Object.keys(environment.shape).filter((name) =>
  /_(KEY|PASSWORD|SECRET)$/.test(name),
);

/** What is wrong with the environment: one line per variable. Values are left out, they may be secret. */
export class InvalidEnvironmentError extends Error {
  override name = 'InvalidEnvironmentError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`The environment is not usable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

/**
 * Reads and checks the environment.
 *
 * @param source - the variables; an empty or blank one counts as absent
 * @throws InvalidEnvironmentError that names every bad or missing variable
 */
export function readEnvironment(source: Record<string, string | undefined> = process.env): Environment {
  const present = Object.fromEntries(
    Object.entries(source).filter(([, value]) => value !== undefined && value.trim() !== ''),
  );
  const parsed = environment.safeParse(present);
  const issues = parsed.error?.issues ?? [];
  const problems = [
    ...issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`),
    ...missingForRemoteCredits(present),
    ...missingPartners(present),
    ...missingForS3(present),
    ...(parsed.data ? contradictoryTimes(parsed.data) : []),
  ];
  if (!parsed.success || problems.length > 0) throw new InvalidEnvironmentError(problems);
  return Object.freeze(parsed.data);
}

/** Looks at the variables as they were given: the schema's own checks of several fields wait until each field is right. */
function missingForRemoteCredits(present: Record<string, string | undefined>): string[] {
  if (present.CREDITS_PROVIDER !== 'remote') return [];
  return ['CREDITS_REMOTE_URL', 'CREDITS_REMOTE_KEY']
    .filter((name) => present[name] === undefined)
    .map((name) => `${name}: is needed with CREDITS_PROVIDER=remote`);
}

/** A job ends after 300 s (`src/queues/icons.ts`), with the storing of its image, which takes up to 60 s. */
const LONGEST_CALL_SECONDS = 240;

function contradictoryTimes({ OPENAI_TIMEOUT_SECONDS, ICONS_BATCH_TIMEOUT_SECONDS }: Environment): string[] {
  const problems: string[] = [];
  if (OPENAI_TIMEOUT_SECONDS > LONGEST_CALL_SECONDS)
    problems.push(`OPENAI_TIMEOUT_SECONDS: is ${LONGEST_CALL_SECONDS} at most`);
  if (ICONS_BATCH_TIMEOUT_SECONDS <= OPENAI_TIMEOUT_SECONDS)
    problems.push('ICONS_BATCH_TIMEOUT_SECONDS: has to be longer than one call (OPENAI_TIMEOUT_SECONDS)');
  return problems;
}

function missingForS3(present: Record<string, string | undefined>): string[] {
  if (present.STORAGE_DRIVER !== 's3' || present.S3_BUCKET !== undefined) return [];
  return ['S3_BUCKET: is needed with STORAGE_DRIVER=s3'];
}

function missingPartners(present: Record<string, string | undefined>): string[] {
  return NEEDED_BY.filter(
    ([name, needed]) => present[name] !== undefined && present[needed] === undefined,
  ).map(([name, needed]) => `${needed}: is needed with ${name}`);
}

function hasNoCredentials(url: string): boolean {
  const address = URL.parse(url);
  return !address || (address.username === '' && address.password === '');
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
