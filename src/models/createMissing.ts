import type { Connection, Schema } from 'mongoose';

/** Makes the collection and those of its indexes that are missing. */
export async function createMissing<Definition>(
  connection: Connection,
  name: string,
  schema: Schema<Definition>,
): Promise<void> {
  const model = connection.model(name, schema, undefined, { overwriteModels: true });
  await model.createCollection();
  await model.createIndexes();
}
