import { compareValues } from '../../bson/compare.ts';
import { keyString } from '../../bson/keyString.ts';
import { toNumber } from '../../bson/numbers.ts';
import { type Document, isArray, isDocument, isNumeric, type Value } from '../../bson/values.ts';
import { failedToParse, notSupported } from '../../errors.ts';
import { newFolding } from '../../query/collation.ts';
import { compileSort, parseSort, type SortField } from '../../query/sort.ts';
import { Draft } from '../../update/draft.ts';
import { compileExpression, valueAtPath } from '../expression.ts';
import { namedArguments } from '../operators/operator.ts';
import type { PipelineContext } from '../pipeline.ts';
import { compileAccumulator } from './group.ts';
import type { StageCompiler } from './stages.ts';

/** Gives a document's value from its partition (in order) and its place in it. */
type WindowFunction = (partition: readonly Document[], position: number) => Value;

/** First and last position (inclusive) of a document's window. */
type Window = (partition: readonly Document[], position: number) => [number, number];

const millisecondsPerUnit: Readonly<Record<string, number>> = {
  millisecond: 1,
  second: 1000,
  minute: 60_000,
  hour: 3_600_000,
  day: 86_400_000,
  week: 604_800_000,
};

const setWindowFields: StageCompiler = (specification, context) => {
  const { partitionBy, sortBy, output } = namedArguments(
    specification,
    '$setWindowFields',
    ['output'],
    ['partitionBy', 'sortBy'],
  );
  if (!isDocument(output)) throw failedToParse('$setWindowFields needs an output object');
  const sort = parseSort(isDocument(sortBy) ? sortBy : undefined);
  const order = compileSort(sort, context.collation);
  const partitionOf = compileExpression(partitionBy ?? null);
  const fields = Object.entries(output).map(([path, value]) => ({
    parts: path.split('.'),
    compute: compileFunction(path, value, sort, context),
  }));
  return function* (documents) {
    const partitions = new Map<string, Document[]>();
    const fold = newFolding(context.collation)?.fold;
    for (const document of documents) {
      const key = keyString(partitionOf({ root: document, variables: context.variables }), fold);
      const list = partitions.get(key);
      if (list === undefined) partitions.set(key, [document]);
      else list.push(document);
    }
    for (const partition of partitions.values()) {
      if (sort.length > 0) partition.sort(order);
      for (const [position, document] of partition.entries()) {
        const draft = new Draft(document);
        for (const { parts, compute } of fields) draft.set(parts, compute(partition, position));
        yield draft.root;
      }
    }
  };
};

function compileFunction(
  path: string,
  value: Value,
  sort: readonly SortField[],
  context: PipelineContext,
): WindowFunction {
  if (!isDocument(value)) throw failedToParse(`The field '${path}' of $setWindowFields must be an object`);
  const { window, ...rest } = value;
  const [[name, operand] = []] = Object.entries(rest);
  if (name === undefined || operand === undefined || Object.keys(rest).length !== 1)
    throw failedToParse(`The field '${path}' of $setWindowFields needs one window function`);
  const ranking = rankingFunction(name, operand, sort, context);
  if (ranking !== null) {
    if (window !== undefined) throw failedToParse(`${name} takes no window`);
    return ranking;
  }
  if (
    [
      '$derivative',
      '$integral',
      '$expMovingAvg',
      '$covariancePop',
      '$covarianceSamp',
      '$linearFill',
      '$locf',
      '$minMaxScaler',
    ].includes(name)
  ) {
    throw notSupported(`the window function ${name}`);
  }
  const { input, create } = compileAccumulator(path, rest);
  const bounds = compileWindow(window, sort);
  return (partition, position) => {
    const [from, to] = bounds(partition, position);
    const accumulator = create();
    for (let index = from; index <= to; index++) {
      const document = partition[index];
      if (document !== undefined) accumulator.add(input({ root: document, variables: context.variables }));
    }
    return accumulator.result() ?? null;
  };
}

function rankingFunction(
  name: string,
  operand: Value,
  sort: readonly SortField[],
  context: PipelineContext,
): WindowFunction | null {
  const order = compileSort(sort, context.collation);
  const tied = (partition: readonly Document[], left: number, right: number) =>
    order(partition[left] ?? {}, partition[right] ?? {}) === 0;
  switch (name) {
    case '$documentNumber':
      return (_partition, position) => position + 1;
    case '$rank':
      return (partition, position) => {
        let first = position;
        while (first > 0 && tied(partition, first - 1, position)) first--;
        return first + 1;
      };
    case '$denseRank':
      return (partition, position) => {
        let rank = 1;
        for (let index = 1; index <= position; index++) if (!tied(partition, index - 1, index)) rank++;
        return rank;
      };
    case '$shift': {
      const {
        output,
        by,
        default: fallback = null,
      } = namedArguments(operand, name, ['output', 'by'], ['default']);
      const offset = isNumeric(by) ? toNumber(by) : 0;
      const result = compileExpression(output ?? null);
      return (partition, position) => {
        const document = partition[position + offset];
        return document === undefined
          ? fallback
          : (result({ root: document, variables: context.variables }) ?? null);
      };
    }
    default:
      return null;
  }
}

function compileWindow(window: Value | undefined, sort: readonly SortField[]): Window {
  const whole: Window = (partition) => [0, partition.length - 1];
  if (window === undefined) return whole;
  const { documents, range, unit } = namedArguments(window, 'window', [], ['documents', 'range', 'unit']);
  if (isArray(documents)) {
    const [lower, upper] = documents;
    return (partition, position) => [
      Math.max(0, offset(lower, position, 0)),
      Math.min(partition.length - 1, offset(upper, position, partition.length - 1)),
    ];
  }
  if (!isArray(range)) return whole;
  const [field] = sort;
  if (field === undefined || sort.length !== 1 || field.descending)
    throw failedToParse('a range window needs exactly one ascending sortBy field');
  return rangeWindow(range, unit, field);
}

function offset(bound: Value | undefined, position: number, unbounded: number): number {
  if (bound === 'unbounded') return unbounded;
  if (bound === 'current') return position;
  if (!isNumeric(bound)) throw failedToParse("window bounds must be 'unbounded', 'current' or a number");
  return position + toNumber(bound);
}

function rangeWindow(
  [lower, upper]: readonly Value[],
  unit: Value | undefined,
  { parts }: SortField,
): Window {
  const scale = unit === undefined ? 1 : typeof unit === 'string' ? millisecondsPerUnit[unit] : undefined;
  if (scale === undefined) throw notSupported(`a range window with the unit '${String(unit)}'`);
  const key = (document: Document | undefined) => {
    const value = valueAtPath(document, parts);
    return value instanceof Date ? value.getTime() : isNumeric(value) ? toNumber(value) : Number.NaN;
  };
  const distance = (bound: Value | undefined) =>
    bound === 'current' ? 0 : isNumeric(bound) ? toNumber(bound) * scale : null;
  return (partition, position) => {
    const here = key(partition[position]);
    const [from, to] = [distance(lower), distance(upper)];
    let first = 0;
    let last = partition.length - 1;
    if (from !== null) while (first <= last && compareValues(key(partition[first]), here + from) < 0) first++;
    if (to !== null) while (last >= first && compareValues(key(partition[last]), here + to) > 0) last--;
    return [first, last];
  };
}

export const windowStages: Readonly<Record<string, StageCompiler>> = { $setWindowFields: setWindowFields };
