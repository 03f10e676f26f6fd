/**
 * B6: the power fails at any moment. The operations of our writers are recorded; then every state a disk may have kept
 * of them is laid out, and our readers look whether what was acknowledged is there and the work goes on.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Checkpoints, freshProgress } from '../../src/engine/checkpoints.ts';
import { openOnnxRuntime } from '../../src/engine/runtime/onnxruntime/openOnnxRuntime.ts';
import { StateStore } from '../../src/engine/state/stateStore.ts';
import type { StartCommand } from '../../src/protocol/trainer.ts';
import { PatientJournal } from '../../src/runner/patientJournal.ts';
import { superviseRun } from '../../src/runner/superviseRun.ts';
import { checkpointNamed, damageOf, listCheckpoints } from '../../src/runs/checkpointFiles.ts';
import { createRun } from '../../src/runs/createRun.ts';
import { JournalWriter, readJournal } from '../../src/runs/journal.ts';
import { chooseNode } from '../../src/runs/nodePath.ts';
import { bootId } from '../../src/runs/processIdentity.ts';
import { changeQueue, moveRuns, readQueue, runNext, setOnError } from '../../src/runs/queue.ts';
import { resumeRun } from '../../src/runs/resumeRun.ts';
import type { RunFolder } from '../../src/runs/runFolder.ts';
import { RunIndex } from '../../src/runs/runIndex.ts';
import { syncFolder } from '../../src/runs/safeFile.ts';
import { isSealed } from '../../src/runs/seal.ts';
import { statusOf } from '../../src/runs/status.ts';
import { findStore, type Store } from '../../src/runs/store.ts';
import { restoreRun, trashedRuns, trashRun } from '../../src/runs/trash.ts';
import { changeUser } from '../../src/runs/userChoices.ts';
import { isLong } from '../counts.ts';
import { uniform } from '../domain/randomValues.ts';
import { fakeTrainer } from '../protocol/fakeTrainerProgram.ts';
import { recipeText, temporaryFolder, testEngine } from '../runs/testStore.ts';
import { type Fate, layOut, type PowerLoss, pendingAt } from './powerLoss.ts';
import { RecordedDisk } from './recordedDisk.ts';
import { testSeed } from './seed.ts';

const seed = testSeed();
const states = 50;

const root = temporaryFolder('power');
process.env.HOLDFAST_HOME = join(root, 'home');
const project = join(root, 'project');
mkdirSync(join(project, 'data'), { recursive: true });
for (const name of ['train.jsonl', 'eval.jsonl', 'general.txt', 'arithmetic.choice.jsonl', 'replay.txt']) {
  writeFileSync(join(project, 'data', name), '{"text": "x"}\n');
}
const recipeFile = join(project, 'test.tune.yaml');
writeFileSync(recipeFile, recipeText.replace('checkpoint: { every: 10 }', 'checkpoint: { every: 1000, keep: [last] }'));
const store = findStore(recipeFile);

test('what was acknowledged is there after a power loss at any moment, and the work goes on', async t => {
  const story = await tellStory();
  const { disk } = story;
  const losses = isLong() ? everyLoss(disk) : someLosses(story);
  let number = 0;
  for (const loss of losses) {
    const moment = describe(disk, loss, number++);
    await layOutAfterRestart(disk, loss);
    await checkAll(story, loss, moment).catch(error => {
      throw new Error(`${moment}: ${(error as Error).message}`, { cause: error });
    });
  }
  t.diagnostic(
    `B6 power loss: ${disk.length} operations of our writers, ${number.toLocaleString('en')} states of un-synced operations dropped, all recovered` +
      (isLong() ? ' (all prefixes and single drops)' : ` (seed ${seed})`),
  );
});

/** Something that is changed several times: after a power loss it reads as it was acknowledged last, or newer. */
interface Subject {
  name: string;
  read: () => Promise<unknown>;
  values: { begun: number; done: number; value: string }[];
}

interface Story {
  disk: RecordedDisk;
  subjects: Subject[];
  /** Journals by the run's id, with how many of its lines a sync at an operation made durable. */
  journals: { run: RunFolder; syncs: { at: number; lines: number }[] }[];
}

/** What people and programs do with a store, one thing after the other, through the writers of the product. */
async function tellStory(): Promise<Story> {
  const { engine, node, state } = await prepare();
  const disk = new RecordedDisk(root);
  const subjects: Subject[] = [];
  const subject = (name: string, read: Subject['read'], first: unknown): Subject => {
    const made = { name, read, values: [{ begun: 0, done: 0, value: JSON.stringify(first) }] };
    subjects.push(made);
    return made;
  };
  const change = async <T>(subject: Subject, act: () => Promise<T> | T): Promise<T> => {
    const begun = disk.length;
    const result = await act();
    const done = disk.length;
    subject.values.push({ begun, done, value: JSON.stringify(await subject.read()) });
    return result;
  };
  const create = (more: Partial<Parameters<typeof createRun>[0]> = {}) =>
    createRun({ recipeFile, variant: 'plain', engineFolder: engine, trainer, node, ...more });

  const runs = subject('the runs', sealedRuns, []);
  const first = await change(runs, () => create());
  const second = await change(runs, () => create());
  const third = await change(runs, () => create());

  const queue = subject('the queue', queueNow, { order: [], onError: 'continue' });
  await change(queue, () => moveRuns(store, [third.id], second.id));
  await change(queue, () => setOnError(store, 'hold'));

  const user = subject('what the user says', () => first.user(), null);
  await change(user, () => changeUser(store, [first], { name: 'first', addTags: ['a'] }));
  await change(user, () => changeUser(store, [first], { star: true }));

  const exit = subject('the exit record', () => first.exit(), null);
  const request = await first.request();
  assert.ok(request);
  const folders = subject('the folder of checkpoints', async () => existsSync(first.checkpoints), false);
  await change(exit, () =>
    change(folders, () =>
      superviseRun(first, request, null, { heartbeatMs: 20, pollMs: 20, limits: {} }, new AbortController().signal),
    ),
  );
  assert.equal((await statusOf(first)).status, 'finished');
  // The fake trainer is another program, whose writing is not recorded.
  spawnSync('rm', ['-rf', first.checkpoints, first.model]);
  await change(queue, () => runNext(store, [second.id]));
  await (await RunIndex.open(store, { mayWrite: true })).refresh();

  const journal = await PatientJournal.open(second, 1);
  for (let step = 1; step <= 12; step++) {
    journal.append({ type: 'step', step, metrics: { loss: 1 / step } });
    if (step % 5 === 0) journal.append({ type: 'checkpointed', step, folder: `a1-step-${step}`, bytes: 100 });
  }
  journal.end({ type: 'exited', code: 0, signal: null, reason: '', stderr: [] });

  // As the runner does before a trainer starts.
  mkdirSync(second.checkpoints, { recursive: true });
  await syncFolder(second.folder);
  const newest = subject('the newest usable checkpoint', () => newestUsable(second), null);
  const start: StartCommand = {
    type: 'start',
    job: 'train',
    attempt: 1,
    recipe: request.recipe,
    paths: request.paths,
    outputs: { checkpoints: second.checkpoints, items: '', samples: '', model: '', cache: '' },
  };
  const checkpoints = await Checkpoints.open(start, 0);
  for (const step of [5, 10, 15]) {
    await change(newest, () => checkpoints.write(state, { ...freshProgress, step }, {} as never));
    await checkpoints.removeOthers(null);
  }

  const beginning = subject('the beginning of a fork', beginningOfForks, []);
  const checkpoint = checkpointNamed('a1-step-15')!;
  await change(beginning, () => change(runs, () => create({ parent: { run: second, checkpoint } })));

  const trash = subject('the trash', trashNow, []);
  await change(trash, () => change(runs, () => trashRun(store, third)));
  await change(trash, () => change(runs, () => restoreRun(store, third.id)));
  const resume = subject('the request to go on', async () => (await third.resume())?.attempt ?? null, null);
  await change(resume, () => resumeRun({ store, run: third, trusted: true }));
  await (await RunIndex.open(store, { mayWrite: true })).refresh();
  disk.end();
  return { disk, subjects, journals: [first, second].map(run => ({ run, syncs: syncsOf(disk, run) })) };
}

async function prepare() {
  const opened = await openOnnxRuntime({ threads: 1 });
  assert.ok(opened.available);
  const state = new StateStore(opened.runtime);
  state.add(
    'w',
    'weight',
    [8, 8],
    Float32Array.from({ length: 64 }, (_, i) => i / 7),
  );
  state.add('adam.first/w', 'slot', [8, 8], new Float32Array(64));
  const node = await chooseNode();
  trainer = fakeTrainer({ steps: 30, rate: 0 });
  return { engine: testEngine(), node, state };
}

async function sealedRuns(): Promise<string[]> {
  const ids = await store.runIds();
  for (const id of ids) {
    const request = await store.run(id).request();
    assert.ok(request, `${id} has no request`);
    assert.ok(await isSealed(request, store.folder), `${id} is not sealed`);
  }
  return ids.sort();
}

async function queueNow(): Promise<unknown> {
  const { order, onError, held } = await readQueue(store);
  assert.equal(held, null);
  return { order, onError };
}

const trashNow = async (): Promise<string[]> => (await trashedRuns(store)).map(({ id }) => id);

/** Each fork has the checkpoint that its request names. */
async function beginningOfForks(): Promise<string[]> {
  const forks: string[] = [];
  for (const id of await store.runIds()) {
    const parent = (await store.run(id).request())?.parent;
    if (!parent) continue;
    assert.equal(await damageOf(join(store.run(id).checkpoints, parent.checkpoint)), null, `${id} has no beginning`);
    forks.push(id);
  }
  return forks;
}

async function newestUsable(run: RunFolder): Promise<string | null> {
  for (const { name } of (await listCheckpoints(run.checkpoints)).reverse()) {
    if ((await damageOf(join(run.checkpoints, name))) === null) return name;
  }
  return null;
}

/** How many whole lines each sync of a run's journal found written. */
function syncsOf(disk: RecordedDisk, run: RunFolder): { at: number; lines: number }[] {
  const id = disk.idOf(run.journalFile);
  const syncs: { at: number; lines: number }[] = [];
  let lines = 0;
  for (const [number, operation] of disk.operations.entries()) {
    if (operation.kind === 'write' && operation.file === id)
      lines += operation.bytes.filter(byte => byte === 10).length;
    if (operation.kind === 'sync' && operation.id === id) syncs.push({ at: number + 1, lines });
  }
  assert.ok(syncs.length > 0);
  return syncs;
}

function* everyLoss(disk: RecordedDisk): Generator<PowerLoss> {
  for (let at = 0; at <= disk.length; at++) {
    const pending = pendingAt(disk, at);
    yield { at, fates: new Map() };
    yield { at, fates: new Map(pending.map(number => [number, 'lost'])) };
    for (const number of pending) yield { at, fates: new Map([[number, 'lost']]) };
  }
}

/** Half of them right after something was acknowledged: there a promise has had the least time to come true. */
function* someLosses({ disk, subjects }: Story): Generator<PowerLoss> {
  const acknowledged = subjects.flatMap(({ values }) => values.map(({ done }) => done));
  for (let state = 0; state < states; state++) {
    const chance = (i: number) => uniform(seed, state * 10_000 + i);
    const anywhere = Math.ceil(disk.length * chance(0));
    const at = state % 2 === 0 ? anywhere : acknowledged[Math.floor(acknowledged.length * chance(0))]!;
    const share = [0.1, 0.5, 0.9, 1][Math.floor(4 * chance(1))]!;
    const fates = new Map<number, Fate>();
    for (const number of pendingAt(disk, at)) {
      if (chance(3 * number + 2) >= share) continue;
      fates.set(number, (['lost', 'lost', 'torn', 'zeroed'] as const)[Math.floor(4 * chance(3 * number + 3))]!);
    }
    yield { at, fates };
  }
}

/** The machine has another boot id then: whoever held a lock is gone. */
async function layOutAfterRestart(disk: RecordedDisk, loss: PowerLoss): Promise<void> {
  const [kernel] = (await bootId()).split(' ');
  const other = kernel!.replace(/[0-9a-f]/g, digit => ((Number.parseInt(digit, 16) + 1) % 16).toString(16));
  layOut(disk, loss, bytes =>
    bytes.includes(kernel!) ? Buffer.from(bytes.toString('latin1').replaceAll(kernel!, other), 'latin1') : bytes,
  );
}

async function checkAll({ subjects, journals }: Story, { at }: PowerLoss, moment: string): Promise<void> {
  for (const { name, read, values } of subjects) {
    const acknowledged = values.findLastIndex(({ done }) => done <= at);
    const allowed = values.filter(
      ({ begun }, index) => index >= acknowledged && (begun < at || index === acknowledged),
    );
    const found = JSON.stringify(await read());
    assert.ok(
      allowed.some(({ value }) => value === found),
      `${name} ${allowed.length > 1 ? 'are none of' : 'should be'} ${allowed.map(({ value }) => value).join(' | ')}: ${found}`,
    );
  }
  for (const { run, syncs } of journals) await checkJournal(run, syncs.findLast(sync => sync.at <= at)?.lines ?? 0);
  const ids = await store.runIds();
  for (const id of ids) {
    const { reason } = await statusOf(store.run(id));
    assert.ok(!/damaged|not JSON|bytes/.test(reason), `${id} is said to be: ${reason}`);
  }
  const listed = await (await RunIndex.open(store, { mayWrite: true })).refresh();
  assert.deepEqual(listed.map(({ id }) => id).sort(), ids.sort(), 'the list of runs');
  await goOn(store, moment);
}

/** Whatever was synced is read, whole; the next attempt's writer goes on and is read, too. */
async function checkJournal(run: RunFolder, durable: number): Promise<void> {
  if (!(await run.request())) return assert.equal(durable, 0);
  const before = await sequence(run);
  assert.deepEqual(before.slice(0, durable), [...Array(durable).keys()], `the journal of ${run.id}`);
  const writer = await JournalWriter.open(run, 2);
  const { seq } = writer.append({ type: 'step', step: 1, metrics: {} });
  writer.sync();
  writer.close();
  assert.deepEqual(await sequence(run), [...before, seq], `the journal of ${run.id}, gone on with`);
}

async function sequence(run: RunFolder): Promise<number[]> {
  const found: number[] = [];
  for await (const { records } of readJournal(run)) found.push(...records.map(({ seq }) => seq));
  return found;
}

/** Made once: it is bundled anew each time. */
let trainer: string[] = [];

/** Locks of the dead are in nobody's way, and a new run can be made, moved and listed. */
async function goOn(store: Store, name: string): Promise<void> {
  const run = await createRun({
    recipeFile,
    variant: 'plain',
    engineFolder: testEngine(),
    trainer,
    node: await chooseNode(),
  });
  await runNext(store, [run.id]);
  const queue = await changeQueue(store, queue => queue);
  assert.equal(queue.order[0], run.id, name);
  await changeUser(store, [run], { star: true });
}

function describe(disk: RecordedDisk, { at, fates }: PowerLoss, number: number): string {
  const lost = [...fates].map(([number, fate]) => `${number} (${disk.operations[number]?.kind}) ${fate}`);
  return `seed ${seed}, state ${number}, power lost after operation ${at} of ${disk.length}, ${lost.slice(0, 20).join(', ') || 'nothing lost'}`;
}
