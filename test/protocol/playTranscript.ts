/**
 * Plays a transcript to a trainer. `>` is sent; `<` is an event that must come next but for events in between that are not
 * named (progress, alive, series …); the fields given must be equal. Everything said must fit the schema. `full` and `room`
 * fill and empty the disk of that output, which is a small one of the trainer's own.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { evaluatedOf } from '../../src/domain/scores.ts';
import { LineSplitter } from '../../src/protocol/lineSplitter.ts';
import type { TrainerEvent } from '../../src/protocol/trainer.ts';
import { decodeTrainerMessage } from '../../src/protocol/trainerLines.ts';
import { fillUp, noSmallDisk } from '../runs/smallDisk.ts';
import { temporaryFolder } from '../runs/testStore.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const root = join(here, '..', '..');
/** Holds some checkpoints of the shipped model. */
const diskMegabytes = 160;
const model = join(root, 'models', 'holdfast-tiny');

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Entry =
  | { about: string }
  | { '>': Record<string, Json> }
  | { '<': Record<string, Json> }
  | { full: string }
  | { room: string }
  | { 'end of input': true }
  | { exit: number };

/** A start message on its way to a trainer that wants more than a transcript says. */
export type Complete = (start: Record<string, Json>) => Promise<Record<string, Json>>;

export async function play(trainer: [string, ...string[]], entries: Entry[], complete?: Complete) {
  const folder = testData();
  const disk = entries.flatMap(entry => ('full' in entry ? [entry.full] : []))[0];
  const [program, ...args] = disk ? withSmallDisk(join(folder, disk), trainer) : trainer;
  const child = spawn(program, args, {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', chunk => {
    stderr += chunk;
  });
  const exited = new Promise<number | null>(resolve => child.once('exit', resolve));
  const events = eventsOf(child.stdout);
  try {
    for (const entry of entries) {
      if ('>' in entry) {
        const message = fill(entry['>'], folder) as Record<string, Json>;
        const whole = complete && 'recipe' in message ? await complete(message) : message;
        child.stdin.write(`${JSON.stringify(whole)}\n`);
      }
      if ('full' in entry) fillUp(fillerOf(child.pid, join(folder, entry.full)));
      if ('room' in entry) rmSync(fillerOf(child.pid, join(folder, entry.room)));
      if ('<' in entry) await expectEvent(events, entry['<']);
      else if ('end of input' in entry) child.stdin.end();
      else if ('exit' in entry) {
        for await (const event of events)
          assert.ok(isUnnamed(event), `unexpected at the end: ${JSON.stringify(event)}`);
        assert.equal(await exited, entry.exit);
      }
    }
  } catch (error) {
    throw new Error(`${(error as Error).message}\nstderr: ${stderr.slice(-2000)}`, { cause: error });
  } finally {
    child.kill('SIGKILL');
  }
}

/** Mounted where only the trainer, and whoever looks through its eyes, sees it. */
function withSmallDisk(disk: string, trainer: [string, ...string[]]): [string, ...string[]] {
  const mount = `mount -t tmpfs -o size=${diskMegabytes}m tmpfs "$1" && shift && exec "$@"`;
  return ['unshare', '-rm', 'sh', '-c', mount, 'sh', disk, ...trainer];
}

const fillerOf = (pid: number | undefined, disk: string): string => join(`/proc/${pid}/root`, disk, 'filler');

async function* eventsOf(stdout: NodeJS.ReadableStream): AsyncGenerator<TrainerEvent> {
  const splitter = new LineSplitter();
  for await (const chunk of stdout) {
    for (const line of splitter.push(chunk as Uint8Array)) {
      assert.ok('text' in line, 'a line too long');
      const decoded = decodeTrainerMessage(line.text);
      assert.ok(decoded.ok, decoded.ok ? '' : decoded.problem);
      // A runner makes the evaluation of bare scores.
      yield decoded.value.type === 'scored' ? evaluatedOf(decoded.value) : decoded.value;
    }
  }
}

async function expectEvent(events: AsyncGenerator<TrainerEvent>, expected: Record<string, Json>): Promise<void> {
  const between: string[] = [];
  for (;;) {
    const { value: event, done } = await events.next();
    if (done) throw new Error(`the output ended before ${JSON.stringify(expected)}; seen: ${between.join(', ')}`);
    if (fits(event, expected)) return;
    between.push(event.type);
    const isFailure = event.type === 'failed' || event.type === 'finished';
    assert.ok(!isFailure, `waiting for ${JSON.stringify(expected)}, got ${JSON.stringify(event)}`);
  }
}

const fits = (event: TrainerEvent, expected: Record<string, Json>): boolean =>
  Object.entries(expected).every(
    ([key, value]) => JSON.stringify((event as unknown as Record<string, Json>)[key]) === JSON.stringify(value),
  );

const isUnnamed = ({ type }: TrainerEvent): boolean => type === 'alive' || type === 'progress';

/** File name, what it is about, its entries, and why it cannot be played here. */
export function transcripts(): { file: string; about: string; entries: Entry[]; skip: string | false }[] {
  const files = readdirSync(join(here, 'transcripts')).filter(file => file.endsWith('.ndjson'));
  return files.map(file => {
    const entries = readEntries(file);
    const about = entries.flatMap(entry => ('about' in entry ? [entry.about] : [])).join(' ');
    return { file, about, entries, skip: entries.some(entry => 'full' in entry) && noSmallDisk };
  });
}

function readEntries(file: string): Entry[] {
  const lines = readFileSync(join(here, 'transcripts', file), 'utf8')
    .split('\n')
    .filter(Boolean);
  return lines.map(line => JSON.parse(line) as Entry);
}

/** `$paths` and `$outputs` stand for what a runner would give; `$file` for a recipe with changes beside it. */
function fill(value: Json, folder: string): Json {
  if (value === '$outputs') {
    return Object.fromEntries(
      ['checkpoints', 'items', 'samples', 'model', 'cache'].map(name => [name, join(folder, name)]),
    );
  }
  if (value === '$paths') {
    const files = ['train.jsonl', 'eval.jsonl', 'general.txt'];
    return { MODEL: model, ...Object.fromEntries(files.map(name => [name, join(folder, name)])) };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const { $file, ...rest } = value;
  const own = Object.fromEntries(Object.entries(rest).map(([key, item]) => [key, fill(item, folder)]));
  if (typeof $file !== 'string') return own;
  return merge(JSON.parse(readFileSync(join(here, 'transcripts', $file), 'utf8')) as Json, own);
}

function merge(base: Json, changes: Json): Json {
  const isRecord = (value: Json | undefined): value is { [key: string]: Json } =>
    typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isRecord(base) || !isRecord(changes)) return changes;
  const merged = Object.entries(changes).map(([key, value]) => [key, key in base ? merge(base[key]!, value) : value]);
  return { ...base, ...Object.fromEntries(merged) };
}

function testData(): string {
  const folder = temporaryFolder('transcript');
  const rows = (from: number) =>
    Array.from({ length: 8 }, (_, i) =>
      JSON.stringify({ prompt: `Question: What is ${from + i} + 1? Answer:`, completion: ` ${from + i + 1}.` }),
    );
  for (const name of ['checkpoints', 'items', 'samples', 'cache']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'train.jsonl'), rows(10).join('\n'));
  writeFileSync(join(folder, 'eval.jsonl'), rows(40).join('\n'));
  writeFileSync(
    join(folder, 'general.txt'),
    Array.from({ length: 8 }, (_, i) => `On day ${i} the baker walks to the market.`).join('\n\n'),
  );
  return folder;
}
