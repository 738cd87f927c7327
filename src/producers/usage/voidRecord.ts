import type { UsageEvent } from '../../domain/usage/report.ts';
import type { Recorded, RecordingRequest, UsageRecorder } from './recordUsage.ts';

/**
 * Takes a wrong report back by a counter entry that names it: the same moment, the negated amounts. The report itself
 * stays. A report is taken back once; asking again gives the same entry.
 *
 * @param receivedAt - milliseconds
 */
export function voidRecord(
  recorder: UsageRecorder,
  wrong: UsageEvent,
  receivedAt: number,
  request: RecordingRequest,
): Promise<Recorded> {
  return recorder.record(
    {
      user_id: wrong.user_id,
      at: wrong.at,
      received_at: receivedAt,
      timestamp_sent: true,
      image_count: 0 - wrong.image_count,
      image_cost: 0 - wrong.image_cost,
      video_count: 0 - wrong.video_count,
      video_cost: 0 - wrong.video_cost,
      total_cost: 0 - wrong.total_cost,
      voids: wrong.record_id,
    },
    request,
  );
}
