import { compileExpression, type Expression, type Variables } from '../aggregation/expression.ts';
import { isTruthy } from '../aggregation/operators/truth.ts';
import { toNumber } from '../bson/numbers.ts';
import { type Document, isArray, isDocument, isNumeric, type Value } from '../bson/values.ts';
import { badValue, MongoServerError, notSupported } from '../errors.ts';
import { compileFilter } from './filter.ts';
import { positionalIndex } from './positional.ts';

export type Projection = (document: Document) => Document;

type Tree = Map<string, Leaf>;
type Transform = (value: Value | undefined, document: Document) => Value | undefined;
/** keep or drop, go deeper, change in place, or compute anew */
type Leaf = 'named' | { tree: Tree } | { transform: Transform } | { expression: Expression };

interface ProjectionOptions {
  /** The query's filter, for the positional `a.$`. */
  filter?: Document;
  variables?: Variables | null;
  /** In an aggregation stage the find-only forms ($slice, $elemMatch, positional) do not exist. */
  isStage?: boolean;
}

/** @throws MongoServerError when inclusion and exclusion are mixed */
export function compileProjection(
  specification: Document | undefined,
  options: ProjectionOptions = {},
): Projection | null {
  if (specification === undefined || Object.keys(specification).length === 0) return null;
  const tree: Tree = new Map();
  const modes = new Set<'inclusion' | 'exclusion'>();
  let idIncluded: boolean | null = null;
  for (const [path, value] of flatten(specification, '', options)) {
    const mode = addField(tree, path, value, options);
    if (path === '_id' && mode !== null) idIncluded = mode === 'inclusion';
    else if (mode !== null) modes.add(mode);
  }
  if (modes.size > 1) {
    throw new MongoServerError(
      'Location31254',
      'Cannot do exclusion and inclusion in the same projection, except for the _id field',
    );
  }
  const hasComputed = [...tree.values()].some((leaf) => leaf !== 'named' && 'expression' in leaf);
  const [
    mode = idIncluded === true || (hasComputed && idIncluded !== false)
      ? 'inclusion'
      : hasComputed
        ? 'inclusion'
        : 'exclusion',
  ] = modes;
  if (mode === 'inclusion') {
    if (idIncluded === false) tree.delete('_id');
    else if (!tree.has('_id')) tree.set('_id', 'named');
  } else if (idIncluded === true) tree.delete('_id');
  const { variables = null } = options;
  return (document) => project(document, tree, mode === 'inclusion', document, variables);
}

/** Nested documents of a projection are the same as dotted paths. */
function* flatten(
  specification: Document,
  prefix: string,
  options: ProjectionOptions,
): Generator<[string, Value]> {
  for (const [name, value] of Object.entries(specification)) {
    if (isDocument(value) && Object.keys(value).length === 0)
      throw new MongoServerError(
        'Location51270',
        `An empty sub-projection is not a valid value. Found empty object at path ${prefix}${name}`,
      );
    const isNested =
      isDocument(value) && Object.keys(value).length > 0 && !Object.keys(value)[0]?.startsWith('$');
    if (isNested) yield* flatten(value, `${prefix}${name}.`, options);
    else yield [prefix + name, value];
  }
}

function addField(
  tree: Tree,
  path: string,
  value: Value,
  options: ProjectionOptions,
): 'inclusion' | 'exclusion' | null {
  if (path === '') throw badValue('a projection has an empty field name');
  if (!options.isStage && path.endsWith('.$')) {
    place(tree, path.slice(0, -2), { transform: positional(path.slice(0, -2), options.filter ?? {}) });
    return 'inclusion';
  }
  if (isNumeric(value) || typeof value === 'boolean') {
    place(tree, path, 'named');
    return isTruthy(value) ? 'inclusion' : 'exclusion';
  }
  if (isDocument(value) && !options.isStage) {
    if (value.$slice !== undefined) {
      place(tree, path, { transform: sliceOf(value.$slice) });
      return null;
    }
    if (value.$elemMatch !== undefined) {
      place(tree, path, { transform: elemMatchOf(value.$elemMatch) });
      return 'inclusion';
    }
  }
  if (isDocument(value) && value.$meta !== undefined) throw notSupported('the projection operator $meta');
  place(tree, path, { expression: compileExpression(value) });
  return path === '_id' ? null : 'inclusion';
}

function place(tree: Tree, path: string, leaf: Leaf): void {
  const parts = path.split('.');
  let current = tree;
  for (const part of parts.slice(0, -1)) {
    const next = current.get(part);
    if (next !== undefined && (next === 'named' || !('tree' in next))) throw collision(path);
    const deeper: Tree = next?.tree ?? new Map();
    current.set(part, { tree: deeper });
    current = deeper;
  }
  const last = parts.at(-1) ?? path;
  if (last === '' || current.has(last)) throw collision(path);
  current.set(last, leaf);
}

function collision(path: string): MongoServerError {
  return new MongoServerError('Location31249', `Path collision at ${path}`);
}

function project(
  source: Document,
  tree: Tree,
  isInclusion: boolean,
  root: Document,
  variables: Variables | null,
): Document {
  const result: Document = {};
  for (const name of Object.keys(source)) {
    const leaf = tree.get(name);
    const value = source[name];
    if (value === undefined) continue;
    if (leaf === undefined) {
      if (!isInclusion) result[name] = value;
    } else if (leaf === 'named') {
      if (isInclusion) result[name] = value;
    } else if ('tree' in leaf) {
      const inner = projectInner(value, leaf.tree, isInclusion, root, variables);
      if (inner !== undefined) result[name] = inner;
    } else if ('transform' in leaf) {
      const changed = leaf.transform(value, root);
      if (changed !== undefined) result[name] = changed;
    }
  }
  for (const [name, leaf] of tree) {
    if (leaf === 'named' || 'transform' in leaf) continue;
    if ('expression' in leaf) {
      const value = leaf.expression({ root, variables });
      if (value !== undefined) result[name] = value;
    } else if (!Object.hasOwn(source, name) && isInclusion && hasExpression(leaf.tree)) {
      result[name] = project({}, leaf.tree, isInclusion, root, variables);
    }
  }
  return result;
}

function hasExpression(tree: Tree): boolean {
  return [...tree.values()].some(
    (leaf) => leaf !== 'named' && ('expression' in leaf || ('tree' in leaf && hasExpression(leaf.tree))),
  );
}

function projectInner(
  value: Value,
  tree: Tree,
  isInclusion: boolean,
  root: Document,
  variables: Variables | null,
): Value | undefined {
  if (isDocument(value)) return project(value, tree, isInclusion, root, variables);
  if (isArray(value)) {
    return value.flatMap((element) => {
      const inner = projectInner(element, tree, isInclusion, root, variables);
      return inner === undefined ? [] : [inner];
    });
  }
  return isInclusion ? undefined : value;
}

function sliceOf(operand: Value): Transform {
  const [first, second] = (isArray(operand) ? operand : [operand]).map((part) => {
    if (!isNumeric(part)) throw badValue('$slice needs a number or [skip, limit]');
    return toNumber(part);
  });
  return (value) => {
    if (!isArray(value) || first === undefined) return value;
    if (second === undefined) return first >= 0 ? value.slice(0, first) : value.slice(first);
    const start = first < 0 ? Math.max(0, value.length + first) : first;
    return value.slice(start, start + second);
  };
}

function elemMatchOf(operand: Value): Transform {
  const matches = compileFilter({ element: { $elemMatch: operand } });
  return (value) => {
    const found = isArray(value) ? value.find((element) => matches({ element: [element] })) : undefined;
    return found === undefined ? undefined : [found];
  };
}

/** The first element that satisfies what the query asks of this array. */
function positional(path: string, filter: Document): Transform {
  return (value) => {
    if (!isArray(value)) return value;
    const index = positionalIndex(filter, path, value);
    const element = value[index];
    if (element === undefined) {
      throw badValue(
        `Executor error: positional operator '.$' couldn't find a matching element in the array '${path}'`,
      );
    }
    return [element];
  };
}
