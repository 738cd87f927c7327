import type { Variables } from '../../aggregation/expression.ts';
import type { Document, Value } from '../../bson/values.ts';
import type { Collation } from '../collation.ts';
import type { Predicate } from '../predicate.ts';

/** A test of the value at a path; `undefined` stands for a missing field. */
export interface ValueTest {
  test: (value: Value | undefined) => boolean;
  /** The filter matches when no value passes the test ($ne, $nin, $not). */
  negated: boolean;
  /** Only the value itself is tested, not the elements of an array ($size, $elemMatch, $exists). */
  wholeOnly: boolean;
}

export interface FilterContext {
  collation: Collation | null;
  variables: Variables | null;
  /** The filter comes from the data file: what earlier versions took must not be refused. */
  isStored: boolean;
  compileFilter: (filter: Document) => Predicate;
  compileCondition: (condition: Value) => ValueTest[];
}

/** Compiles one operator; `condition` is the whole document it stands in ($regex reads its $options). */
export type FieldOperator = (operand: Value, condition: Document, context: FilterContext) => ValueTest | null;

export function anyElement(test: (value: Value | undefined) => boolean): ValueTest {
  return { test, negated: false, wholeOnly: false };
}

export function wholeValue(test: (value: Value | undefined) => boolean): ValueTest {
  return { test, negated: false, wholeOnly: true };
}

/** Whether a value, or an element of it when it is an array, passes. */
export function passes({ test, negated, wholeOnly }: ValueTest, value: Value | undefined): boolean {
  const passed =
    test(value) || (!wholeOnly && Array.isArray(value) && value.some((element) => test(element)));
  return passed !== negated;
}
