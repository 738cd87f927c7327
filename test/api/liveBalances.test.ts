import { expect, test } from 'vitest';
import { type BalanceWatcher, LiveBalances } from '../../src/api/routes/credits/liveBalances.ts';
import type { Caller } from '../../src/domain/accounts/caller.ts';
import type { Balance } from '../../src/domain/credits/ledger.ts';
import { createLogger } from '../../src/runtime/logger.ts';
import { ServiceUnavailableError } from '../../src/runtime/outage.ts';
import { waitFor } from '../support/waitFor.ts';

/** A ledger whose reads end when the test says so. */
class SlowLedger {
  readonly balances = new Map<string, Balance>();
  readonly reads: { readonly ids: readonly string[]; readonly end: () => void; readonly fail: () => void }[] =
    [];

  set(user_id: string, version: number): void {
    this.balances.set(user_id, { user_id, available: version, held: 0, version });
  }

  readonly read = (ids: readonly string[]) =>
    new Promise<readonly Balance[]>((resolve, reject) => {
      const found = ids.flatMap((id) => this.balances.get(id) ?? []);
      this.reads.push({
        ids,
        end: () => resolve(found),
        fail: () => reject(new ServiceUnavailableError('MongoDB is away', 1)),
      });
    });

  /** The read of this number, when it has begun. */
  nth(index: number) {
    return waitFor(`read ${index}`, async () => this.reads[index]);
  }
}

class Watcher implements BalanceWatcher {
  readonly user_id: string;
  readonly watched_by: Caller;
  readonly seen: number[] = [];
  ended = false;

  constructor(userId: string, watchedBy: Caller = { kind: 'operator' }) {
    this.user_id = userId;
    this.watched_by = watchedBy;
  }

  show({ version }: Balance): void {
    this.seen.push(version);
  }

  end(): void {
    this.ended = true;
  }
}

function open(ledger: SlowLedger, mostWatchers = 10, rereadMilliseconds = 60_000): LiveBalances {
  const logger = createLogger('web', 'silent');
  const mostWatchersOf = ({ kind }: Caller) => (kind === 'operator' ? mostWatchers : 2);
  return new LiveBalances({ read: ledger.read, mostWatchers, mostWatchersOf, rereadMilliseconds, logger });
}

test('changes that come during a read are read together next, so the newest balance is the last one seen', async () => {
  const ledger = new SlowLedger();
  const live = open(ledger);
  const watchers = [new Watcher('a'), new Watcher('a'), new Watcher('b')];
  ledger.set('a', 1);
  ledger.set('b', 1);
  for (const watcher of watchers) live.watch(watcher);
  const first = await ledger.nth(0);
  expect(first.ids).toEqual(['a']);
  for (let version = 2; version <= 9; version++) {
    ledger.set('a', version);
    live.changed(['a', 'b', 'nobody watches this one']);
  }
  first.end();
  const second = await ledger.nth(1);
  expect(second.ids.toSorted()).toEqual(['a', 'b']);
  second.end();
  await waitFor('it is seen', async () => (watchers[2]?.seen.length ? true : undefined));
  expect(watchers.map(({ seen }) => seen)).toEqual([[1, 9], [1, 9], [1]]);
  expect(ledger.reads).toHaveLength(2);
  live.close();
});

test('what could not be read is read again by and by', async () => {
  const ledger = new SlowLedger();
  const live = open(ledger, 10, 20);
  const watcher = new Watcher('a');
  ledger.set('a', 1);
  live.watch(watcher);
  (await ledger.nth(0)).fail();
  (await ledger.nth(1)).end();
  await waitFor('it is seen', async () => (watcher.seen.length > 0 ? true : undefined));
  live.close();
});

test('there are only so many watchers; one that stops makes room, once', async () => {
  const live = open(new SlowLedger(), 2);
  const stop = live.watch(new Watcher('a'));
  live.watch(new Watcher('a'));
  expect(() => live.watch(new Watcher('b'))).toThrow(ServiceUnavailableError);
  stop();
  stop();
  live.watch(new Watcher('b'));
  expect(() => live.watch(new Watcher('c'))).toThrow(ServiceUnavailableError);
  live.close();
});

test('a caller has a bound of its own, over all users', async () => {
  const live = open(new SlowLedger());
  const caller: Caller = {
    kind: 'api-key',
    key_id: 'one',
    scopes: ['credits:read'],
    rate_limit_per_minute: null,
  };
  const stop = live.watch(new Watcher('a', caller));
  live.watch(new Watcher('b', caller));
  expect(() => live.watch(new Watcher('c', caller))).toThrow(ServiceUnavailableError);
  live.watch(new Watcher('c', { ...caller, key_id: 'other' }));
  live.watch(new Watcher('c'));
  stop();
  stop();
  live.watch(new Watcher('c', caller));
  expect(() => live.watch(new Watcher('c', caller))).toThrow(ServiceUnavailableError);
  live.close();
});

test('closing ends everybody, and takes nobody any more', async () => {
  const live = open(new SlowLedger());
  const watchers = [new Watcher('a'), new Watcher('b')];
  for (const watcher of watchers) live.watch(watcher);
  live.close();
  expect(watchers.map(({ ended }) => ended)).toEqual([true, true]);
  expect(() => live.watch(new Watcher('a'))).toThrow(ServiceUnavailableError);
});
