import type { SerializableDocument } from './bson/serialize.ts';

/** Code and code name of every error this server answers with, as MongoDB numbers them. */
const codes = {
  InternalError: 1,
  BadValue: 2,
  GraphContainsCycle: 5,
  FailedToParse: 9,
  TypeMismatch: 14,
  Unauthorized: 13,
  Overflow: 15,
  InvalidLength: 16,
  IllegalOperation: 20,
  InvalidBSON: 22,
  InvalidIdField: 53,
  NamespaceNotFound: 26,
  IndexNotFound: 27,
  PathNotViable: 28,
  ConflictingUpdateOperators: 40,
  CursorNotFound: 43,
  NamespaceExists: 48,
  MaxTimeMSExpired: 50,
  DollarPrefixedFieldName: 52,
  NotSingleValueField: 54,
  EmptyFieldName: 56,
  CommandNotFound: 59,
  ImmutableField: 66,
  CannotCreateIndex: 67,
  InvalidOptions: 72,
  InvalidNamespace: 73,
  IndexOptionsConflict: 85,
  IndexKeySpecsConflict: 86,
  OperationNotSupportedInTransaction: 263,
  ShutdownInProgress: 91,
  UnsatisfiableWriteConcern: 100,
  WriteConflict: 112,
  CommandNotSupported: 115,
  DocumentValidationFailure: 121,
  ExceededMemoryLimit: 146,
  CannotIndexParallelArrays: 171,
  TransactionTooOld: 225,
  SnapshotUnavailable: 246,
  NoSuchTransaction: 251,
  TransactionCommitted: 256,
  ConversionFailure: 241,
  ChangeStreamHistoryLost: 286,
  InterruptedDueToReplStateChange: 11602,
  BSONObjectTooLarge: 10334,
  DuplicateKey: 11000,
  Location15983: 15983,
  Location16410: 16410,
  Location18535: 18535,
  Location18536: 18536,
  Location28656: 28656,
  Location28657: 28657,
  Location28809: 28809,
  Location28810: 28810,
  Location28811: 28811,
  Location31441: 31441,
  Location34454: 34454,
  Location34455: 34455,
  Location40087: 40087,
  Location40600: 40600,
  Location40601: 40601,
  Location50752: 50752,
  Location51047: 51047,
  Location51091: 51091,
  Location51270: 51270,
  Location16020: 16020,
  Location31249: 31249,
  Location31253: 31253,
  Location31254: 31254,
  Location40324: 40324,
  Location40415: 40415,
  Location168: 168,
  Location17276: 17276,
  Location40323: 40323,
  Location40234: 40234,
  Location15952: 15952,
  Location15947: 15947,
  Location15955: 15955,
  Location40192: 40192,
  Location40194: 40194,
  Location40243: 40243,
  MergeStageNoMatchingDocument: 13113,
  Location40066: 40066,
  Location40228: 40228,
  Location40413: 40413,
  UnknownStage: 40324,
  IDLUnknownField: 40415,
  IDLFailedToParse: 40414,
  InvalidPipelineOperator: 168,
  OutOfDiskSpace: 14031,
} as const;

export type CodeName = keyof typeof codes;

const transient = ['TransientTransactionError'] as const;

/** An error in MongoDB's own shape; it becomes a reply with `ok: 0`, or an entry of `writeErrors`. */
export class MongoServerError extends Error {
  readonly code: number;
  readonly codeName: CodeName;
  readonly errorLabels: readonly string[];
  readonly details: SerializableDocument;

  constructor(
    codeName: CodeName,
    message: string,
    extra: { errorLabels?: readonly string[]; details?: SerializableDocument } = {},
  ) {
    super(message);
    this.name = 'MongoServerError';
    this.code = codes[codeName];
    this.codeName = codeName;
    this.errorLabels = extra.errorLabels ?? [];
    this.details = extra.details ?? {};
  }
}

export function badValue(message: string): MongoServerError {
  return new MongoServerError('BadValue', message);
}

export function failedToParse(message: string): MongoServerError {
  return new MongoServerError('FailedToParse', message);
}

export function typeMismatch(message: string): MongoServerError {
  return new MongoServerError('TypeMismatch', message);
}

/** A feature of MongoDB that this server lacks; the message names it. */
export function notSupported(what: string): MongoServerError {
  return new MongoServerError(
    'CommandNotSupported',
    `${what} is not supported by the embedded MongoDB server`,
  );
}

export function invalidBson(reason: string): MongoServerError {
  return new MongoServerError('InvalidBSON', `not a valid BSON document: ${reason}`);
}

export function documentTooLarge(bytes: number): MongoServerError {
  return new MongoServerError(
    'BSONObjectTooLarge',
    `BSONObj size: ${bytes} is invalid. Size must be between 0 and 16793600(16MB)`,
  );
}

export function unknownField(command: string, field: string): MongoServerError {
  return new MongoServerError('IDLUnknownField', `BSON field '${command}.${field}' is an unknown field.`);
}

export function writeConflict(reason: string): MongoServerError {
  return new MongoServerError(
    'WriteConflict',
    `WriteConflict error: this operation conflicted with another operation. Please retry your operation or multi-document transaction. (${reason})`,
    { errorLabels: transient },
  );
}

export function noSuchTransaction(message: string): MongoServerError {
  return new MongoServerError('NoSuchTransaction', message, { errorLabels: transient });
}

export function namespaceNotFound(namespace: string): MongoServerError {
  return new MongoServerError('NamespaceNotFound', `ns does not exist: ${namespace}`);
}
