import { verifyLedger } from '../../src/models/ledgerVerify.ts';
import { requestsPerSecond } from '../load/closedLoop.ts';
import { encodePost } from '../load/httpConnection.ts';
import type { Report } from '../report/report.ts';
import { roundRobin, warmUp } from '../report/roundRobin.ts';
import { type LedgerStage, USERS } from './ledgerStage.ts';

/** Deductions that are under way at a time. */
const CLIENTS = 64;

export interface Pace {
  readonly rounds: number;
  readonly seconds: number;
}

/** Deductions of one credit each, of everybody in turn and of one user alone. The ledger is counted anew afterwards. */
export async function measureDeductions(stage: LedgerStage, report: Report, pace: Pace): Promise<void> {
  await measure(stage, report, pace, `spread over ${USERS.length.toLocaleString('en')} accounts`, USERS);
  await measure(stage, report, pace, 'one hot account', USERS.slice(0, 1));
  const { drifted, movements } = await verifyLedger(stage.connection, 1);
  if (drifted > 0) throw new Error(`${drifted} differences in the ledger after ${movements} movements`);
  report.note(`ledger verify over ${movements.toLocaleString('en')} movements: everything adds up`);
}

async function measure(
  stage: LedgerStage,
  report: Report,
  pace: Pace,
  section: string,
  users: readonly string[],
): Promise<void> {
  report.announce(`deductions, ${section}, ${CLIENTS} at a time`);
  const subject = (name: string, deduct: (userId: string) => Promise<void>) => ({
    measurement: report.measurement(section, name, 'deductions/s'),
    run: () => deductionsPerSecond(users, deduct, pace.seconds),
  });
  const bare = subject('(a) a bare conditional findOneAndUpdate', (userId) => deductBare(stage, userId));
  const ledger = subject('(b) Ledger.execute', (userId) => deductFromLedger(stage, userId));
  const http = {
    measurement: report.measurement(section, '(c) POST /api/unified/deduct-credits', 'deductions/s'),
    run: () => postsPerSecond(stage, users, pace.seconds),
  };
  const subjects = [bare, ledger, http];
  await warmUp(subjects);
  await roundRobin(report, pace.rounds, subjects);
  report.compare('(b) / (a)', ledger.measurement, bare.measurement);
  report.compare('(c) / (a)', http.measurement, bare.measurement);
}

async function deductBare({ bare }: LedgerStage, userId: string): Promise<void> {
  const account = await bare.findOneAndUpdate(
    { _id: userId, credits: { $gte: 1 } },
    { $inc: { credits: -1 } },
    { returnDocument: 'after', writeConcern: { w: 'majority', journal: true } },
  );
  if (!account) throw new Error(`${userId} has no credits left`);
}

async function deductFromLedger({ ledger }: LedgerStage, user_id: string): Promise<void> {
  const outcome = await ledger.execute({
    kind: 'deduct',
    user_id,
    amount: 1,
    app_name: 'imagegene',
    description: 'Picture',
    project_code: null,
  });
  if (outcome.kind === 'refused') throw new Error(`A deduction was refused: ${outcome.reason}`);
}

/** As fast as they are answered. */
async function deductionsPerSecond(
  users: readonly string[],
  deduct: (userId: string) => Promise<void>,
  seconds: number,
): Promise<number> {
  const startedAt = performance.now();
  const until = startedAt + seconds * 1_000;
  let deducted = 0;
  let next = 0;
  const client = async () => {
    while (performance.now() < until) {
      await deduct(users[next++ % users.length] ?? '');
      deducted++;
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return (deducted / (performance.now() - startedAt)) * 1_000;
}

async function postsPerSecond(
  { stage, web }: LedgerStage,
  users: readonly string[],
  seconds: number,
): Promise<number> {
  const headers = { 'Content-Type': 'application/json', 'X-API-Key': stage.adminApiKey };
  const requests = users.map((user_id) =>
    encodePost(
      '/api/unified/deduct-credits',
      headers,
      JSON.stringify({ user_id, amount: 1, app_name: 'imagegene' }),
    ),
  );
  const { rate, failed } = await requestsPerSecond({ url: web.url, connections: CLIENTS, requests }, seconds);
  if (failed > 0) throw new Error(`${failed} deductions over HTTP failed`);
  return rate;
}
