/** Run folders as somebody would put them into a repository to do harm. Knows what is in them, not what becomes of it. */
import { execFileSync } from 'node:child_process';
import { lstatSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

export interface Surroundings {
  /** A request of this user, sealed for this store. */
  honest: Record<string, unknown>;
  /** Lies outside of the project, with a file `secret.json`. */
  outside: string;
  /** A shell command that would leave a trace. */
  traceCommand: string;
  /** A living process of the user's that is no trainer. */
  bystander: Record<string, unknown>;
}

type Make = (folder: string, around: Surroundings) => void;

const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
export const ugly =
  '<img src=x onerror=alert(1)>\u001b]0;owned\u0007\u001b[2J\u001b[31m[x](command:holdfast.stop)\u202Etxt\u0000\r';

const json = (folder: string, name: string, value: unknown) =>
  writeFileSync(join(folder, name), typeof value === 'string' ? value : JSON.stringify(value));

export function journalLine(seq: number, event: object, stamp: object = {}): string {
  const body = JSON.stringify({ v: 1, attempt: 1, seq, t: 1, ...event, ...stamp }).slice(0, -1);
  return `${body},"crc":${crc32(body)}}\n`;
}

const journal = (folder: string, ...events: object[]) =>
  json(folder, 'journal.ndjson', events.map((event, seq) => journalLine(seq, event)).join(''));

const fifo = (file: string) => execFileSync('mkfifo', [file]);

/** Each gets a folder with a request that reads well, unless it writes another. */
export const hostileRuns: Record<string, Make> = {
  'trainer program of its own': (folder, { honest, traceCommand }) =>
    json(folder, 'run.json', {
      ...honest,
      engine: { ...(honest.engine as object), trainer: ['-c', traceCommand] },
      node: { path: '/bin/sh', env: {}, reason: 'x' },
    }),
  'environment of its own': (folder, { honest }) =>
    json(folder, 'run.json', {
      ...honest,
      node: { ...(honest.node as object), env: { NODE_OPTIONS: '--require /tmp/evil.js', LD_PRELOAD: '/tmp/evil.so' } },
    }),
  'empty seal': (folder, { honest }) => json(folder, 'run.json', { ...honest, seal: '' }),
  'seal of zeros': (folder, { honest }) => json(folder, 'run.json', { ...honest, seal: '0'.repeat(64) }),
  'seal of another request': (folder, { honest }) => json(folder, 'run.json', { ...honest, name: 'other' }),
  'id of another folder': (folder, { honest }) => json(folder, 'run.json', { ...honest, id: 'somebody-else' }),
  'id that climbs': (folder, { honest }) => json(folder, 'run.json', { ...honest, id: '../../../etc' }),
  'request of version 99': (folder, { honest }) => json(folder, 'run.json', { ...honest, v: 99 }),
  'request of version 1e308': (folder, { honest }) => json(folder, 'run.json', { ...honest, v: 1e308 }),
  'request nested deeply': folder => json(folder, 'run.json', deep),
  'request of a hundred megabytes': folder => json(folder, 'run.json', `"${'x'.repeat(100e6)}"`),
  'request with polluted keys': (folder, { honest }) =>
    json(folder, 'run.json', JSON.stringify(honest).replace('{', '{"__proto__":{"polluted":1},')),
  'request that is a link': (folder, { outside }) =>
    symlinkSync(join(outside, 'secret.json'), join(folder, 'run.json')),
  'request that is a pipe': folder => fifo(join(folder, 'run.json')),
  'request that is a folder': folder => mkdirSync(join(folder, 'run.json')),
  'request of NULs': folder => json(folder, 'run.json', '\0'.repeat(4096)),
  'names with markup and control characters': (folder, { honest }) => {
    json(folder, 'run.json', { ...honest, name: ugly, variant: ugly, group: ugly.slice(0, 60) });
    json(folder, 'user.json', { name: ugly, tags: [ugly.slice(0, 60)] });
    json(folder, 'notes.md', ugly);
    json(folder, 'exit.json', {
      ...{ v: 1, attempt: 1, outcome: 'failed', code: 1, signal: null, lastStep: 0, stderr: [ugly], t: 1 },
      reason: ugly,
      error: { code: ugly, message: ugly, file: ugly, remedy: ugly },
    });
    journal(
      folder,
      { type: 'step', step: 1, metrics: { loss: 1, [ugly]: 2 } },
      { type: 'sample', step: 1, index: 0, prompt: ugly, base: ugly, tuned: ugly },
      { type: 'failed', code: ugly, message: ugly },
    );
  },
  'recipe on a network share': (folder, { honest }) =>
    json(folder, 'run.json', { ...honest, recipeFile: '\\\\server\\share\\x.tune.yaml' }),
  'bystander named as trainer': (folder, { bystander }) =>
    json(folder, 'process.json', {
      ...{ v: 1, attempt: 1, startedAt: 1 },
      runner: { identity: { ...bystander, startTime: '1' }, marker: 'm' },
      trainer: { identity: bystander, marker: 'm' },
    }),
  'bystander named as runner': (folder, { bystander }) =>
    json(folder, 'process.json', {
      ...{ v: 1, attempt: 1, startedAt: 1 },
      runner: { identity: bystander, marker: 'm' },
      trainer: null,
    }),
  'process number 1': (folder, { bystander }) =>
    json(folder, 'process.json', {
      ...{ v: 1, attempt: 1, startedAt: 1 },
      runner: { identity: { ...bystander, pid: 1 }, marker: '' },
      trainer: { identity: { ...bystander, pid: -1 }, marker: '' },
    }),
  'attempt without end': (folder, { bystander }) => {
    const identity = { ...bystander, startTime: '1' };
    json(folder, 'process.json', {
      v: 1,
      attempt: 2 ** 53,
      startedAt: 1,
      runner: { identity, marker: 'm' },
      trainer: null,
    });
    json(folder, 'resume.json', { v: 1, attempt: 2 ** 53 - 1, checkpoint: null, t: 1 });
  },
  'resume from somewhere else': folder =>
    json(folder, 'resume.json', { v: 1, attempt: 2, checkpoint: '../../../../etc', t: 1 }),
  'resume by a link': (folder, { outside }) => symlinkSync(join(outside, 'secret.json'), join(folder, 'resume.json')),
  'exit record that never ends': folder => json(folder, 'exit.json', `{"reason":"${'x'.repeat(20e6)}`),
  'exit record of another kind': folder => json(folder, 'exit.json', { v: 99, outcome: 'won', t: 'now' }),
  'user file nested deeply': folder => json(folder, 'user.json', deep),
  'user file with polluted keys': folder =>
    json(folder, 'user.json', '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'),
  'notes that are a pipe': folder => fifo(join(folder, 'notes.md')),
  'notes that are a device': folder => symlinkSync('/dev/zero', join(folder, 'notes.md')),
  'heartbeat of tomorrow': folder =>
    json(folder, 'heartbeat', { attempt: 1, step: -1, t: 1e15, trainerSpokeAt: 1e15, paused: 'yes' }),
  'control file without lines': folder => json(folder, 'control.ndjson', 'x'.repeat(10e6)),
  'control file that is a device': folder => symlinkSync('/dev/zero', join(folder, 'control.ndjson')),
  'journal of one endless line': folder => json(folder, 'journal.ndjson', 'x'.repeat(40e6)),
  'journal nested deeply': folder => json(folder, 'journal.ndjson', `${deep}\n`.repeat(3)),
  'journal of garbage': folder =>
    json(folder, 'journal.ndjson', Array.from({ length: 100_000 }, (_, i) => `{"v":1,"seq":${i}`).join('\n')),
  'journal that is a device': folder => symlinkSync('/dev/zero', join(folder, 'journal.ndjson')),
  'journal that is a pipe': folder => fifo(join(folder, 'journal.ndjson')),
  'journal that is a link': (folder, { outside }) =>
    symlinkSync(join(outside, 'secret.json'), join(folder, 'journal.ndjson')),
  'journal of a newer version': folder =>
    json(folder, 'journal.ndjson', journalLine(0, { type: 'step', step: 1, metrics: {} }, { v: 99 })),
  'journal with impossible numbers': folder =>
    journal(
      folder,
      { type: 'step', step: -5, metrics: { loss: 1e308 } },
      { type: 'step', step: Number.MAX_SAFE_INTEGER, metrics: { loss: -1e308 } },
      { type: 'step', step: 3, metrics: { loss: null, __proto__: null } },
      { type: 'progress', phase: ugly, fraction: 1e300 },
      { type: 'checkpointed', step: 3, folder: '../../../../etc', bytes: -1 },
      { type: 'resumed', fromStep: -10, checkpoint: '../../..' },
    ),
  'journal with a series for every letter': folder =>
    journal(
      folder,
      ...Array.from({ length: 400 }, (_, step) => ({
        type: 'step',
        step,
        metrics: Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`m${step * 50 + i}`, i])),
      })),
    ),
  'journal with polluted names': folder =>
    json(
      folder,
      'journal.ndjson',
      ['__proto__', 'constructor', 'toString']
        .map((name, seq) => {
          const body = `{"v":1,"attempt":1,"seq":${seq},"t":1,"type":"step","step":${seq},"metrics":{"${name}":1}`;
          return `${body},"crc":${crc32(body)}}\n`;
        })
        .join(''),
    ),
  'checkpoints that are a link': (folder, { outside }) => symlinkSync(outside, join(folder, 'checkpoints')),
  'checkpoint that is a link': (folder, { outside }) => {
    mkdirSync(join(folder, 'checkpoints'));
    symlinkSync(outside, join(folder, 'checkpoints', 'a1-step-5'));
    journal(folder, { type: 'checkpointed', step: 5, folder: 'a1-step-5', bytes: 1 });
  },
  'log that is a device': folder => symlinkSync('/dev/zero', join(folder, 'trainer.log')),
};

export function makeHostileRun(folder: string, make: Make, around: Surroundings): void {
  mkdirSync(folder, { recursive: true });
  make(folder, around);
  if (!lstatSync(join(folder, 'run.json'), { throwIfNoEntry: false })) json(folder, 'run.json', around.honest);
}
