import { Binary } from 'bson';
import { toNumber } from '../../bson/numbers.ts';
import { isArray, isNumeric, type Value } from '../../bson/values.ts';
import { badValue } from '../../errors.ts';
import { anyElement, type FieldOperator } from './operator.ts';

function bitMask(operand: Value): bigint {
  if (isArray(operand)) {
    return operand.reduce<bigint>((mask, position) => {
      if (!isNumeric(position)) throw badValue('bit positions must be integers');
      return mask | (1n << BigInt(toNumber(position)));
    }, 0n);
  }
  const mask = bitsOf(operand);
  if (mask === null || mask < 0n)
    throw badValue('a bit mask must be a non-negative number, an array or BinData');
  return mask;
}

function bitsOf(value: Value | undefined): bigint | null {
  if (typeof value === 'bigint') return value;
  if (isNumeric(value)) return Number.isInteger(toNumber(value)) ? BigInt(toNumber(value)) : null;
  if (!(value instanceof Binary)) return null;
  let bits = 0n;
  for (let index = value.position - 1; index >= 0; index--)
    bits = (bits << 8n) | BigInt(value.buffer[index] ?? 0);
  return bits;
}

function bitOperator(accepts: (common: bigint, mask: bigint) => boolean): FieldOperator {
  return (operand) => {
    const mask = bitMask(operand);
    return anyElement((value) => {
      const bits = bitsOf(value);
      return bits !== null && accepts(bits & mask, mask);
    });
  };
}

export const bitOperators: Readonly<Record<string, FieldOperator>> = {
  $bitsAllSet: bitOperator((common, mask) => common === mask),
  $bitsAnySet: bitOperator((common) => common !== 0n),
  $bitsAllClear: bitOperator((common) => common === 0n),
  $bitsAnyClear: bitOperator((common, mask) => common !== mask),
};
