import { keyString } from '../../bson/keyString.ts';
import { toNumber } from '../../bson/numbers.ts';
import { anyAtPath } from '../../bson/paths.ts';
import { type Document, isArray, isDocument, isNumeric, type Value } from '../../bson/values.ts';
import { failedToParse, MongoServerError, notSupported } from '../../errors.ts';
import { newFolding } from '../../query/collation.ts';
import { compileFilter } from '../../query/filter.ts';
import type { Folding } from '../../query/folding.ts';
import { Draft } from '../../update/draft.ts';
import { bindVariables, compileExpression, valueAtPath } from '../expression.ts';
import { namedArguments } from '../operators/operator.ts';
import { compilePipeline, type PipelineContext, runPipeline, runStages } from '../pipeline.ts';
import type { StageCompiler } from './stages.ts';

/** The documents of a collection by the values of a field; a missing field counts as null. */
class ForeignIndex {
  private readonly byKey = new Map<string, Document[]>();
  private readonly folding: Folding | null;

  constructor(context: PipelineContext, from: string, field: string) {
    this.folding = newFolding(context.collation);
    const fold = this.folding?.fold;
    const parts = field.split('.');
    const collection = context.store.collection(context.database, from);
    for (const { document } of collection?.visibleVersions(context.view) ?? []) {
      const keys = new Set<string>();
      anyAtPath(document, parts, (value) => {
        keys.add(keyString(value, fold));
        if (isArray(value)) for (const element of value) keys.add(keyString(element, fold));
        return false;
      });
      for (const key of keys.size === 0 ? [keyString(null)] : keys) {
        const list = this.byKey.get(key);
        if (list === undefined) this.byKey.set(key, [document]);
        else list.push(document);
      }
    }
  }

  find(value: Value | undefined): Document[] {
    const find = this.folding?.find;
    const values = isArray(value) ? value : [value];
    const keys = new Set(values.map((element) => keyString(element, find)));
    const [only] = keys;
    if (keys.size === 1 && only !== undefined) return this.byKey.get(only) ?? [];
    return [...new Set([...keys].flatMap((key) => this.byKey.get(key) ?? []))];
  }
}

function text(value: Value | undefined, name: string): string {
  if (typeof value !== 'string') throw failedToParse(`${name} must be a string`);
  return value;
}

const lookup: StageCompiler = (specification, context) => {
  const {
    from,
    localField,
    foreignField,
    as,
    let: bindings,
    pipeline,
  } = namedArguments(
    specification,
    '$lookup',
    ['from', 'as'],
    ['localField', 'foreignField', 'let', 'pipeline'],
  );
  if (isDocument(from)) throw notSupported('$lookup from another database');
  const source = text(from, '$lookup.from');
  const target = text(as, '$lookup.as').split('.');
  if ((localField === undefined) !== (foreignField === undefined))
    throw failedToParse('$lookup requires both or neither of localField and foreignField');
  const stages = pipeline === undefined ? null : arrayOfStages(pipeline, '$lookup');
  if (stages === null && localField === undefined)
    throw failedToParse(
      "$lookup requires either 'pipeline' or both 'localField' and 'foreignField' to be specified",
    );
  const local = localField === undefined ? null : text(localField, '$lookup.localField').split('.');
  const foreign = text(foreignField ?? '', '$lookup.foreignField');
  const letSpecification = isDocument(bindings) ? bindings : undefined;
  if (stages !== null && bindings === undefined) compilePipeline(stages, context);
  return function* (documents) {
    const index = local === null ? null : new ForeignIndex(context, source, foreign);
    for (const document of documents) {
      const joined = index === null || local === null ? null : index.find(valueAtPath(document, local));
      const draft = new Draft(document);
      draft.set(target, stages === null ? (joined ?? []) : [...joinedThrough(stages, document, joined)]);
      yield draft.root;
    }
  };

  function joinedThrough(
    through: readonly Value[],
    document: Document,
    joined: Document[] | null,
  ): Iterable<Document> {
    const variables = bindVariables(letSpecification, { root: document, variables: context.variables });
    const inner = { ...context, variables };
    return joined === null
      ? runPipeline(through, source, inner)
      : runStages(compilePipeline(through, inner), joined);
  }
};

function arrayOfStages(value: Value, name: string): Value[] {
  if (!isArray(value)) throw failedToParse(`the pipeline of ${name} must be an array`);
  for (const stage of value) {
    const output = ['$out', '$merge'].find((one) => isDocument(stage) && one in stage);
    if (output !== undefined)
      throw new MongoServerError(
        name === '$lookup' ? 'Location51047' : 'Location31441',
        `${output} is not allowed within a ${name}'s sub-pipeline`,
      );
  }
  return value;
}

const unionWith: StageCompiler = (specification, context) => {
  const { coll, pipeline = [] } = isDocument(specification)
    ? namedArguments(specification, '$unionWith', ['coll'], ['pipeline'])
    : { coll: specification };
  const source = text(coll, '$unionWith.coll');
  const stages = arrayOfStages(pipeline, '$unionWith');
  compilePipeline(stages, context);
  return function* (documents) {
    yield* documents;
    yield* runPipeline(stages, source, context);
  };
};

const graphLookup: StageCompiler = (specification, context) => {
  const {
    from,
    startWith,
    connectFromField,
    connectToField,
    as,
    maxDepth,
    depthField,
    restrictSearchWithMatch,
  } = namedArguments(
    specification,
    '$graphLookup',
    ['from', 'startWith', 'connectFromField', 'connectToField', 'as'],
    ['maxDepth', 'depthField', 'restrictSearchWithMatch'],
  );
  const start = compileExpression(startWith ?? null);
  const fromParts = text(connectFromField, '$graphLookup.connectFromField').split('.');
  const deepest = isNumeric(maxDepth) ? toNumber(maxDepth) : Number.POSITIVE_INFINITY;
  const matches = compileFilter(isDocument(restrictSearchWithMatch) ? restrictSearchWithMatch : {});
  return function* (documents) {
    const index = new ForeignIndex(
      context,
      text(from, '$graphLookup.from'),
      text(connectToField, '$graphLookup.connectToField'),
    );
    for (const document of documents) {
      const found = new Map<string, Document>();
      let frontier: (Value | undefined)[] = [start({ root: document, variables: context.variables })];
      for (let depth = 0; depth <= deepest && frontier.length > 0; depth++) {
        const next: (Value | undefined)[] = [];
        for (const candidate of frontier.flatMap((value) => index.find(value))) {
          const key = keyString(candidate._id);
          if (found.has(key) || !matches(candidate)) continue;
          found.set(
            key,
            typeof depthField === 'string' ? { ...candidate, [depthField]: BigInt(depth) } : candidate,
          );
          next.push(valueAtPath(candidate, fromParts));
        }
        frontier = next.filter((value) => value !== undefined && value !== null);
      }
      const draft = new Draft(document);
      draft.set(text(as, '$graphLookup.as').split('.'), [...found.values()]);
      yield draft.root;
    }
  };
};

export const joinStages: Readonly<Record<string, StageCompiler>> = {
  $lookup: lookup,
  $unionWith: unionWith,
  $graphLookup: graphLookup,
};
