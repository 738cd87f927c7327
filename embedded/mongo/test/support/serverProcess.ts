import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

export interface Exit {
  code: number | null;
  stderr: string;
}

/** The server as a process of its own, on its own data file, that tests may kill and start again. */
export class ServerProcess implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'embedded-mongo-test-'));
  readonly file = join(this.folder, 'data.sqlite');
  port = 0;
  private child: ChildProcess | null = null;

  private readonly nodeOptions: readonly string[];

  constructor(nodeOptions: readonly string[] = []) {
    this.nodeOptions = nodeOptions;
  }

  static async start(nodeOptions: readonly string[] = []): Promise<ServerProcess> {
    const server = new ServerProcess(nodeOptions);
    await server.start();
    return server;
  }

  get url(): string {
    return `mongodb://127.0.0.1:${this.port}/?replicaSet=rs0`;
  }

  get running(): ChildProcess {
    if (this.child === null) throw new Error('the server is not running');
    return this.child;
  }

  /** Starts on the same port as before, so that clients find it again. */
  async start(): Promise<void> {
    const child = launch(
      ['--file', this.file, '--port', String(this.port), '--exit-with-stdin'],
      this.nodeOptions,
    );
    this.child = child;
    if (child.stdout === null) throw new Error('the server has no stdout');
    const lines = createInterface({ input: child.stdout });
    const exited = once(child, 'exit').then(([code]) => {
      throw new Error(`the server ended with code ${code} before it was ready`);
    });
    const [line] = await Promise.race([once(lines, 'line'), exited]);
    this.port = JSON.parse(String(line)).port;
    exited.catch(() => undefined);
  }

  async kill(signal: NodeJS.Signals): Promise<number | null> {
    const { running } = this;
    this.child = null;
    if (running.exitCode !== null) return running.exitCode;
    const exited = once(running, 'exit');
    running.kill(signal);
    const [code] = await exited;
    return code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child !== null) await this.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function launch(args: readonly string[], nodeOptions: readonly string[] = []): ChildProcess {
  return spawn(process.execPath, [...nodeOptions, main, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
}

/** Runs the server where it is expected to end by itself. */
export async function runToEnd(args: readonly string[]): Promise<Exit> {
  const child = launch(args);
  let stderr = '';
  child.stderr?.on('data', (text: Buffer) => {
    stderr += text.toString();
  });
  const [code] = await once(child, 'close');
  return { code, stderr };
}
