import { formatMicros } from '../../src/domain/money/micros.ts';
import type { Drift } from '../../src/models/usageRecount.ts';

/** One line: the bucket, the field that differs, and both of its values. */
export function driftText({ user_id, unit, start, field, stored, recounted }: Drift): string {
  const bucket = `user ${user_id}, ${unit} from ${new Date(start).toISOString()}`;
  return `${bucket}, ${field}: stored ${valueText(field, stored)}, by the reports ${valueText(field, recounted)}`;
}

function valueText(field: Drift['field'], value: bigint | number | undefined): string {
  if (value === undefined) return 'nothing';
  if (field === 'last_received_at') return new Date(Number(value)).toISOString();
  return field.endsWith('_cost') ? formatMicros(value) : String(value);
}
