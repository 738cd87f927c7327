import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Queue } from 'bullmq';
import { pickLoopbackPort } from '../../embedded/loopbackPort.ts';
import { HttpConnection } from '../load/httpConnection.ts';
import { type NodeProcess, startNode } from './childProcess.ts';
import type { Stage } from './stage.ts';
import { waitUntil } from './waitUntil.ts';

/** Servers that stand beside the product, each a file of `peers/`. */
export type Peer =
  | 'plainEcho'
  | 'stockEcho'
  | 'tunedEcho'
  | 'validatingApp'
  | 'oneAddPerRequest'
  | 'usualWay';

export interface HttpProcess extends NodeProcess {
  /** Such as `http://127.0.0.1:3560`. */
  readonly url: string;
}

const START_SECONDS = 30;

/** The product's web process; returns when it has its stores. */
export async function startWeb(stage: Stage): Promise<HttpProcess> {
  const web = await startHttp(stage, 'web', '../../src/api/main.ts', stage.environment);
  await waitUntil('web is ready', START_SECONDS, async () => {
    web.requireRunning();
    return (await fetch(`${web.url}/readyz`)).ok;
  });
  return web;
}

/** @param logLevel - of the request log; the product's own unless given */
export function startPeer(stage: Stage, peer: Peer, logLevel = 'info'): Promise<HttpProcess> {
  const environment = { ...stage.environment, LOG_LEVEL: logLevel };
  return startHttp(stage, peer, `../peers/${peer}.ts`, environment);
}

/** The product's worker process; returns when it is ready to take jobs. */
export async function startWorker(stage: Stage): Promise<NodeProcess> {
  const worker = startNode({
    file: path('../../src/workers/main.ts'),
    arguments: ['usage'],
    environment: stage.environment,
    logFile: join(stage.logFolder, 'worker.log'),
    profileFolder: stage.profileFolder,
  });
  await untilListening(stage.usage, worker);
  return worker;
}

/** A worker that inserts one document for each job. */
export async function startNaiveWorker(
  stage: Stage,
  queue: Queue,
  concurrency: number,
): Promise<NodeProcess> {
  const worker = startNode({
    file: path('../peers/naiveWorker.ts'),
    arguments: [String(concurrency)],
    environment: stage.environment,
    logFile: join(stage.logFolder, 'naive-worker.log'),
  });
  await untilListening(queue, worker);
  return worker;
}

async function startHttp(
  stage: Stage,
  name: string,
  file: string,
  environment: Stage['environment'],
): Promise<HttpProcess> {
  const port = await pickLoopbackPort();
  const server = startNode({
    file: path(file),
    // The product's web process is started with it; whom it is compared with gets the same.
    nodeOptions: ['--no-allocation-site-pretenuring'],
    environment: { ...environment, PORT: String(port) },
    logFile: join(stage.logFolder, `${name}.log`),
    profileFolder: name === 'web' ? stage.profileFolder : undefined,
  });
  const url = `http://127.0.0.1:${port}`;
  await waitUntil(`${name} listens`, START_SECONDS, async () => {
    server.requireRunning();
    return accepts(url);
  });
  return { ...server, url };
}

async function accepts(url: string): Promise<boolean> {
  try {
    (await HttpConnection.open(url)).close();
    return true;
  } catch {
    return false;
  }
}

async function untilListening(queue: Queue, worker: NodeProcess): Promise<void> {
  await waitUntil('the worker takes jobs', START_SECONDS, async () => {
    worker.requireRunning();
    return (await queue.getWorkersCount()) > 0;
  });
}

function path(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url));
}
