import { BSONRegExp } from 'bson';
import { bindVariables, type Variables } from '../aggregation/expression.ts';
import { compileTransforms } from '../aggregation/stages/transforms.ts';
import { equalValues, identicalValues } from '../bson/compare.ts';
import { type Document, isArray, isDocument, type Value } from '../bson/values.ts';
import { failedToParse, MongoServerError } from '../errors.ts';
import { Draft } from './draft.ts';
import { type Change, modifiers, rename, unknownModifier } from './modifiers.ts';
import { type ArrayFilters, checkAllUsed, expandPath, parseArrayFilters } from './paths.ts';

export interface Updated {
  document: Document;
  isChanged: boolean;
  /** The top-level fields that changed; null when unknown. */
  changedRoots: ReadonlySet<string> | null;
}

/** A compiled update: gives the new state of a document, leaving the old one as it is. */
export type Update = (document: Document, filter: Document, isInsert: boolean) => Updated;

/** @throws MongoServerError FailedToParse, ConflictingUpdateOperators, TypeMismatch for a bad update */
export function compileUpdate(
  update: Value | undefined,
  arrayFilters: readonly Value[],
  variables: Variables | null,
): Update {
  if (arrayFilters.length > 0 && (isArray(update) || isReplacement(update)))
    throw failedToParse('arrayFilters may not be specified for a pipeline or a replacement');
  if (isArray(update)) return pipelineUpdate(update, variables);
  if (!isDocument(update)) throw failedToParse('Update argument must be either an object or an array');
  const [first] = Object.keys(update);
  if (first === undefined || !first.startsWith('$')) return replacement(update);
  return modifierUpdate(update, parseArrayFilters(arrayFilters));
}

export function isReplacement(update: Value | undefined): boolean {
  return isDocument(update) && !Object.keys(update)[0]?.startsWith('$');
}

function replacement(update: Document): Update {
  const dollar = Object.keys(update).find((name) => name.startsWith('$'));
  if (dollar !== undefined)
    throw new MongoServerError(
      'DollarPrefixedFieldName',
      `The dollar ($) prefixed field '${dollar}' in '${dollar}' is not allowed in the context of an update's replacement document.`,
    );
  return (document) => {
    const id = document._id ?? update._id;
    const next = id === undefined ? { ...update } : { _id: id, ...update };
    checkId(document, next);
    return { document: next, isChanged: !identicalValues(document, next), changedRoots: null };
  };
}

function pipelineUpdate(stages: readonly Value[], variables: Variables | null): Update {
  const transform = compileTransforms(stages, bindVariables(undefined, { root: null, variables }));
  return (document) => {
    const id = document._id;
    const transformed = transform(document);
    const next =
      id !== undefined && transformed._id === undefined ? { _id: id, ...transformed } : transformed;
    checkId(document, next);
    return { document: next, isChanged: !identicalValues(document, next), changedRoots: null };
  };
}

interface CompiledModifier {
  path: string;
  parts: readonly string[];
  isPositional: boolean;
  onlyOnInsert: boolean;
  change: Change;
}

function modifierUpdate(update: Document, arrayFilters: ArrayFilters): Update {
  const compiled = compileModifiers(update);
  checkAllUsed(
    arrayFilters,
    compiled.map(({ parts }) => parts),
  );
  return (document, filter, isInsert) => {
    const draft = new Draft(document);
    for (const { parts, isPositional, onlyOnInsert, change } of compiled) {
      if (onlyOnInsert && !isInsert) continue;
      if (!isPositional) change(draft, parts);
      else for (const concrete of expandPath(draft, parts, filter, arrayFilters)) change(draft, concrete);
    }
    if (draft.changedRoots.has('_id')) checkId(document, draft.root);
    return { document: draft.root, isChanged: draft.changedRoots.size > 0, changedRoots: draft.changedRoots };
  };
}

function compileModifiers(update: Document): CompiledModifier[] {
  const compiled: CompiledModifier[] = [];
  const targets: string[] = [];
  for (const [name, fields] of Object.entries(update)) {
    const modifier = Object.hasOwn(modifiers, name) ? modifiers[name] : undefined;
    if (modifier === undefined && name !== '$rename') throw unknownModifier(name);
    if (!isDocument(fields)) {
      throw failedToParse(
        `Modifiers operate on fields but we found type ${typeof fields} instead. For example: {$mod: {<field>: ...}} not {${name}: ${JSON.stringify(fields)}}`,
      );
    }
    for (const [path, operand] of Object.entries(fields)) {
      const isPlain = plainPath.test(path);
      const parts = isPlain ? [path] : path.split('.');
      if (!isPlain) checkPath(path, parts);
      targets.push(path);
      const { change, target } =
        modifier === undefined ? rename(operand, path) : { change: modifier(operand, path), target: null };
      if (target !== null) targets.push(target.join('.'));
      compiled.push({
        path,
        parts,
        isPositional: path.includes('$'),
        onlyOnInsert: name === '$setOnInsert',
        change,
      });
    }
  }
  checkConflicts(targets);
  return compiled;
}

const plainPath = /^[^.$]+$/;

function checkPath(path: string, parts: readonly string[]): void {
  if (parts.some((part) => part === '')) {
    throw new MongoServerError(
      'EmptyFieldName',
      `The update path '${path}' contains an empty field name, which is not allowed.`,
    );
  }
  const [first = ''] = parts;
  const dollar = first.startsWith('$')
    ? first
    : parts.find((part) => part.startsWith('$') && !/^\$(\[.*\])?$/.test(part));
  if (dollar !== undefined) {
    throw new MongoServerError(
      'DollarPrefixedFieldName',
      `The dollar ($) prefixed field '${dollar}' in '${path}' is not allowed in the context of an update.`,
    );
  }
}

/** Two modifiers may not touch the same path, or one path inside the other. */
function checkConflicts(paths: readonly string[]): void {
  const arePlain = paths.every((path) => plainPath.test(path));
  if (paths.length < 2 || (arePlain && new Set(paths).size === paths.length)) return;
  const sorted = paths.map((path) => `${path}.`).sort();
  for (let index = 1; index < sorted.length; index++) {
    const [before = '', path = ''] = [sorted[index - 1], sorted[index]];
    if (path.startsWith(before)) {
      throw new MongoServerError(
        'ConflictingUpdateOperators',
        `Updating the path '${path.slice(0, -1)}' would create a conflict at '${before.slice(0, -1)}'`,
      );
    }
  }
}

function checkId(before: Document, after: Document): void {
  const id = before._id;
  if (id === undefined || equalValues(id, after._id)) return;
  throw new MongoServerError(
    'ImmutableField',
    "Performing an update on the path '_id' would modify the immutable field '_id'",
  );
}

/**
 * The document an upsert starts from: what the filter fixes by equality; of a replacement only its `_id`.
 * @throws MongoServerError NotSingleValueField when it fixes a path twice, or a path inside another
 */
export function documentFromFilter(filter: Document, onlyId: boolean): Document {
  const draft = new Draft({});
  const fixed: string[] = [];
  for (const [path, value] of equalitiesOf(filter)) {
    if (onlyId && path.split('.')[0] !== '_id') continue;
    checkNotFixed(path, fixed);
    fixed.push(path);
    draft.set(path.split('.'), value);
  }
  return draft.root;
}

function* equalitiesOf(filter: Document): Generator<[path: string, value: Value]> {
  for (const [name, condition] of Object.entries(filter)) {
    const isConjunction = name === '$and' || (name === '$or' && isArray(condition) && condition.length === 1);
    if (isConjunction && isArray(condition)) {
      for (const clause of condition) if (isDocument(clause)) yield* equalitiesOf(clause);
    } else if (!name.startsWith('$')) {
      const value = equalityIn(condition);
      if (value !== undefined) yield [name, value];
    }
  }
}

function checkNotFixed(path: string, fixed: readonly string[]): void {
  const other = fixed.find((one) => one === path || one.startsWith(`${path}.`) || path.startsWith(`${one}.`));
  if (other === undefined) return;
  const which =
    other === path ? `path '${path}' is matched twice` : `both paths '${path}' and '${other}' are matched`;
  throw new MongoServerError('NotSingleValueField', `cannot infer query fields to set, ${which}`);
}

function equalityIn(condition: Value): Value | undefined {
  if (!isDocument(condition) || !Object.keys(condition)[0]?.startsWith('$'))
    return condition instanceof BSONRegExp ? undefined : condition;
  if (condition.$eq !== undefined) return condition.$eq;
  const all = condition.$all;
  return isArray(all) && all.length === 1 ? all[0] : undefined;
}
