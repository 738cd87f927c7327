import { requestsPerSecond } from '../load/closedLoop.ts';
import { roundRobin, warmUp } from '../report/roundRobin.ts';
import { startPeer, startWeb } from '../stage/processes.ts';
import { encodedReports } from '../stage/reports.ts';
import { CONNECTIONS, type Section } from './section.ts';

const SECTION = 'a c single reports';

/** How fast single reports are accepted into Redis. No worker runs, and the queues are emptied before each measurement. */
export async function measureAcceptance({ stage, report, pace }: Section): Promise<void> {
  report.announce('a c single reports: form posts of 100 sellers, 64 connections, into Redis');
  const servers = [
    await startPeer(stage, 'validatingApp'),
    await startPeer(stage, 'oneAddPerRequest'),
    await startPeer(stage, 'usualWay'),
    await startWeb(stage),
  ] as const;
  try {
    const subject = (name: string, url: string) => {
      const load = { url, connections: CONNECTIONS, requests: encodedReports() };
      return {
        measurement: report.measurement(SECTION, name, 'requests/s'),
        run: async () => {
          await stage.emptyRedis();
          const { rate, failed } = await requestsPerSecond(load, pace.seconds);
          if (failed > 0) report.note(`${name}: ${failed} requests failed in the next measurement`);
          return rate;
        },
      };
    };
    const validating = subject('(a) reads, checks, logs, answers; keeps nothing', servers[0].url);
    const naive = subject('one queue.add per request', servers[1].url);
    const usual = subject('one queue.add per request, Express as it comes, no log', servers[2].url);
    const ours = subject('(c) POST /api/tools/update', servers[3].url);
    const subjects = [validating, naive, usual, ours];
    await warmUp(subjects);
    await roundRobin(report, pace.closedLoopRounds, subjects);
    report.compare('(c) / (a)', ours.measurement, validating.measurement, { atLeast: 0.7 });
    report.compare('(c) / one queue.add per request', ours.measurement, naive.measurement, { atLeast: 1.6 });
    report.compare('(c) / the same on Express as it comes', ours.measurement, usual.measurement);
  } finally {
    for (const server of servers) await server.stop();
    await stage.emptyRedis();
  }
}
