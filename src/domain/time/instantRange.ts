/** From the instant `first` up to, but without, the instant `end`. */
export interface InstantRange {
  readonly first: number;
  readonly end: number;
}

export function isWithin(instant: number, { first, end }: InstantRange): boolean {
  return first <= instant && instant < end;
}
