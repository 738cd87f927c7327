import { isTruthy } from '../aggregation/operators/truth.ts';
import { toNumber } from '../bson/numbers.ts';
import { type Document, isDocument, isNumeric } from '../bson/values.ts';
import { MongoServerError, notSupported } from '../errors.ts';

/** An index as `createIndexes` describes it and `listIndexes` shows it. */
export interface IndexSpecification {
  v: number;
  key: Document;
  name: string;
  unique?: boolean;
  sparse?: boolean;
  hidden?: boolean;
  expireAfterSeconds?: number;
  partialFilterExpression?: Document;
  collation?: Document;
}

const unsupportedOptions = new Set([
  'weights',
  'default_language',
  'language_override',
  'textIndexVersion',
  '2dsphereIndexVersion',
  'bits',
  'min',
  'max',
  'wildcardProjection',
  'clustered',
  'storageEngine',
]);
const ignoredOptions = new Set(['ns', 'background', 'dropDups', 'v']);

function cannotCreate(message: string): MongoServerError {
  return new MongoServerError('CannotCreateIndex', message);
}

/** @throws MongoServerError CannotCreateIndex, or CommandNotSupported for a kind of index this server lacks */
export function parseIndexSpecification(given: Document): IndexSpecification {
  const { key, name } = given;
  if (!isDocument(key) || Object.keys(key).length === 0) throw cannotCreate('An index needs a non-empty key');
  for (const [path, kind] of Object.entries(key)) checkKeyPart(path, kind);
  const parsed: IndexSpecification = { v: 2, key, name: typeof name === 'string' ? name : defaultName(key) };
  for (const [option, value] of Object.entries(given)) {
    if (option === 'key' || option === 'name' || ignoredOptions.has(option)) continue;
    if (unsupportedOptions.has(option)) throw notSupported(`the index option '${option}'`);
    applyOption(parsed, option, value);
  }
  if (parsed.sparse === true && parsed.partialFilterExpression !== undefined) {
    throw cannotCreate('cannot mix "partialFilterExpression" and "sparse" options');
  }
  return parsed;
}

function applyOption(parsed: IndexSpecification, option: string, value: Document[string]): void {
  if (option === 'unique' || option === 'sparse' || option === 'hidden') {
    if (isTruthy(value)) parsed[option] = true;
  } else if (option === 'expireAfterSeconds') {
    if (!isNumeric(value) || toNumber(value) < 0)
      throw cannotCreate('TTL index expireAfterSeconds must be a non-negative number');
    if (Object.keys(parsed.key).length > 1)
      throw cannotCreate('TTL indexes are single-field indexes, compound indexes do not support TTL');
    parsed.expireAfterSeconds = toNumber(value);
  } else if (option === 'partialFilterExpression' || option === 'collation') {
    if (!isDocument(value)) throw cannotCreate(`The index option '${option}' must be an object`);
    parsed[option] = value;
  } else {
    throw new MongoServerError(
      'InvalidOptions',
      `The field '${option}' is not valid for an index specification.`,
    );
  }
}

function checkKeyPart(path: string, kind: Document[string]): void {
  if (typeof kind === 'string') throw notSupported(`an index of type '${kind}' (field '${path}')`);
  if (!isNumeric(kind) || toNumber(kind) === 0)
    throw cannotCreate(`Values in v:2 index key pattern must be non-zero numbers; field '${path}'`);
  if (path.includes('$**')) throw notSupported(`a wildcard index (field '${path}')`);
  if (path.split('.').some((part) => part === '' || part.startsWith('$')))
    throw cannotCreate(`Index key '${path}' has an empty or $-prefixed part`);
}

function defaultName(key: Document): string {
  return Object.entries(key)
    .map(([path, direction]) => `${path}_${String(direction)}`)
    .join('_');
}
