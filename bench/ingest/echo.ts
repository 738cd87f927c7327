import { requestsPerSecond } from '../load/closedLoop.ts';
import { encodePost } from '../load/httpConnection.ts';
import { roundRobin, warmUp } from '../report/roundRobin.ts';
import { type HttpProcess, type Peer, startPeer } from '../stage/processes.ts';
import { CONNECTIONS, type Section } from './section.ts';

const SECTION = '0 echo';
const BODY = JSON.stringify({ userName: 'seller.1@example.test', image_count: 3, image_cost: '0.0609' });
const REQUEST = encodePost('/echo', { 'Content-Type': 'application/json' }, BODY);

/** What the HTTP platform costs by itself. Nobody writes a log here, as node:http alone writes none. */
export async function measureEcho({ stage, report, pace }: Section): Promise<void> {
  report.announce('0 echo: the same small JSON back, 64 connections');
  const servers = new Map<Peer, HttpProcess>();
  try {
    for (const peer of ['plainEcho', 'stockEcho', 'tunedEcho'] as const) {
      servers.set(peer, await startPeer(stage, peer, 'silent'));
    }
    const subjects = [...servers].map(([peer, { url }]) => {
      const load = { url, connections: CONNECTIONS, requests: [REQUEST] };
      return {
        measurement: report.measurement(SECTION, TITLES[peer] ?? peer, 'requests/s'),
        run: async () => (await requestsPerSecond(load, pace.seconds)).rate,
      };
    });
    await warmUp(subjects);
    await roundRobin(report, pace.closedLoopRounds, subjects);
    const [plain, stock, tuned] = subjects.map(({ measurement }) => measurement);
    if (!plain || !stock || !tuned) throw new Error('An echo was not measured');
    report.compare('our platform / node:http', tuned, plain, { atLeast: 0.8 });
    report.compare('stock Express / node:http', stock, plain);
  } finally {
    for (const server of servers.values()) await server.stop();
  }
}

const TITLES: Partial<Record<Peer, string>> = {
  plainEcho: 'node:http',
  stockEcho: 'Express as it comes',
  tunedEcho: "the product's platform (Express)",
};
