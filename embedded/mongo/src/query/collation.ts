import { compareStrings, type StringOrder } from '../bson/compare.ts';
import { toNumber } from '../bson/numbers.ts';
import { type Document, isNumeric } from '../bson/values.ts';
import { badValue, type MongoServerError, notSupported } from '../errors.ts';
import { Folding } from './folding.ts';

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

/** A collation in use. */
export interface Collation {
  readonly specification: Document;
  readonly compare: StringOrder;
}

/**
 * The collation a command names; null for none or the simple one (binary order).
 * @param isStored it comes from the data file: what earlier versions took is not refused
 */
export function parseCollation(specification: Document | undefined, isStored = false): Collation | null {
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
  if (!isStored) checkExpressible(specification, level);
  try {
    const tag = locale.replaceAll('_', '-');
    if (!isStored && Intl.Collator.supportedLocalesOf(tag).length === 0) throw invalidLocale(locale);
    const collator = new Intl.Collator(tag, {
      sensitivity: level === 1 ? (caseLevel === true ? 'case' : 'base') : level === 2 ? 'accent' : 'variant',
      numeric: numericOrdering === true,
      ignorePunctuation: alternate === 'shifted',
      ...(caseFirst === 'upper' || caseFirst === 'lower' ? { caseFirst } : {}),
    });
    return { specification, compare: collator.compare };
  } catch {
    throw invalidLocale(locale);
  }
}

/** What JavaScript's collator lacks would otherwise be left out in silence. */
function checkExpressible({ caseLevel, alternate, maxVariable }: Document, level: number): void {
  if (caseLevel === true && level > 1)
    throw notSupported(`the collation option 'caseLevel' with strength ${level}`);
  if (alternate === 'shifted' && maxVariable === 'space')
    throw notSupported('the collation option \'maxVariable: "space"\'');
}

function invalidLocale(locale: string): MongoServerError {
  return badValue(`Field 'locale' is invalid in: { locale: "${locale}" }`);
}

/** A new folding for keys that hold strings, or null when they are compared as they are. */
export function newFolding(collation: Collation | null | undefined): Folding | null {
  return collation === null || collation === undefined ? null : new Folding(collation.compare);
}

export function stringOrder(collation: Collation | null): StringOrder {
  return collation === null ? compareStrings : collation.compare;
}
