/**
 * Runs the suites one after the other and ends with one line: `N passed, N failed, N skipped`. What a suite printed is shown
 * when it failed, or as it comes when suites were named. A suite that hangs is ended, one that runs no test has failed, and so has
 * one that leaves a process behind.
 * usage: node --import tsx test/run.ts [--long] [suite ...]; --long tries repeated claims as often as counts.ts says
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { allSuites, type Suite } from './suites.ts';
import { checkout } from './vscode/places.ts';
import { prepare } from './vscode/prepare.ts';
import { endMarked, markedProcesses, markerName, signalAll } from './vscode/processes.ts';

interface Counts {
  passed: number;
  failed: number;
  /** Name and reason of each. */
  skipped: string[];
}

const named = process.argv.slice(2).filter(word => word !== '--long');
if (process.argv.includes('--long')) process.env.HOLDFAST_TEST_LONG = '1';
const logs = path.join(checkout, 'out/test');
// Short, because sockets are made below it and a socket's path ends at 107 bytes.
const temporary = mkdtempSync(path.join(tmpdir(), 'hf-'));
process.once('exit', () => {
  signalAll(temporary, 'SIGKILL');
  rmSync(temporary, { recursive: true, force: true, maxRetries: 5 });
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

process.chdir(checkout);
mkdirSync(logs, { recursive: true });
await runAll(chosenSuites());

function chosenSuites(): Suite[] {
  const suites = allSuites();
  const unknown = named.filter(name => !suites.some(suite => suite.name === name));
  if (unknown.length > 0) {
    console.error(`No suite ${unknown.join(', ')}. There are: ${suites.map(suite => suite.name).join(', ')}`);
    process.exit(2);
  }
  if (named.length === 0) return suites;
  return suites.filter(suite => named.includes(suite.name) || suite.name === 'build');
}

async function runAll(suites: Suite[]): Promise<void> {
  const started = Date.now();
  const total = { passed: 0, failed: 0, skipped: 0 };
  let built = true;
  prepare();
  for (const suite of suites) {
    const skip: string | undefined = suite.skip ?? (suite.needsBuild && !built ? 'the build failed' : undefined);
    const counts: Counts = skip ? { passed: 0, failed: 0, skipped: [skip] } : await runSuite(suite);
    if (suite.name === 'build') built = counts.failed === 0;
    if (skip) console.log(`- ${suite.title}: skipped, ${skip}`);
    total.passed += counts.passed;
    total.failed += counts.failed;
    total.skipped += counts.skipped.length;
  }
  console.log(`${seconds(started)} in all, logs in out/test`);
  process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;
  console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
}

async function runSuite(suite: Suite): Promise<Counts> {
  const started = Date.now();
  const tallyFile = path.join(temporary, `${suite.name}.json`);
  const reportFile = path.join(temporary, `${suite.name}.txt`);
  const { problem, output } = await runToEnd(suite, tallyFile, reportFile);
  const counts = readCounts(suite, tallyFile, problem === null);
  const problems = [problem, await leftovers()].filter(text => text !== null);
  if (problem === null && counts.passed + counts.failed === 0) problems.push('ran no test');
  // Whatever is wrong besides failed tests counts as one failure.
  if (counts.failed === 0 && problems.length > 0) counts.failed = 1;

  writeFileSync(path.join(logs, `${suite.name}.log`), output);
  if (counts.failed > 0 && named.length === 0) process.stdout.write(output.endsWith('\n') ? output : `${output}\n`);
  const numbers =
    suite.kind === 'gate' ? '' : `: ${counts.passed} passed, ${counts.failed} failed, ${counts.skipped.length} skipped`;
  console.log(`${counts.failed > 0 ? '✖' : '✔'} ${suite.title}${numbers} (${seconds(started)})`);
  for (const text of problems) console.log(`    ${text}`);
  for (const text of counts.skipped) console.log(`    skipped ${text}`);
  return counts;
}

/** The suite gets a process group of its own, so that it can be ended with all it started. */
async function runToEnd(suite: Suite, tallyFile: string, reportFile: string) {
  const child = spawn(suite.argv[0]!, withReporters(suite, tallyFile), {
    cwd: checkout,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      TMPDIR: temporary,
      [markerName]: temporary,
      HOLDFAST_HOME: path.join(temporary, 'home'),
      HOLDFAST_TEST_COUNTS: tallyFile,
      HOLDFAST_TEST_REPORT: reportFile,
      ...suite.env?.(),
    },
  });
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (named.length > 0) process.stdout.write(chunk);
    });
  }
  const ended = new Promise<string | null>(resolve => {
    child.once('error', error => resolve(error.message));
    child.once('close', (code, signal) => resolve(code === 0 ? null : `ended with ${signal ?? `exit code ${code}`}`));
  });
  const timer = new AbortController();
  const hung = sleep(suite.limitSeconds * 1000, 'hung' as const, { signal: timer.signal }).catch(() => null);
  let problem = await Promise.race([ended, hung]);
  if (problem === 'hung') {
    await endMarked(temporary);
    if (child.pid) killGroup(child.pid);
    await ended;
    problem = `did not end within ${suite.limitSeconds} s and was stopped`;
  }
  timer.abort();
  return { problem, output: Buffer.concat(chunks).toString() };
}

function withReporters(suite: Suite, tallyFile: string): string[] {
  const args = suite.argv.slice(1);
  if (suite.kind !== 'nodeTest') return args;
  const reporters = [
    ['spec', 'stdout'],
    [pathToFileURL(path.join(checkout, 'test/tally.mjs')).href, tallyFile],
  ].flatMap(([reporter, to]) => [`--test-reporter=${reporter}`, `--test-reporter-destination=${to}`]);
  return [...reporters, ...args];
}

function readCounts(suite: Suite, file: string, ok: boolean): Counts {
  if (suite.kind === 'gate') return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: [] };
  if (!existsSync(file)) return { passed: 0, failed: 0, skipped: [] };
  const text = readFileSync(file, 'utf8');
  return text ? JSON.parse(text) : { passed: 0, failed: 0, skipped: [] };
}

/** A detached runner may need a moment to write its last file. Whatever lives longer was forgotten. */
async function leftovers(): Promise<string | null> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(100)) {
    if (markedProcesses(temporary).length === 0) return null;
  }
  const left = markedProcesses(temporary).map(({ command }) => command.slice(0, 200));
  await endMarked(temporary);
  return `left ${left.length} processes behind: ${left.join(' | ')}`;
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group is gone.
  }
}

function seconds(since: number): string {
  return `${((Date.now() - since) / 1000).toFixed(0)} s`;
}
