/** The way it is usually written: Express as it comes, and each request waits for a `queue.add` of its own. No log. */
import express from 'express';
import { readEnvironment } from '../../config/env.ts';
import { loggedData } from '../../src/api/routes/usage/loggedData.ts';
import { BusinessCalendar } from '../../src/domain/time/businessCalendar.ts';
import { isRefused, readReport, readUserName } from '../../src/domain/usage/report.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { connectRedis } from '../../src/runtime/redis.ts';
import { UPDATE_PATH } from '../stage/reports.ts';
import { NAIVE_QUEUE, openNaiveQueue } from './naiveQueue.ts';

const { HOST, PORT, REDIS_URL, LOG_LEVEL, BUSINESS_TIME_ZONE } = readEnvironment();
const queue = openNaiveQueue(connectRedis(REDIS_URL, 'producer', createLogger('web', LOG_LEVEL)));
const calendar = new BusinessCalendar(BUSINESS_TIME_ZONE);
let recordId = 0;

express()
  .use(express.urlencoded())
  .post(UPDATE_PATH, async (request, response) => {
    const userName = readUserName(request.body);
    const receivedAt = Date.now();
    const report = readReport(request.body, receivedAt, calendar);
    if (isRefused(userName) || isRefused(report)) {
      response.status(400).json({ status: 'error' });
      return;
    }
    const event = { record_id: ++recordId, user_id: 1, received_at: receivedAt, ...report };
    await queue.add(NAIVE_QUEUE.job, event);
    response.json({
      status: 'success',
      message: 'Tools usage data logged successfully',
      data: { record_id: recordId, userName, user_id: 1, logged_data: loggedData(event, calendar) },
    });
  })
  .listen(PORT, HOST);
