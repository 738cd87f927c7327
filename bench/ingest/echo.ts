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
  const servers: HttpProcess[] = [];
  try {
    const subject = async (peer: Peer, name: string) => {
      const server = await startPeer(stage, peer, 'silent');
      servers.push(server);
      const load = { url: server.url, connections: CONNECTIONS, requests: [REQUEST] };
      return {
        measurement: report.measurement(SECTION, name, 'requests/s'),
        run: async () => (await requestsPerSecond(load, pace.seconds)).rate,
      };
    };
    const plain = await subject('plainEcho', 'node:http');
    const stock = await subject('stockEcho', 'Express as it comes');
    const ours = await subject('tunedEcho', "the product's platform (Express)");
    const subjects = [plain, stock, ours];
    await warmUp(subjects);
    await roundRobin(report, pace.closedLoopRounds, subjects);
    report.compare('our platform / node:http', ours.measurement, plain.measurement, { atLeast: 0.8 });
    report.compare('stock Express / node:http', stock.measurement, plain.measurement);
  } finally {
    for (const server of servers) await server.stop();
  }
}
