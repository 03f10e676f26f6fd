/** What can happen to runs: each trouble harms processes, files or the queue the way people and machines do. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkpointFiles, listCheckpoints, manifestFile } from '../../src/runs/checkpointFiles.ts';
import { sendControl } from '../../src/runs/control.ts';
import { isAlive, type ProcessIdentity } from '../../src/runs/processIdentity.ts';
import { holdQueue, moveRuns, readQueue, releaseQueue, runNext, waitingRuns } from '../../src/runs/queue.ts';
import { fill } from './disk.ts';
import { causes } from './explained.ts';
import type { Storm, Trouble, WatchedRun } from './storm.ts';
import { Window } from './window.ts';

export const troubles: readonly Trouble[] = [
  { kind: 'trainer killed', weight: 2, act: storm => killed(storm, 'trainer') },
  { kind: 'runner killed', weight: 2, act: storm => killed(storm, 'runner') },
  { kind: 'trainer frozen', weight: 2, act: storm => frozen(storm, 'trainer') },
  { kind: 'runner frozen', weight: 2, act: storm => frozen(storm, 'runner') },
  { kind: 'host killed', weight: 2, act: hostKilled },
  { kind: 'terminal killed', weight: 1, act: terminalKilled },
  { kind: 'bit flipped', weight: 3, act: bitFlipped },
  { kind: 'second window', weight: 3, act: secondWindow },
  { kind: 'queue moved', weight: 2, act: queueMoved },
  { kind: 'queue held', weight: 1, act: queueHeld },
  { kind: 'stopped', weight: 1, act: stopped },
  { kind: 'paused', weight: 1, act: paused },
];

export const diskTrouble: Trouble = { kind: 'disk filled', weight: 2, act: diskFilled };

type Program = 'trainer' | 'runner';

async function killed(storm: Storm, program: Program): Promise<boolean> {
  const victim = await victimOf(storm, program);
  if (!victim) return false;
  victim.watched.happened.add(program === 'trainer' ? causes.trainerKilled : causes.runnerKilled);
  return signal(victim.identity, 'SIGKILL');
}

async function frozen(storm: Storm, program: Program): Promise<boolean> {
  const victim = await victimOf(storm, program);
  if (!victim || !(await signal(victim.identity, 'SIGSTOP'))) return false;
  const ms = 300 + 3000 * storm.random();
  storm.background('thawing', async () => {
    await sleep(ms);
    await signal(victim.identity, 'SIGCONT');
  });
  return true;
}

async function victimOf(
  storm: Storm,
  program: Program,
): Promise<{ watched: WatchedRun; identity: ProcessIdentity } | null> {
  const current = await storm.current();
  const identity = current?.status.process?.[program]?.identity;
  return current && identity ? { watched: current.watched, identity } : null;
}

async function signal(identity: ProcessIdentity, name: NodeJS.Signals): Promise<boolean> {
  if ((await isAlive(identity)) !== 'alive') return false;
  try {
    return process.kill(identity.pid, name);
  } catch {
    return false;
  }
}

/** A window or a shell that only watches. */
async function hostKilled(storm: Storm): Promise<boolean> {
  const current = await storm.current();
  if (!current) return false;
  killLater(storm, command(storm, ['logs', '-f', current.watched.run.id]));
  return true;
}

/** It owns its run: with the terminal the run is stopped, if it has got that far. */
async function terminalKilled(storm: Storm): Promise<boolean> {
  killLater(storm, command(storm, storm.workplace.words(storm.example())));
  return true;
}

function command(storm: Storm, words: string[]): ChildProcess {
  const { cli, store, environment } = storm.workplace;
  const env = { ...process.env, ...environment };
  return spawn(process.execPath, [cli, ...words], { cwd: store.root, env, stdio: 'ignore' });
}

function killLater(storm: Storm, child: ChildProcess): void {
  const ms = 6000 * storm.random();
  const gone = new Promise(resolve => child.once('close', resolve));
  storm.background('a killed host', async () => {
    await sleep(ms);
    child.kill('SIGKILL');
    await gone;
  });
}

async function bitFlipped(storm: Storm): Promise<boolean> {
  const watched = storm.pick([...storm.watched.values()]);
  const checkpoint = watched && storm.pick(await listCheckpoints(watched.run.checkpoints));
  if (!checkpoint) return false;
  const name = storm.pick([...checkpointFiles, manifestFile])!;
  // Before the flip: a trainer that reads it at this moment may fail of it.
  watched.happened.add(causes.bitFlipped);
  const isDone = flipBit(
    join(watched.run.checkpoints, checkpoint.name, name),
    storm.random(),
    Math.floor(8 * storm.random()),
  );
  if (isDone) watched.flipped.add(checkpoint.name);
  return isDone;
}

/** False when the file is gone by now. */
function flipBit(file: string, place: number, bit: number): boolean {
  try {
    const at = Math.floor(place * statSync(file).size);
    const descriptor = openSync(file, 'r+');
    const byte = Buffer.alloc(1);
    readSync(descriptor, byte, 0, 1, at);
    byte[0]! ^= 1 << bit;
    writeSync(descriptor, byte, 0, 1, at);
    closeSync(descriptor);
    return true;
  } catch {
    return false;
  }
}

/** Opened late and closed again: it must have seen what the first window sees. */
async function secondWindow(storm: Storm): Promise<boolean> {
  const watched = storm.pick([...storm.watched.values()]);
  if (!watched) return false;
  const ms = 200 + 4000 * storm.random();
  storm.background('a second window', async () => {
    const window = new Window(watched.run);
    await sleep(ms);
    await window.close();
    const { seen } = watched.window;
    const shared = Math.min(seen.length, window.seen.length);
    const place = window.seen.slice(0, shared).findIndex((line, at) => line !== seen[at]);
    if (place >= 0) {
      storm.ledger.untruth(
        `two windows of ${watched.run.id} differ at record ${place}: ${seen[place]} | ${window.seen[place]}`,
      );
    }
  });
  return true;
}

async function queueMoved(storm: Storm): Promise<boolean> {
  const { store } = storm.workplace;
  const ids = (await waitingRuns(store, await readQueue(store))).map(({ run }) => run.id);
  const [moved, before] = [storm.pick(ids), storm.pick(ids)];
  if (!moved || !before) return false;
  await (storm.random() < 0.5 ? runNext(store, [moved]) : moveRuns(store, [moved], before));
  return true;
}

async function queueHeld(storm: Storm): Promise<boolean> {
  const { store } = storm.workplace;
  await holdQueue(store, 'somebody holds it');
  const ms = 3000 * storm.random();
  storm.background('releasing', async () => {
    await sleep(ms);
    await storm.ledger.insist('releasing', () => releaseQueue(store));
  });
  return true;
}

async function stopped(storm: Storm): Promise<boolean> {
  const current = await storm.current();
  if (!current) return false;
  current.watched.happened.add(causes.stopped);
  await sendControl(current.watched.run, 'stop');
  return true;
}

async function paused(storm: Storm): Promise<boolean> {
  const current = await storm.current();
  if (!current) return false;
  const { run } = current.watched;
  await sendControl(run, 'pause');
  const ms = 2000 * storm.random();
  storm.background('going on', async () => {
    await sleep(ms);
    await storm.ledger.insist('going on', async () => {
      // It may have come to its end meanwhile, and been put away.
      if (await run.request()) await sendControl(run, 'resume');
    });
  });
  return true;
}

async function diskFilled(storm: Storm): Promise<boolean> {
  for (const { happened } of storm.watched.values()) happened.add(causes.diskFull);
  const makeRoom = fill(storm.workplace.store.root);
  const ms = 300 + 3000 * storm.random();
  storm.background('making room', async () => {
    await sleep(ms);
    makeRoom();
    // Those that came meanwhile had no room either.
    for (const { happened } of storm.watched.values()) happened.add(causes.diskFull);
  });
  return true;
}
