import { bindVariables } from '../aggregation/expression.ts';
import { compilePipeline, type PipelineContext, runPipeline } from '../aggregation/pipeline.ts';
import { serialize } from '../bson/serialize.ts';
import { type Document, isDocument, type Value } from '../bson/values.ts';
import { ChangeStream } from '../changeStreams/changeStream.ts';
import { defaultFirstBatch } from '../cursors/cursors.ts';
import { ResultSource } from '../cursors/resultSource.ts';
import { failedToParse, MongoServerError } from '../errors.ts';
import { parseCollation } from '../query/collation.ts';
import type { Command, CommandContext, CommandReply } from './command.ts';
import { arrayField, booleanField, checkedName, documentField, numberField } from './fields.ts';
import { retryWhileLocked } from './lockWait.ts';

export const aggregate: Command = {
  fields: ['pipeline', 'cursor', 'explain', 'allowDiskUse', 'collation', 'hint', 'let'],
  inTransaction: true,
  async run(context) {
    const { body, database, server, session } = context;
    if (booleanField(body, 'explain'))
      throw failedToParse('use the explain command to explain an aggregation');
    const stages = arrayField(body, 'pipeline');
    if (stages === undefined)
      throw failedToParse("BSON field 'aggregate.pipeline' is missing but a required field");
    const collection = body.aggregate === 1 ? null : checkedName(body.aggregate, 'aggregate');
    const [first] = stages;
    const changeStream = isDocument(first) ? first.$changeStream : undefined;
    if (isDocument(changeStream)) return openChangeStream(context, collection, changeStream, stages.slice(1));
    const pipeline = pipelineContext(context);
    const documents = await retryWhileLocked(context, () =>
      [...runPipeline(stages, collection, pipeline, body.hint)].map((document) => serialize(document)),
    );
    const cursor = await server.cursors.start(
      new ResultSource(documents),
      `${database}.${collection ?? '$cmd.aggregate'}`,
      batchSize(body),
      {
        sessionKey: session?.key ?? null,
      },
    );
    return { cursor, ok: 1 };
  },
};

function batchSize(body: Document): number {
  return numberField(documentField(body, 'cursor') ?? {}, 'batchSize') ?? defaultFirstBatch;
}

function pipelineContext({ store, database, view, transaction, body }: CommandContext): PipelineContext {
  return {
    store,
    database,
    view,
    transaction,
    collation: parseCollation(documentField(body, 'collation')),
    variables: bindVariables(documentField(body, 'let'), { root: null, variables: null }),
  };
}

async function openChangeStream(
  context: CommandContext,
  collection: string | null,
  options: Document,
  stages: Value[],
): Promise<CommandReply> {
  const { server, store, database, body, transaction, session } = context;
  if (transaction !== null)
    throw new MongoServerError(
      'OperationNotSupportedInTransaction',
      '$changeStream cannot be used in a transaction',
    );
  const scope = { database: options.allChangesForCluster === true ? null : database, collection };
  const source = new ChangeStream(
    store.changeLog,
    scope,
    options,
    compilePipeline(stages, pipelineContext(context)),
  );
  const cursor = await server.cursors.start(
    source,
    `${database}.${collection ?? '$cmd.aggregate'}`,
    batchSize(body),
    { sessionKey: session?.key ?? null },
  );
  return { cursor, ok: 1 };
}
