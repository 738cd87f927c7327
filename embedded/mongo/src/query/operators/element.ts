import { isTruthy } from '../../aggregation/operators/truth.ts';
import { toNumber } from '../../bson/numbers.ts';
import { isArray, isNumeric, typeName, type Value } from '../../bson/values.ts';
import { badValue } from '../../errors.ts';
import { anyElement, type FieldOperator, wholeValue } from './operator.ts';

const typeByNumber: Readonly<Record<number, string>> = {
  [-1]: 'minKey',
  1: 'double',
  2: 'string',
  3: 'object',
  4: 'array',
  5: 'binData',
  6: 'undefined',
  7: 'objectId',
  8: 'bool',
  9: 'date',
  10: 'null',
  11: 'regex',
  13: 'javascript',
  14: 'symbol',
  16: 'int',
  17: 'timestamp',
  18: 'long',
  19: 'decimal',
  127: 'maxKey',
};

const aliases = new Set([...Object.values(typeByNumber), 'number']);
const numberTypes = ['int', 'long', 'double', 'decimal'];

/** The type names that `$type` or `bsonType` asks for, with 'number' spelled out. */
export function typeNamesOf(operand: Value): Set<string> {
  const names = (isArray(operand) ? operand : [operand]).flatMap((element) => {
    const name = isNumeric(element) ? typeByNumber[toNumber(element)] : element;
    if (typeof name !== 'string' || !aliases.has(name)) {
      throw badValue(`Unknown type name alias or type code: ${String(element)}`);
    }
    return name === 'number' ? numberTypes : [name];
  });
  return new Set(names);
}

export const elementOperators: Readonly<Record<string, FieldOperator>> = {
  $exists: (operand) => ({ ...wholeValue((value) => value !== undefined), negated: !isTruthy(operand) }),
  $type: (operand) => {
    const names = typeNamesOf(operand);
    return anyElement((value) => value !== undefined && names.has(typeName(value)));
  },
};
