import type { Request, Response } from 'express';
import type { Connection } from 'mongoose';
import { z } from 'zod';
import { AUDIT_OUTCOMES, type AuditAction } from '../../domain/audit/entry.ts';
import { type KeptAuditEntry, listAuditEntries } from '../../models/auditLog.ts';
import { answerJson } from '../answer.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../deadline.ts';
import { badRequestFrom } from '../errors.ts';
import type { Route } from '../route.ts';
import { decodeTimeCursor, encodeTimeCursor } from '../timeCursor.ts';

const Action = z.templateLiteral([
  z.string().min(1),
  '.',
  z.string().min(1),
]) satisfies z.ZodType<AuditAction>;

const AuditQuery = z.object({
  who: z.string().min(1).optional().meta({ example: 'account:0b9f6f2e-…' }),
  action: Action.optional().meta({ example: 'api-key.create' }),
  target: z.string().min(1).optional(),
  outcome: z.enum(AUDIT_OUTCOMES).optional(),
  from: z.iso.datetime({ offset: true }).optional().meta({ description: 'From this instant, included' }),
  to: z.iso.datetime({ offset: true }).optional().meta({ description: 'Up to this instant, not included' }),
  cursor: z.string().optional().meta({ description: '`next_cursor` of the page before' }),
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
});

const Entry = z
  .object({
    entry_id: z.string(),
    at: z.iso.datetime(),
    who: z.string(),
    action: z.string(),
    target: z.string().nullable(),
    outcome: z.enum(AUDIT_OUTCOMES),
    status: z.int().nullable().meta({ description: 'Of the HTTP answer' }),
    ip: z.string().nullable(),
    request_id: z.string().nullable(),
  })
  .meta({ id: 'AuditEntry' });

const Entries = z
  .object({ entries: z.array(Entry), next_cursor: z.string().nullable() })
  .meta({ id: 'AuditEntries' });

/** `GET /api/audit`: what callers with power did. */
export function auditRoutes(connection: Connection): readonly Route[] {
  return [
    {
      method: 'get',
      path: '/api/audit',
      access: 'administration',
      errors: 'problem',
      documentation: {
        summary: 'The audit log, newest first',
        tags: ['Audit log'],
        requestParams: { query: AuditQuery },
        responses: { 200: { description: 'A page', content: { 'application/json': { schema: Entries } } } },
      },
      handle: (request, response) =>
        withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', list(connection, request, response)),
    },
  ];
}

async function list(connection: Connection, request: Request, response: Response): Promise<void> {
  const parsed = AuditQuery.safeParse(request.query);
  if (!parsed.success) throw badRequestFrom(parsed.error, 'query');
  const { cursor, from, to, limit, ...filter } = parsed.data;
  const entries = await listAuditEntries(connection, {
    ...filter,
    from: from === undefined ? undefined : new Date(from),
    to: to === undefined ? undefined : new Date(to),
    before: cursor === undefined ? undefined : decodeTimeCursor(cursor),
    limit,
  });
  const last = entries.length === limit ? entries.at(-1) : undefined;
  response.setHeader('Cache-Control', 'no-store');
  answerJson(response, 200, {
    entries: entries.map(view),
    next_cursor: last ? encodeTimeCursor({ at: last.at, id: last.entry_id }) : null,
  });
}

function view(entry: KeptAuditEntry): z.infer<typeof Entry> {
  return { ...entry, at: entry.at.toISOString() };
}
