import { Timestamp } from 'bson';
import { runStages } from '../aggregation/pipeline.ts';
import type { Stage } from '../aggregation/stages/stages.ts';
import { identicalValues } from '../bson/compare.ts';
import { RawDocument, serialize } from '../bson/serialize.ts';
import { type Document, isDocument, type Value } from '../bson/values.ts';
import type { Batch, CursorSource } from '../cursors/cursors.ts';
import { failedToParse, MongoServerError, notSupported } from '../errors.ts';
import type { ChangeLog, DocumentChange, LoggedChange } from './changeLog.ts';

export interface ChangeStreamScope {
  /** null: all databases */
  database: string | null;
  /** null: all collections */
  collection: string | null;
}

const knownOptions = [
  'fullDocument',
  'fullDocumentBeforeChange',
  'resumeAfter',
  'startAfter',
  'startAtOperationTime',
  'allChangesForCluster',
  'showExpandedEvents',
];

/** A tailing cursor over the change log. */
export class ChangeStream implements CursorSource {
  readonly heldBytes = 0;
  isExhausted = false;
  private readonly log: ChangeLog;
  private readonly scope: ChangeStreamScope;
  private readonly stages: readonly Stage[];
  private readonly looksUp: boolean;
  private position: number;
  private wake: (() => void) | null = null;

  /** @throws MongoServerError ChangeStreamHistoryLost when the resume point is no longer kept */
  constructor(log: ChangeLog, scope: ChangeStreamScope, options: Document, stages: readonly Stage[]) {
    const unknown = Object.keys(options).find((name) => !knownOptions.includes(name));
    if (unknown !== undefined)
      throw failedToParse(`BSON field '$changeStream.${unknown}' is an unknown field.`);
    const { fullDocument = 'default', fullDocumentBeforeChange = 'off' } = options;
    if (fullDocument !== 'default' && fullDocument !== 'updateLookup')
      throw notSupported(`fullDocument '${String(fullDocument)}' of change streams`);
    if (fullDocumentBeforeChange !== 'off')
      throw notSupported(`fullDocumentBeforeChange '${String(fullDocumentBeforeChange)}' of change streams`);
    this.log = log;
    this.scope = scope;
    this.stages = stages;
    this.looksUp = fullDocument === 'updateLookup';
    this.position = startPosition(log, options);
    if (log.after(this.position) === null) throw historyLost();
  }

  async next(count: number, waitMilliseconds: number): Promise<Batch> {
    const deadline = Date.now() + waitMilliseconds;
    let documents = this.collect(count);
    while (documents.length === 0 && !this.isExhausted && Date.now() < deadline) {
      await this.nextChange(deadline - Date.now());
      documents = this.collect(count);
    }
    return { documents, postBatchResumeToken: resumeToken(this.log, this.position) };
  }

  close(): void {
    this.isExhausted = true;
    this.wake?.();
  }

  private nextChange(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        cancel();
        this.wake = null;
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      const cancel = this.log.onNext(done);
      this.wake = done;
    });
  }

  private collect(count: number): RawDocument[] {
    const changes = this.log.after(this.position);
    if (changes === null) throw historyLost();
    const documents: RawDocument[] = [];
    for (const change of changes) {
      if (documents.length >= count) break;
      this.position = change.sequence;
      if (!this.isInScope(change)) continue;
      for (const event of runStages(this.stages, [changeEvent(this.log, change, this.looksUp)]))
        documents.push(new RawDocument(serialize(event)));
    }
    return documents;
  }

  private isInScope({ database, collection }: LoggedChange): boolean {
    return (
      (this.scope.database === null || this.scope.database === database) &&
      (this.scope.collection === null || this.scope.collection === collection)
    );
  }
}

function historyLost(): MongoServerError {
  return new MongoServerError(
    'ChangeStreamHistoryLost',
    'Resume of change stream was not possible, as the resume point may no longer be in the oplog.',
  );
}

function startPosition(log: ChangeLog, { resumeAfter, startAfter, startAtOperationTime }: Document): number {
  const token = resumeAfter ?? startAfter;
  if (isDocument(token)) {
    const { _data: data } = token;
    const [epoch, sequence] =
      typeof data === 'string'
        ? [Number.parseInt(data.slice(0, 8), 16), Number.parseInt(data.slice(8), 16)]
        : [];
    if (epoch !== log.epoch || sequence === undefined || Number.isNaN(sequence)) throw historyLost();
    return sequence;
  }
  if (startAtOperationTime instanceof Timestamp) {
    const from = startAtOperationTime.high * 1000;
    const changes = log.after(0);
    if (changes === null || from < log.epoch * 1000) throw historyLost();
    return (changes.find(({ at }) => at.getTime() >= from)?.sequence ?? log.position + 1) - 1;
  }
  return log.position;
}

export function resumeToken(log: ChangeLog, position: number): { _data: string } {
  return { _data: log.epoch.toString(16).padStart(8, '0') + position.toString(16).padStart(16, '0') };
}

function changeEvent(log: ChangeLog, change: LoggedChange, looksUp: boolean): Document {
  const { sequence, at, database, collection } = change;
  const common = {
    _id: resumeToken(log, sequence),
    clusterTime: new Timestamp({ t: Math.floor(at.getTime() / 1000), i: sequence % 2 ** 31 }),
    wallTime: at,
    ns: { db: database, coll: collection },
  };
  return change.type === 'drop'
    ? { ...common, operationType: 'drop' }
    : { ...common, ...documentEvent(change, looksUp) };
}

function documentEvent({ before, after }: DocumentChange, looksUp: boolean): Document {
  const next = after?.document;
  const previous = before?.document;
  const documentKey: Document = { _id: (next ?? previous)?._id ?? null };
  if (next === undefined) return { operationType: 'delete', documentKey };
  if (previous === undefined) return { operationType: 'insert', documentKey, fullDocument: next };
  return {
    operationType: 'update',
    documentKey,
    ...(looksUp ? { fullDocument: next } : {}),
    updateDescription: { ...difference(previous, next), truncatedArrays: [] },
  };
}

function difference(previous: Document, next: Document): { updatedFields: Document; removedFields: Value[] } {
  const updatedFields: Document = {};
  for (const [name, value] of Object.entries(next)) {
    if (!identicalValues(previous[name], value)) updatedFields[name] = value;
  }
  return { updatedFields, removedFields: Object.keys(previous).filter((name) => !Object.hasOwn(next, name)) };
}
