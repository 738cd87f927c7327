import type { Document } from '../bson/values.ts';

/** A compiled filter. */
export type Predicate = (document: Document) => boolean;
