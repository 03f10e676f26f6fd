/**
 * A1 in real VS Code: whatever happens to the window and to its extension host, the run goes on, and the panel is back
 * with every point of it. One editor serves all.
 */
import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { sendControl } from '../../src/runs/control.ts';
import { findMarked } from '../../src/runs/markedProcesses.ts';
import { RunFolder } from '../../src/runs/runFolder.ts';
import { statusOf } from '../../src/runs/status.ts';
import { count } from '../counts.ts';
import { isWithin } from '../slowness.ts';
import { markedProcesses } from '../vscode/processes.ts';
import { type Frame, until, type Workbench } from '../vscode/workbench.ts';
import { journal, openEditor, startByLens } from './editor.ts';

const reloads = count(3, 50);
const kills = count(3, 50);
const stepsASecond = 200;
/** As if it had gone on for some minutes before; the long count takes those itself. */
const quickSteps = count(50_000, 0);
/** The goal is two seconds; the limit is for a busy machine. */
const goalMs = 2000;
const limitMs = 4 * goalMs;
/** Points of one range, each in a bucket of its own, and ranges a question to the host. */
const mostPoints = 8000;
const mostRanges = 10;
/** Half a minute of steps. */
const tailBytes = 2 ** 20;
const patienceMs = 10_000;
const lookPauseMs = 500;
const reloadPatienceMs = 20_000;
/** Moments at which the editor had to be told twice. */
const askedAgain: string[] = [];
const runPage = 'body[data-page="run"] .lanes canvas';

test(`a run goes on through ${reloads} reloads of the window and ${kills} SIGKILLs of its extension host`, async t => {
  const editor = await openEditor(t, { trainer: { steps: 10_000_000, quickSteps, rate: stepsASecond } });
  // "Leave site?", where something was still being kept: a user who wants to reload says yes.
  editor.page.on('dialog', dialog => {
    askedAgain.push(`a dialog: ${dialog.type()}`);
    void dialog.accept().catch(() => {});
  });
  await editor.page.context().addInitScript(noteDrawn);
  noteActivations(editor);
  await editor.openFile('support-tone.tune.yaml');
  const made = await startByLens(editor, 'Plain');
  const run = new RunFolder(path.basename(made), made);
  await editor.frame(runPage);
  const { runner, trainer } = await until('the trainer', async () => {
    const process = await run.process();
    return process?.trainer ? { ...process, trainer: process.trainer } : false;
  });
  await until(`step ${quickSteps}`, () => stepAt(made, Date.now()) >= quickSteps);
  const delays: number[] = [];
  const afterKills: number[] = [];
  for (let number = 0; number < reloads; number++) {
    const moment = `reload ${number}`;
    const activatedAt = await reloadWindow(editor, moment);
    const goal = stepAt(made, activatedAt);
    const page = await until(`${moment}: the panel at step ${goal}`, () => panelAt(editor, goal));
    delays.push(Math.round(page.at - activatedAt));
    assert.equal((await statusOf(run)).status, 'running', moment);
    await standing(run, () => checkPoints(page.frame, run.id, made, goal, moment));
  }
  for (let number = 0; number < kills; number++) {
    const moment = `kill ${number}`;
    const activatedAt = await killExtensionHost(editor, moment);
    const goal = stepAt(made, activatedAt);
    const page = await until(`${moment}: the panel at step ${goal}`, () => panelAt(editor, goal));
    afterKills.push(Math.round(page.at - activatedAt));
    assert.equal((await statusOf(run)).status, 'running', moment);
    await standing(run, () => checkPoints(page.frame, run.id, made, goal, moment));
    await until(`${moment}: one tab of the run`, async () => (await editor.tab(/· plain/).count()) === 1);
  }
  for (const identity of [runner.identity, trainer.identity]) {
    const now = await run.process();
    assert.ok(now?.runner.identity.pid === runner.identity.pid, `${identity.pid} is another process now`);
  }
  assert.equal((await findMarked(trainer.marker)).length, 1, 'one trainer');
  if (askedAgain.length > 0) t.diagnostic(`asked for again: ${askedAgain.join(', ')}`);
  const slowest = Math.max(...delays);
  const slowestKill = Math.max(...afterKills);
  t.diagnostic(
    `A1 ${reloads} window reloads + ${kills} extension host SIGKILLs at ${stepsASecond} steps/s: run alive; after each 0 missing, 0 doubled points; re-attached within ${slowest} ms of activation after a reload (median ${median(delays)} ms), within ${slowestKill} ms of it after a kill (median ${median(afterKills)} ms), goal ${goalMs} ms`,
  );
  assert.ok(isWithin(Math.max(slowest, slowestKill), limitMs), `the slowest took ${slowest} and ${slowestKill} ms`);
});

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;

/** In every page: which step its panel drew when. */
function noteDrawn(): void {
  const drawn: [step: number, at: number][] = [];
  Object.assign(globalThis, { drawn });
  setInterval(() => {
    const newest = Number(document.querySelector<HTMLElement>('.lanes')?.dataset.newest ?? 0);
    if (newest > (drawn.at(-1)?.[0] ?? 0)) drawn.push([newest, Date.now()]);
  }, 20);
}

/** Once the panel shows that step, and since when: it writes that down itself, and looks would slow it down. */
async function panelAt(editor: Workbench, step: number): Promise<{ frame: Frame; at: number } | undefined> {
  await sleep(lookPauseMs);
  for (const frame of editor.page.frames()) {
    try {
      if ((await frame.locator(runPage).count()) === 0) continue;
      const at = await frame.evaluate(step => {
        const { drawn } = globalThis as unknown as { drawn: [number, number][] };
        return drawn.find(([newest]) => newest >= step)?.[1];
      }, step);
      if (at !== undefined) return { frame, at };
    } catch {
      // Frames come and go.
    }
  }
  return undefined;
}

interface Listener {
  heard: { request: number; series: { steps: number[]; last: number[] }[] }[];
  /** What the editor gives to the pages inside. */
  __vscode_post_message__(channel: string, data: unknown): void;
}

/** Meanwhile the page has no questions of its own, which the host would answer instead. */
async function standing(run: RunFolder, look: () => Promise<void>): Promise<void> {
  const comesTo = (wanted: string) => until(wanted, async () => (await statusOf(run)).status === wanted);
  await sendControl(run, 'pause');
  await comesTo('paused');
  await look();
  await sendControl(run, 'resume');
  await comesTo('running');
}

/** Every point the host has of the run, one bucket each: those of the journal, each once. */
async function checkPoints(frame: Frame, id: string, folder: string, upTo: number, moment: string): Promise<void> {
  await frame.evaluate(() => {
    const page = globalThis as unknown as Listener;
    page.heard = [];
    addEventListener('message', ({ data }) => {
      if (data?.type === 'buckets') page.heard.push(data);
    });
  });
  const written = journal(folder).filter(({ type, step }) => type === 'step' && Number(step) <= upTo);
  const ranges = inPieces(written, mostPoints).map((piece, at) => ({
    from: at * mostPoints + 1,
    to: at * mostPoints + piece.length,
  }));
  const shown: [number, number][] = [];
  for (const asked of inPieces(ranges, mostRanges)) {
    for (const [place, { steps, last }] of (await ask(frame, id, asked, moment)).entries()) {
      const { from, to } = asked[place]!;
      for (const [i, step] of steps.entries()) if (step >= from && step <= to) shown.push([step, last[i]!]);
    }
  }
  const expected = written.map(({ step, metrics }) => [step, (metrics as { loss: number }).loss]);
  assert.deepEqual(shown, expected, moment);
}

const inPieces = <T>(all: readonly T[], size: number): T[][] =>
  Array.from({ length: Math.ceil(all.length / size) }, (_, at) => all.slice(at * size, (at + 1) * size));

interface Range {
  from: number;
  to: number;
}

/** In the page's name; the answer comes to the page. Its own questions may come in between: then it is asked again. */
async function ask(
  frame: Frame,
  run: string,
  ranges: readonly Range[],
  moment: string,
): Promise<Listener['heard'][number]['series']> {
  const first = 1_000_000 + 1000 * ranges[0]!.from;
  let [request, askedAt] = [first, 0];
  return until(`${moment}: the points from ${ranges[0]!.from} on`, async () => {
    if (Date.now() - askedAt > patienceMs) {
      request += 1;
      askedAt = Date.now();
      const series = ranges.map(range => ({ run, name: 'loss', ...range, columns: 8192 }));
      const wanted = { type: 'subscribe', request, series };
      await frame.parentFrame()?.evaluate(message => {
        (globalThis as unknown as Listener).__vscode_post_message__('onmessage', { message });
      }, wanted);
    }
    const asked = { first, last: request };
    return frame.evaluate(({ first, last }) => {
      const { heard } = globalThis as unknown as Listener;
      return heard.find(({ request }) => request >= first && request <= last)?.series;
    }, asked);
  });
}

/** Looks at the last lines alone: what the test spends here the editor would seem to take. */
function stepAt(folder: string, time: number): number {
  const file = openSync(path.join(folder, 'journal.ndjson'), 'r');
  try {
    const { size } = fstatSync(file);
    const tail = Buffer.alloc(Math.min(size, tailBytes));
    readSync(file, tail, 0, tail.length, size - tail.length);
    const lines = tail
      .toString('utf8')
      .split('\n')
      .slice(size > tail.length ? 1 : 0, -1);
    const last = lines.map(line => JSON.parse(line)).findLast(({ type, t }) => type === 'step' && t <= time);
    assert.ok(last, `no step before ${time} in the last ${lines.length} lines`);
    return last.step;
  } finally {
    closeSync(file);
  }
}

function extensionHosts(editor: Workbench): number[] {
  return markedProcesses(editor.server.folder)
    .filter(({ command }) => command.includes('--type=extensionHost'))
    .map(({ pid }) => pid);
}

async function reloadWindow(editor: Workbench, moment: string): Promise<number> {
  const before = activations(editor).length;
  const loadedAt = await loadOf(editor);
  // As a user does: the editor keeps what is open before it goes. A click that the list swallowed is done again.
  await until(`${moment}: the window is loaded anew`, async () => {
    await editor.command('Developer: Reload Window');
    const isAnew = async () => ![null, loadedAt].includes(await loadOf(editor));
    return until(`${moment}: a new page`, isAnew, reloadPatienceMs).catch(() => {
      askedAgain.push(moment);
      return false;
    });
  });
  return until(`${moment}: activation`, () => activations(editor).slice(before).at(-1));
}

/** When the page was loaded that stands there now; `null` between two. */
const loadOf = (editor: Workbench): Promise<number | null> =>
  editor.page.evaluate(() => performance.timeOrigin).catch(() => null);

async function killExtensionHost(editor: Workbench, moment: string): Promise<number> {
  const killed = extensionHosts(editor);
  assert.ok(killed.length > 0, 'no extension host was found');
  const before = activations(editor).length;
  for (const pid of killed) process.kill(pid, 'SIGKILL');
  return until(`${moment}: activation in a new extension host`, async () => {
    await allowRestart(editor);
    return activations(editor).slice(before).at(-1);
  });
}

/** The editor restarts its host by itself a few times, then it wants to be asked. */
async function allowRestart(editor: Workbench): Promise<void> {
  const ask = editor.page.locator('.notification-list-item', { hasText: /extension host terminated/i });
  const restart = ask.locator('.monaco-button', { hasText: /Restart/ }).first();
  if (await restart.isVisible()) await restart.click({ timeout: 1000 }).catch(() => {});
}

/** When the code of the extension began to load, in each host that did so. */
const activations = (editor: Workbench): number[] =>
  existsSync(activationsFile(editor))
    ? readFileSync(activationsFile(editor), 'utf8').trim().split('\n').map(Number)
    : [];

const activationsFile = (editor: Workbench): string => path.join(editor.server.folder, 'activations');

/** Hosts that come from now on write it down: the test editor itself keeps no log of it. */
function noteActivations(editor: Workbench): void {
  const extensions = path.join(editor.server.folder, 'extensions');
  const installed = readdirSync(extensions).find(name => name.startsWith('holdfast.'));
  assert.ok(installed, 'the extension is installed');
  const dist = path.join(extensions, installed, 'dist');
  renameSync(path.join(dist, 'extension.cjs'), path.join(dist, 'noted.cjs'));
  const note = `require('node:fs').appendFileSync(${JSON.stringify(activationsFile(editor))}, Date.now() + '\\n');`;
  writeFileSync(path.join(dist, 'extension.cjs'), `${note}\nmodule.exports = require('./noted.cjs');\n`);
}
