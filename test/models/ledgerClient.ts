/**
 * A process that writes to the ledger on its own connection: `node ledgerClient.ts <mongo url> deduct <user> <count>` or
 * `transfer <milliseconds> <user>…`. It prints what came of it as JSON.
 */
import mongoose from 'mongoose';
import { Ledger } from '../../src/models/ledger.ts';
import { deduct, hold, patiently, tally, transfer } from './ledgerCommands.ts';

const CLIENTS = 10;

const [mongoUrl = '', task, ...rest] = process.argv.slice(2);
const connection = await mongoose.createConnection(mongoUrl, { autoIndex: false }).asPromise();
const ledger = new Ledger(connection);
const result = task === 'deduct' ? await spend(rest) : await shuffle(rest);
process.stdout.write(`${JSON.stringify({ result })}\n`);
await connection.close();

async function spend([userId = '', count = '0']: readonly string[]): Promise<Record<string, number>> {
  const commands = Array.from({ length: Number(count) }, (_, index) =>
    index % 5 === 0 ? hold(userId, 1) : deduct(userId),
  );
  return tally(await Promise.all(commands.map((command) => patiently(ledger, command))));
}

async function shuffle([milliseconds = '0', ...users]: readonly string[]): Promise<Record<string, number>> {
  const until = performance.now() + Number(milliseconds);
  const random = () => users[Math.floor(Math.random() * users.length)] ?? '';
  const client = async () => {
    const outcomes = [];
    while (performance.now() < until) {
      const amount = 1 + Math.floor(Math.random() * 5);
      outcomes.push(await patiently(ledger, transfer(random(), random(), amount)));
    }
    return outcomes;
  };
  return tally((await Promise.all(Array.from({ length: CLIENTS }, client))).flat());
}
