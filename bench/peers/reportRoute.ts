import type { Request, Response } from 'express';
import { answerJson } from '../../src/api/answer.ts';
import { readFields } from '../../src/api/body/readFields.ts';
import { BadRequestError } from '../../src/api/errors.ts';
import type { Route } from '../../src/api/route.ts';
import { loggedData } from '../../src/api/routes/usage/loggedData.ts';
import { BusinessCalendar } from '../../src/domain/time/businessCalendar.ts';
import { isRefused, readReport, readUserName, type UsageEvent } from '../../src/domain/usage/report.ts';
import { UPDATE_PATH } from '../stage/reports.ts';

const BODY_LIMIT_BYTES = 64 * 1_024;

/** The usage endpoint without what makes it safe: no user look-up, no record ids that last, no event ids. */
export function reportRoute(
  timeZone: string,
  accept?: (event: UsageEvent, requestId: string) => Promise<void>,
): Route {
  const calendar = new BusinessCalendar(timeZone);
  let recordId = 0;

  async function handle(request: Request, response: Response): Promise<void> {
    const fields = await readFields(request, BODY_LIMIT_BYTES);
    const userName = readUserName(fields);
    if (isRefused(userName)) throw new BadRequestError(userName.refused);
    const receivedAt = Date.now();
    const report = readReport(fields, receivedAt, calendar);
    if (isRefused(report)) throw new BadRequestError(report.refused);
    const event = { record_id: ++recordId, user_id: 1, received_at: receivedAt, ...report };
    if (accept) await accept(event, request.context.requestId);
    request.context.logFields = { userName, user_id: event.user_id, record_id: event.record_id };
    answerJson(response, 200, {
      status: 'success',
      message: 'Tools usage data logged successfully',
      data: {
        record_id: event.record_id,
        userName,
        user_id: event.user_id,
        logged_data: loggedData(event, calendar),
      },
    });
  }

  return { method: 'post', path: UPDATE_PATH, access: 'open', errors: 'usage', cors: 'any', handle };
}
