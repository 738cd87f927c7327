import type { Request, Response } from 'express';
import { z } from 'zod';
import { type IconBatch, isActive } from '../../../domain/icons/batch.ts';
import type { BatchEventContent } from '../../../domain/icons/events.ts';
import { ANSWER_MILLISECONDS, withinDeadline } from '../../deadline.ts';
import { endUnlessAllowed } from '../../endUnlessAllowed.ts';
import { EventStream } from '../../eventStream.ts';
import { endsBatch, stateOf } from '../../live/liveSession.ts';
import type { Route } from '../../route.ts';
import type { IconsRouteDependencies } from './dependencies.ts';
import { iconCallerOf } from './iconCaller.ts';
import { newRoute } from './iconsRoute.ts';
import { BatchPath, requireBatch } from './requireBatch.ts';

type StreamDependencies = Pick<IconsRouteDependencies, 'connection' | 'environment' | 'feed'>;

const HEARTBEAT_MILLISECONDS = 15_000;
/** Then the reader connects again by itself. */
const LONGEST_STREAM_MILLISECONDS = 15 * 60_000;
const EVENT_NUMBER = /^\d{1,15}$/;

/** `GET /api/icons/batch/{id}/events`: what becomes of a batch, as server-sent events. */
export function batchStreamRoute(dependencies: StreamDependencies): Route {
  return {
    ...newRoute(dependencies.environment),
    method: 'get',
    path: '/api/icons/batch/:id/events',
    documentation: {
      summary: 'Live progress of a batch by server-sent events',
      description:
        'The events of Socket.IO: `batch_progress`, `job_output`, `job_completed`, `job_failed`, with the same data. The current state comes first, then every event after it, in order. `id` is the number of the event (of the current state, its last one has it): who connects again with `Last-Event-ID` gets what came after it. The stream ends with the batch; who then connects again with the last id gets 204, which ends an EventSource. A comment comes every 15 s; after 15 minutes the stream ends, and the reader connects again.',
      tags: ['Icons'],
      requestParams: {
        path: BatchPath,
        header: z.object({ 'Last-Event-ID': z.string().optional() }),
      },
      responses: {
        200: { description: 'Events', content: { 'text/event-stream': { schema: z.string() } } },
        204: { description: 'The batch has ended, and there is nothing after the last id' },
        404: { description: 'No such batch of the caller' },
        503: { description: 'This server shows as many batches as it can' },
      },
    },
    handle: (request, response) => openStream(dependencies, request, response),
  };
}

async function openStream(
  dependencies: StreamDependencies,
  request: Request,
  response: Response,
): Promise<void> {
  const batch = await withinDeadline(ANSWER_MILLISECONDS, 'MongoDB', requireBatch(dependencies, request));
  if (response.destroyed) return;
  const lastSeen = lastSeenOf(request, batch);
  if (lastSeen === batch.event_seq && !isActive(batch)) {
    response.status(204).end();
    return;
  }

  const stream = new EventStream(response, HEARTBEAT_MILLISECONDS);
  // Given before the headers are sent, so that a refusal is still an answer.
  const watch = dependencies.feed.watch({
    batch_id: batch.batch_id,
    watched_by: iconCallerOf(request).owner,
    after_seq: lastSeen ?? batch.event_seq,
    take: (event) => {
      const takesMore = stream.write(textOf(event, event.seq));
      // Behind the end of a cancelled batch come the images that were in flight.
      if (endsBatch(event) || (!isActive(batch) && event.seq >= batch.event_seq)) stream.end();
      return takesMore;
    },
  });
  const timer = setTimeout(() => stream.end(), LONGEST_STREAM_MILLISECONDS).unref();
  endUnlessAllowed(request, response, () => stream.end());
  const stopWatchingEnd = dependencies.feed.onClose(() => stream.end());
  response.once('close', () => {
    clearTimeout(timer);
    stopWatchingEnd();
    watch.stop();
  });
  stream.begin(() => watch.resume());
  if (lastSeen === undefined) {
    const state = stateOf(batch);
    // The last one alone has the id: whoever is cut off before has none to go on from, and is told everything anew.
    for (const [place, event] of state.entries()) {
      stream.write(textOf(event, place === state.length - 1 ? batch.event_seq : undefined));
    }
  }
  // Nothing but headers is wanted of a HEAD; Node drops what is written behind them.
  if (request.method === 'HEAD' || (lastSeen === undefined && !isActive(batch))) stream.end();
}

/** An id that this batch cannot have given is as good as none: the reader gets the current state. */
function lastSeenOf(request: Request, { event_seq }: IconBatch): number | undefined {
  const text = request.get('Last-Event-ID') ?? '';
  const seq = EVENT_NUMBER.test(text) ? Number(text) : undefined;
  return seq !== undefined && seq <= event_seq ? seq : undefined;
}

function textOf({ type, data }: BatchEventContent, seq: number | undefined): string {
  const id = seq === undefined ? '' : `id: ${seq}\n`;
  return `event: ${type}\n${id}data: ${JSON.stringify(data)}\n\n`;
}
