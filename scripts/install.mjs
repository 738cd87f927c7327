/**
 * Installs what is missing, as the first step of `npm start`, `npm test` and the other scripts. Runs on whatever Node the machine has,
 * with built-ins only; everything after it runs on the Node of node_modules/.bin. Says nothing when there is nothing to do, and
 * writes to stderr only, so that scripts which print JSON stay clean.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MODULES = join(ROOT, 'node_modules');
const BIN = join(MODULES, '.bin');
const LOCK = join(ROOT, '.cache/install.lock');
const LOCK_BEAT_MS = 1_000;
const LOCK_STALE_MS = 10_000;
const OLDEST_NODE = 20;
const QUIET = ['--loglevel=error', '--no-audit', '--no-fund', '--no-update-notifier', '--no-progress'];

await main();

async function main() {
  if (Number(majorOf(process.versions.node)) < OLDEST_NODE) {
    fail(
      `Node ${OLDEST_NODE} or newer is needed to install; this is ${process.version} (${process.execPath}).`,
    );
  }
  if (isComplete() && hasRuntime()) return;
  await holdLock();
  if (!isComplete()) await installPackages();
  if (!hasRuntime()) await repairRuntime();
}

/** Whether every package of package-lock.json that is needed is there in the version it asks for. */
function isComplete() {
  const wanted = readPackages(join(ROOT, 'package-lock.json'));
  const installed = readInstalled();
  if (!wanted) fail('package-lock.json cannot be read: check it out again.');
  if (!installed) return false;
  const withoutTools = isWithoutTools();
  return Object.entries(wanted).every(([place, entry]) => {
    if (!place.includes('node_modules/')) return true;
    const found = installed[place];
    // Packages for other systems stand in the lock file too, as optional ones.
    if (!found) return entry.optional === true || (entry.dev === true && withoutTools);
    const sameVersion = found.version === entry.version && found.integrity === entry.integrity;
    return sameVersion && existsSync(join(ROOT, place, 'package.json'));
  });
}

/** Whether the packages were installed without the dev tools, as in an image. Only the tests need those. */
function isWithoutTools() {
  if (process.env.npm_lifecycle_event === 'pretest') return false;
  const installed = readInstalled();
  return installed !== undefined && !Object.values(installed).some((entry) => entry.dev === true);
}

function readInstalled() {
  return readPackages(join(MODULES, '.package-lock.json'));
}

/** @returns {Record<string, {version?: string, integrity?: string, optional?: boolean, dev?: boolean}> | undefined} */
function readPackages(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/** Whether node_modules/.bin/node runs and is the pinned version; an image brings a Node of its own. */
function hasRuntime() {
  const run = spawnSync(join(BIN, 'node'), ['--version'], { encoding: 'utf8' });
  if (run.stdout?.trim() === `v${pinnedRuntime()}`) return true;
  return isWithoutTools() && majorOf(process.versions.node) === majorOf(pinnedRuntime());
}

function majorOf(version) {
  return version?.split('.')[0];
}

function pinnedRuntime() {
  return readPackages(join(ROOT, 'package-lock.json'))?.['node_modules/node']?.version;
}

async function installPackages() {
  say('Installing packages, about half a minute …');
  const began = Date.now();
  // One small question first: without a network an install would try for minutes.
  const question = await runNpm(['view', 'node', 'version', '--fetch-retries=1', ...QUIET]);
  if (question.code !== 0) failInstall(question.output);
  const tools = isWithoutTools() ? '--omit=dev' : '--include=dev';
  // npm's own record of what it installed: without it npm looks at what is really there.
  rmSync(join(MODULES, '.package-lock.json'), { force: true });
  // Not `npm ci`: it refuses a lock file that lacks a build for some other system, which a registry mirror may not carry.
  const { code, output } = await runNpm(['install', '--no-save', tools, ...QUIET]);
  if (code !== 0) failInstall(output);
  if (!isComplete())
    fail('package.json and package-lock.json disagree: run `npm install` and commit package-lock.json.');
  say(`Installed in ${Math.round((Date.now() - began) / 1000)} s.`);
}

/** The package `node` gets its binary by an install script of its own, which npm may have been told to skip. */
async function repairRuntime() {
  say(`Fetching Node ${pinnedRuntime()} …`);
  const { output } = await runNpm(['rebuild', 'node', '--ignore-scripts=false', ...QUIET]);
  if (!hasRuntime()) {
    say(output);
    fail(`Node ${pinnedRuntime()} could not be installed into ${BIN}. Remove node_modules and try again.`);
  }
}

function failInstall(output) {
  const unreachable = /ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|ERR_SOCKET_TIMEOUT/;
  say(output.trim().split('\n').slice(-30).join('\n'));
  if (unreachable.test(output)) {
    fail(
      'The npm registry cannot be reached. Check the network, the proxy and `npm config get registry`, then try again.',
    );
  }
  fail('The packages could not be installed; what npm said stands above.');
}

/** npm by the very copy that runs this script when there is one, else the one on PATH. */
function runNpm(args) {
  const cli = process.env.npm_execpath;
  const isNpm = cli !== undefined && /npm-cli\.c?js$/.test(cli);
  return isNpm ? run(systemNode(), [cli, ...args], ROOT) : run('npm', args, ROOT);
}

/** Never the Node of node_modules: an install replaces that one while it runs. */
function systemNode() {
  const running = process.env.npm_node_execpath ?? process.execPath;
  return running.startsWith(MODULES) ? 'node' : running;
}

/** @returns {Promise<{code: number | null, output: string}>} */
function run(command, args, cwd) {
  const path = (process.env.PATH ?? '').split(delimiter).filter((folder) => !folder.startsWith(MODULES));
  const env = { ...process.env, PATH: path.join(delimiter) };
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (text) => {
      output = (output + text).slice(-100_000);
    };
    child.stdout.setEncoding('utf8').on('data', keep);
    child.stderr.setEncoding('utf8').on('data', keep);
    child.once('error', (error) => resolve({ code: null, output: error.message }));
    child.once('close', (code) => resolve({ code, output }));
  });
}

/** One install at a time. A holder that was killed stops touching the lock, so no pid has to be trusted. */
async function holdLock() {
  try {
    mkdirSync(join(ROOT, '.cache'), { recursive: true });
  } catch (error) {
    failWithoutAccess(error);
  }
  let told = false;
  while (!takeLock()) {
    if (!told) say('Another install is running in this folder; waiting for it …');
    told = true;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const beat = setInterval(() => utimesSync(LOCK, new Date(), new Date()), LOCK_BEAT_MS);
  beat.unref();
  process.once('exit', () => rmSync(LOCK, { force: true }));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1));
}

/** @returns {never} */
function failWithoutAccess(error) {
  fail(
    `Packages or Node ${pinnedRuntime()} are missing, and nothing can be installed into ${ROOT}: ${error.message}`,
  );
}

function takeLock() {
  try {
    writeFileSync(LOCK, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') failWithoutAccess(error);
    const touched = statSync(LOCK, { throwIfNoEntry: false })?.mtimeMs;
    if (touched !== undefined && Date.now() - touched > LOCK_STALE_MS) rmSync(LOCK, { force: true });
    return false;
  }
}

function say(text) {
  process.stderr.write(`${text}\n`);
}

/** @returns {never} */
function fail(text) {
  say(text);
  process.exit(1);
}
