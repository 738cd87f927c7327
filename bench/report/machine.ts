import { cpus, loadavg, release, totalmem } from 'node:os';
import type { Redis } from 'ioredis';
import { MongoClient } from 'mongodb';

/** What the figures depend on besides the code. */
export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly memory_gib: number;
  readonly kernel: string;
  readonly node: string;
  readonly redis: string;
  readonly mongodb: string;
  /** Processes that wanted a core during the minute before the start: above zero, others were at work too. */
  readonly load_average: number;
  readonly started_at: string;
}

/** @param mongoKind - how the MongoDB at `mongoUrl` came to be, in words */
export async function describeMachine(redis: Redis, mongoUrl: string, mongoKind: string): Promise<Machine> {
  const processors = cpus();
  return {
    cores: processors.length,
    cpu: processors[0]?.model ?? 'unknown',
    memory_gib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    redis: /redis_version:(\S+)/.exec(await redis.info('server'))?.[1] ?? 'unknown',
    mongodb: `${await mongoVersion(mongoUrl)} (${mongoKind})`,
    load_average: loadavg()[0] ?? 0,
    started_at: new Date().toISOString(),
  };
}

async function mongoVersion(url: string): Promise<string> {
  const client = new MongoClient(url);
  try {
    const { version } = await client.db('admin').command({ buildInfo: 1 });
    return String(version);
  } finally {
    await client.close();
  }
}

/** The same in a few lines. */
export function machineText(machine: Machine): string {
  return [
    `${machine.cores} cores ${machine.cpu}, ${machine.memory_gib} GiB, Linux ${machine.kernel}`,
    `${machine.started_at}, load average before the start ${machine.load_average.toFixed(1)}`,
    `Node ${machine.node}, Redis ${machine.redis} (appendfsync always), MongoDB ${machine.mongodb}`,
  ].join('\n');
}
