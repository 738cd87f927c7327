import { sendAmount } from '../load/closedLoop.ts';
import { offer } from '../load/openLoop.ts';
import { percentile } from '../report/statistics.ts';
import { startPeer, startWeb } from '../stage/processes.ts';
import { encodedReports } from '../stage/reports.ts';
import type { Section } from './section.ts';

const SECTION = 'h latency';
const RATES = [4_500, 2_250] as const;
const CONNECTIONS = 512;
/** Until the compiler has done its work a server stands still for 10 to 30 ms at a time; a larger one takes longer to get there. */
const WARM_UP_REQUESTS = 400_000;
/** At each rate, because waiting requests and lone ones take different ways. */
const WARM_UP_SECONDS = 5;
const LEAD_IN_SECONDS = 0.5;

/** How long an acknowledgement takes when requests arrive at a constant rate, whether or not the server keeps up. */
export async function measureLatency({ stage, report, pace }: Section): Promise<void> {
  report.announce('h latency: single reports at a constant arrival rate, from due to answered');
  const naive = await startPeer(stage, 'oneAddPerRequest');
  const ours = await startWeb(stage);
  const requests = encodedReports();
  try {
    for (const { url } of [naive, ours]) {
      await sendAmount({ url, requests, connections: CONNECTIONS }, WARM_UP_REQUESTS);
    }
    for (const rate of RATES) {
      const subjects = [
        { url: naive.url, name: `one queue.add per request at ${rate}/s` },
        { url: ours.url, name: `(c) at ${rate}/s` },
      ].map(({ url, name }) => ({
        load: { url, rate, requests, connections: CONNECTIONS, leadInSeconds: LEAD_IN_SECONDS },
        p50: report.measurement(SECTION, `${name}, p50`, 'ms'),
        p99: report.measurement(SECTION, `${name}, p99`, 'ms'),
        max: report.measurement(SECTION, `${name}, max`, 'ms'),
        refused: report.measurement(SECTION, `${name}, refused`, 'requests'),
      }));
      for (const { load } of subjects) await offer({ ...load, seconds: WARM_UP_SECONDS });
      for (let round = 0; round < pace.latencyRounds; round++) {
        for (const { load, p50, p99, max, refused } of subjects) {
          await stage.emptyRedis();
          const result = await offer({ ...load, seconds: pace.latencySeconds });
          report.add(p50, percentile(result.latencies, 0.5));
          report.add(p99, percentile(result.latencies, 0.99));
          report.add(max, percentile(result.latencies, 1));
          report.add(refused, result.refused);
        }
      }
      const [other, our] = subjects;
      if (!other || !our) throw new Error('A latency was not measured');
      report.compare(`p99 at ${rate}/s: (c) / one queue.add`, our.p99, other.p99, { atMost: 1 });
      report.compare(`p50 at ${rate}/s: (c) / one queue.add`, our.p50, other.p50);
    }
  } finally {
    await naive.stop();
    await ours.stop();
    await stage.emptyRedis();
  }
}
