import { afterAll, beforeAll, expect, test } from 'vitest';
import { CreditsClient } from '../support/creditsClient.ts';
import { expectCleanLedger } from '../support/expectCleanLedger.ts';
import { seededRandom } from '../support/seededRandom.ts';
import { createTestSystem, type TestSystem, uniqueName } from '../support/testSystem.ts';

/** The bank test: money moves between accounts, and every look at all of them at once finds the same total. */
const ACCOUNTS = 8;
const TOTAL = 100;
const CLIENTS = 20;
const READERS = 4;
const SECONDS = Number(process.env.BANK_TEST_SECONDS ?? 5);

let system: TestSystem;
let processes: readonly CreditsClient[];

beforeAll(async () => {
  system = await createTestSystem('bank');
  const webs = await Promise.all([system.startWeb(), system.startWeb()]);
  processes = webs.map((web) => new CreditsClient(web, system));
});

afterAll(() => system.remove());

function through(index: number): CreditsClient {
  const client = processes[index % processes.length];
  if (!client) throw new Error('There is no web process');
  return client;
}

test(`${ACCOUNTS} accounts with ${TOTAL} in all, ${CLIENTS} clients, ${SECONDS} s: every snapshot sums to ${TOTAL}, none is negative`, {
  timeout: SECONDS * 1_000 + 300_000,
}, async () => {
  const users = Array.from({ length: ACCOUNTS }, (_, index) => uniqueName(`account-${index}`));
  // 13, 13, 13, 13, 12, 12, 12, 12
  for (const [index, user] of users.entries()) {
    await through(index).newUser(user, Math.floor((TOTAL + ACCOUNTS - 1 - index) / ACCOUNTS));
  }
  const query = users.map((user) => `user_id=${user}`).join('&');
  const until = performance.now() + SECONDS * 1_000;
  const outcomes: Record<number, number> = {};
  const distributions = new Set<string>();
  // Not before there was something to be seen, however slow the machine is.
  const goesOn = () =>
    performance.now() < until || (outcomes[201] ?? 0) <= 10 * SECONDS || distributions.size <= 10;

  const transferring = async (client: number) => {
    const random = seededRandom(client + 1);
    for (let round = 0; goesOn(); round++) {
      const from = Math.floor(random() * ACCOUNTS);
      const to = (from + 1 + Math.floor(random() * (ACCOUNTS - 1))) % ACCOUNTS;
      const { status, text } = await through(client + round).post('/transfers', {
        from_user_id: users[from],
        to_user_id: users[to],
        amount: 1 + Math.floor(random() * 5),
      });
      // A busy server may say to come back; it may then have done it or not, which changes no sum.
      expect([201, 402, 503], text).toContain(status);
      outcomes[status] = (outcomes[status] ?? 0) + 1;
    }
  };

  const reading = async (reader: number) => {
    for (let round = 0; goesOn(); round++) {
      const client = through(reader + round);
      const answer = await client.get(`/balances?${query}`);
      if (answer.status === 503) continue;
      expect(answer.status, answer.text).toBe(200);
      const { balances } = JSON.parse(answer.text);
      const credits: number[] = balances.map((balance: { credits: number }) => balance.credits);
      expect(credits).toHaveLength(ACCOUNTS);
      expect(
        credits.reduce((sum, one) => sum + one, 0),
        String(credits),
      ).toBe(TOTAL);
      expect(Math.min(...credits), String(credits)).toBeGreaterThanOrEqual(0);
      distributions.add(String(credits));
    }
  };

  await Promise.all([
    ...Array.from({ length: CLIENTS }, (_, client) => transferring(client)),
    ...Array.from({ length: READERS }, (_, reader) => reading(reader)),
  ]);
  console.log(
    `bank test: ${outcomes[201]} transfers, ${outcomes[402] ?? 0} refused, ${distributions.size} different snapshots`,
  );
});

test('the ledger is clean after it', () => expectCleanLedger(system));
