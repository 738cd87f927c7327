import { keyString } from '../../bson/keyString.ts';
import { type Document, isDocument, type Value } from '../../bson/values.ts';
import { MongoServerError } from '../../errors.ts';
import { newFolding } from '../../query/collation.ts';
import { compileSort, parseSort } from '../../query/sort.ts';
import { type Accumulator, Percentiles, Several, Sum, simpleAccumulators } from '../accumulators.ts';
import { compileExpression, type Environment, type Expression } from '../expression.ts';
import { percentileShares, positiveCount } from '../operators/accumulating.ts';
import { namedArguments } from '../operators/operator.ts';
import type { StageCompiler } from './stages.ts';

/** An accumulator of a $group with the expression of what it takes. */
export interface CompiledAccumulator {
  name: string;
  input: Expression;
  create: () => Accumulator;
}

/** @throws MongoServerError for an unknown accumulator */
export function compileAccumulator(field: string, specification: Value): CompiledAccumulator {
  const entries = isDocument(specification) ? Object.entries(specification) : [];
  const [[name, operand] = []] = entries;
  if (name === undefined || operand === undefined || entries.length !== 1) {
    throw new MongoServerError('Location40234', `The field '${field}' must be an accumulator object`);
  }
  const simple = Object.hasOwn(simpleAccumulators, name) ? simpleAccumulators[name] : undefined;
  if (simple !== undefined) return { name, input: compileExpression(operand), create: simple };
  const special = Object.hasOwn(specialAccumulators, name) ? specialAccumulators[name] : undefined;
  if (special === undefined) throw new MongoServerError('Location15952', `unknown group operator '${name}'`);
  return { name, ...special(operand, name) };
}

type Special = (operand: Value, name: string) => { input: Expression; create: () => Accumulator };

function several(kind: 'first' | 'last' | 'min' | 'max'): Special {
  return (operand, name) => {
    const { input, n } = namedArguments(operand, name, ['input', 'n']);
    const limit = positiveCount(compileExpression(n ?? null)({ root: {}, variables: null }), name);
    return { input: compileExpression(input ?? null), create: () => new Several(kind, limit) };
  };
}

/** $top, $bottom, $topN, $bottomN: the outputs of the first or last documents in an order. */
function ranked(fromTop: boolean, isList: boolean): Special {
  return (operand, name) => {
    const { sortBy, output, n } = namedArguments(
      operand,
      name,
      isList ? ['sortBy', 'output', 'n'] : ['sortBy', 'output'],
    );
    const limit = isList
      ? positiveCount(compileExpression(n ?? null)({ root: {}, variables: null }), name)
      : 1;
    const order = compileSort(parseSort(isDocument(sortBy) ? sortBy : undefined), null);
    const result = compileExpression(output ?? null);
    const input: Expression = (environment) => ({
      document: environment.root,
      output: result(environment) ?? null,
    });
    return { input, create: () => new Ranked(order, fromTop, limit, isList) };
  };
}

class Ranked implements Accumulator {
  private entries: { document: Document; output: Value }[] = [];
  private readonly order: (left: Document, right: Document) => number;
  private readonly fromTop: boolean;
  private readonly limit: number;
  private readonly isList: boolean;

  constructor(
    order: (left: Document, right: Document) => number,
    fromTop: boolean,
    limit: number,
    isList: boolean,
  ) {
    this.order = order;
    this.fromTop = fromTop;
    this.limit = limit;
    this.isList = isList;
  }

  add(value: Value | undefined): void {
    if (!isDocument(value)) return;
    const { document, output = null } = value;
    if (isDocument(document)) this.entries.push({ document, output });
    if (this.entries.length > this.limit * 2 + 100) this.entries = this.best();
  }

  private best(): { document: Document; output: Value }[] {
    const sorted = this.entries.toSorted((left, right) => this.order(left.document, right.document));
    return this.fromTop ? sorted.slice(0, this.limit) : sorted.slice(-this.limit);
  }

  result(): Value {
    const outputs = this.best().map(({ output }) => output);
    return this.isList ? outputs : (outputs[0] ?? null);
  }
}

const percentile: Special = (operand, name) => {
  const { input, shares } = percentileShares(operand, name);
  return { input: compileExpression(input), create: () => new Percentiles(shares) };
};

const specialAccumulators: Readonly<Record<string, Special>> = {
  $count: () => ({ input: () => 1, create: () => new Sum() }),
  $firstN: several('first'),
  $lastN: several('last'),
  $minN: several('min'),
  $maxN: several('max'),
  $top: ranked(true, false),
  $bottom: ranked(false, false),
  $topN: ranked(true, true),
  $bottomN: ranked(false, true),
  $percentile: percentile,
  $median: percentile,
};

interface Group {
  id: Value;
  accumulators: Accumulator[];
}

const group: StageCompiler = (specification, { variables, collation }) => {
  if (!isDocument(specification))
    throw new MongoServerError('Location15947', "a group's fields must be specified in an object");
  const { _id: id, ...outputs } = specification;
  if (id === undefined)
    throw new MongoServerError('Location15955', 'a group specification must include an _id');
  const idOf = compileExpression(id);
  const fields = Object.entries(outputs).map(
    ([field, value]) => [field, compileAccumulator(field, value)] as const,
  );
  return function* (documents) {
    const groups = new Map<string, Group>();
    const fold = newFolding(collation)?.fold;
    for (const document of documents) {
      const environment: Environment = { root: document, variables };
      const groupId = idOf(environment) ?? null;
      const key = keyString(groupId, fold);
      let entry = groups.get(key);
      if (entry === undefined) {
        entry = { id: groupId, accumulators: fields.map(([, { create }]) => create()) };
        groups.set(key, entry);
      }
      for (const [index, [, { input }]] of fields.entries())
        entry.accumulators[index]?.add(input(environment));
    }
    for (const { id: groupId, accumulators } of groups.values()) {
      const result: Document = { _id: groupId };
      for (const [index, [field]] of fields.entries()) result[field] = accumulators[index]?.result() ?? null;
      yield result;
    }
  };
};

const sortByCount: StageCompiler = (specification, context) => {
  const grouped = group({ _id: specification, count: { $sum: 1 } }, context);
  const order = compileSort(parseSort({ count: -1 }), null);
  return (documents) => [...grouped(documents)].sort(order);
};

export const groupStages: Readonly<Record<string, StageCompiler>> = {
  $group: group,
  $sortByCount: sortByCount,
};
