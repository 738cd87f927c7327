import { type Document, isArray, isDocument, typeName, type Value } from '../../bson/values.ts';
import { badValue, MongoServerError } from '../../errors.ts';
import { compileProjection } from '../../query/projection.ts';
import { Draft } from '../../update/draft.ts';
import { compileExpression, type Variables } from '../expression.ts';

/** A stage that turns each document into one other. */
export type Transform = (document: Document) => Document;

export type TransformCompiler = (specification: Value, variables: Variables | null) => Transform;

export const transformStages: Readonly<Record<string, TransformCompiler>> = {
  $addFields: addFields,
  $set: addFields,
  $unset: unset,
  $project: (specification, variables) => {
    const projection = isDocument(specification)
      ? compileProjection(specification, { variables, isStage: true })
      : null;
    if (projection === null) throw badValue('$project specification must have at least one field');
    return projection;
  },
  $replaceRoot: (specification, variables) => {
    if (!isDocument(specification) || specification.newRoot === undefined)
      throw badValue('$replaceRoot requires newRoot');
    return replaceWith(specification.newRoot, variables);
  },
  $replaceWith: replaceWith,
};

/** The stages of an update pipeline. @throws MongoServerError for a stage that is not allowed there */
export function compileTransforms(stages: readonly Value[], variables: Variables | null): Transform {
  const transforms = stages.map((stage) => {
    const [[name, specification] = []] = isDocument(stage) ? Object.entries(stage) : [];
    const compiler =
      name === undefined || !Object.hasOwn(transformStages, name) ? undefined : transformStages[name];
    if (compiler === undefined || specification === undefined) {
      throw new MongoServerError(
        'InvalidOptions',
        `${name ?? 'An empty stage'} is not allowed to be used within an update`,
      );
    }
    return compiler(specification, variables);
  });
  return (document) => transforms.reduce((current, transform) => transform(current), { ...document });
}

function addFields(specification: Value, variables: Variables | null): Transform {
  if (!isDocument(specification)) throw badValue('$addFields specification must be an object');
  const fields = [...flatten(specification, [])].map(({ parts, value }) => ({
    parts,
    expression: compileExpression(value),
  }));
  return (document) => {
    const environment = { root: document, variables };
    const draft = new Draft(document);
    for (const { parts, expression } of fields) {
      const value = expression(environment);
      if (value === undefined) draft.unset(parts);
      else setThroughArrays(draft, parts, value);
    }
    return draft.root;
  };
}

/** Nested documents of plain field names are paths, as in MongoDB. */
function* flatten(
  specification: Document,
  prefix: readonly string[],
): Generator<{ parts: string[]; value: Value }> {
  for (const [name, value] of Object.entries(specification)) {
    const parts = [...prefix, ...name.split('.')];
    const isNested =
      isDocument(value) && Object.keys(value).length > 0 && !Object.keys(value)[0]?.startsWith('$');
    if (isNested) yield* flatten(value, parts);
    else yield { parts, value };
  }
}

/** Sets the field in every element of arrays on the way; a scalar on the way is replaced by a document. */
function setThroughArrays(draft: Draft, parts: readonly string[], value: Value): void {
  for (let depth = 1; depth < parts.length; depth++) {
    const holder = draft.get(parts.slice(0, depth));
    if (isArray(holder)) {
      const rest = parts.slice(depth);
      draft.set(
        parts.slice(0, depth),
        holder.map((element) => setInside(element, rest, value)),
      );
      return;
    }
    if (holder !== undefined && !isDocument(holder)) draft.set(parts.slice(0, depth), {});
  }
  draft.set(parts, value);
}

function setInside(element: Value, parts: readonly string[], value: Value): Value {
  if (isArray(element)) return element.map((inner) => setInside(inner, parts, value));
  const draft = new Draft(isDocument(element) ? element : {});
  setThroughArrays(draft, parts, value);
  return draft.root;
}

function unset(specification: Value, variables: Variables | null): Transform {
  const names = isArray(specification) ? specification : [specification];
  const exclusion: Document = {};
  for (const name of names) {
    if (typeof name !== 'string')
      throw badValue('$unset specification must be a string or an array of strings');
    exclusion[name] = 0;
  }
  return compileProjection(exclusion, { variables, isStage: true }) ?? ((document) => document);
}

function replaceWith(expression: Value, variables: Variables | null): Transform {
  const compiled = compileExpression(expression);
  return (document) => {
    const root = compiled({ root: document, variables });
    if (!isDocument(root)) {
      throw new MongoServerError(
        'Location40228',
        `'newRoot' expression must evaluate to an object, but resulting value was of type ${typeName(root)}`,
      );
    }
    return root;
  };
}
