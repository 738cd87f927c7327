import { type Connection, Schema } from 'mongoose';
import { usable } from '../runtime/mongo.ts';
import { createMissing } from './createMissing.ts';

const counterSchema = new Schema(
  { _id: { type: String, required: true }, next: { type: Number, required: true } },
  { collection: 'counters', versionKey: false, strict: 'throw' },
);

interface CounterDocument {
  _id: string;
  next: number;
}

export async function prepareCounters(connection: Connection): Promise<void> {
  await createMissing(connection, 'Counter', counterSchema);
}

/**
 * Takes `size` consecutive numbers for good: nobody gets them again, whatever becomes of the caller or of Redis.
 *
 * @returns the first of them; a counter starts at 1
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function takeNumbers(connection: Connection, counter: string, size: number): Promise<number> {
  const after = await usable(connection)
    .collection<CounterDocument>('counters')
    .findOneAndUpdate({ _id: counter }, { $inc: { next: size } }, { upsert: true, returnDocument: 'after' });
  if (!after) throw new Error(`The counter ${counter} gave no number`);
  return after.next - size + 1;
}

/**
 * Keeps a counter from giving the numbers up to `taken`, because somebody brought one of them along.
 *
 * @throws ServiceUnavailableError when MongoDB is away
 */
export async function raiseNumbers(connection: Connection, counter: string, taken: number): Promise<void> {
  await usable(connection)
    .collection<CounterDocument>('counters')
    .updateOne({ _id: counter }, { $max: { next: taken } }, { upsert: true });
}
