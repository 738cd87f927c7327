/**
 * `npm test`: types, lint, the architecture rule, then every test on one Redis and one MongoDB. All steps run, whatever fails before. The last line
 * counts everything, the three checks included. Arguments are passed on to vitest: `npm test -- test/start`.
 */
import { checkArchitecture, checkLint, checkTypes } from './test/checks.ts';
import { addCounts, type Counts, runTests } from './test/runTests.ts';

const checks = [checkTypes, checkLint, checkArchitecture];
const total: Counts = { passed: 0, failed: 0, skipped: 0 };

for (const check of checks) {
  const { name, ok, seconds, output } = await check();
  process.stdout.write(`${ok ? '✓' : '✗'} ${name} (${seconds.toFixed(1)} s)\n`);
  if (!ok) process.stdout.write(`${output.trim()}\n\n`);
  addCounts(total, { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 });
}
addCounts(total, await runTests(process.argv.slice(2)));

process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
process.exitCode = total.failed === 0 ? 0 : 1;
