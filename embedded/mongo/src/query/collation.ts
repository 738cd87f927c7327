import { compareStrings, type StringOrder } from '../bson/compare.ts';
import { toNumber } from '../bson/numbers.ts';
import { type Document, isNumeric } from '../bson/values.ts';
import { badValue, notSupported } from '../errors.ts';

const knownFields = new Set([
  'locale',
  'strength',
  'caseLevel',
  'caseFirst',
  'numericOrdering',
  'alternate',
  'maxVariable',
  'normalization',
  'backwards',
  'version',
]);

/** A collation in use: the order of strings, and a folding that makes equal strings identical. */
export interface Collation {
  readonly specification: Document;
  readonly compare: StringOrder;
  readonly fold: (text: string) => string;
}

/** The collation a command names; null for none or the simple one (binary order). */
export function parseCollation(specification: Document | undefined): Collation | null {
  if (specification === undefined || Object.keys(specification).length === 0) return null;
  for (const field of Object.keys(specification)) {
    if (!knownFields.has(field)) throw badValue(`BSON field 'collation.${field}' is an unknown field.`);
  }
  const { locale, strength, caseLevel, numericOrdering, alternate, backwards, caseFirst } = specification;
  if (typeof locale !== 'string') throw badValue("Missing expected field 'collation.locale'");
  if (locale === 'simple') return null;
  if (backwards === true) throw notSupported("the collation option 'backwards'");
  const level = isNumeric(strength) ? toNumber(strength) : 3;
  if (![1, 2, 3].includes(level)) throw notSupported(`the collation strength ${level}`);
  let collator: Intl.Collator;
  try {
    collator = new Intl.Collator(locale.replaceAll('_', '-'), {
      sensitivity: level === 1 ? (caseLevel === true ? 'case' : 'base') : level === 2 ? 'accent' : 'variant',
      numeric: numericOrdering === true,
      ignorePunctuation: alternate === 'shifted',
      ...(caseFirst === 'upper' || caseFirst === 'lower' ? { caseFirst } : {}),
    });
  } catch {
    throw badValue(`Field 'locale' is invalid in: { locale: "${locale}" }`);
  }
  return { specification, compare: collator.compare, fold: folding(level) };
}

function folding(level: number): (text: string) => string {
  if (level === 1) return (text) => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
  if (level === 2) return (text) => text.normalize('NFC').toLowerCase();
  return (text) => text.normalize('NFC');
}

export function stringOrder(collation: Collation | null): StringOrder {
  return collation === null ? compareStrings : collation.compare;
}
