/** Run folders as runs leave them, made by the thousand without running anything. */
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JournalEvent } from '../../src/protocol/journal.ts';
import type { Verdict } from '../../src/protocol/trainer.ts';
import { resolveText } from '../../src/runs/createRun.ts';
import { encodeJournalLine } from '../../src/runs/journalLine.ts';
import { newRunId } from '../../src/runs/runId.ts';
import type { Store } from '../../src/runs/store.ts';
import { evaluated, finished, setScore } from '../domain/runs.ts';

const recipeText = `model: holdfast-tiny
data: { train: data/train.jsonl, eval: data/eval.jsonl }
retain: { probes: { general: { file: data/general.txt, budget: { nats: 0.05 } } } }
method: { replay: { data: data/replay.txt } }
train: { max_steps: 20 }
`;
const steps = 20;
const started = Date.UTC(2026, 0, 1);

/** Over some months and recipes, finished, a minute apart. Returns their bytes. */
export function manyRuns(store: Store, many: number, recipes = 1): number {
  mkdirSync(store.runsFolder, { recursive: true });
  let bytes = 0;
  const journals = (['kept', 'forgot', 'cannot tell'] as const).map(journalText);
  for (let number = 0; number < many; number++) {
    bytes += oneRun(store, number, number % recipes, journals[(number >> 1) % 3]!);
  }
  return bytes;
}

function oneRun(store: Store, number: number, recipe: number, journal: string): number {
  const createdAt = started + number * 30 * 60_000;
  const id = newRunId(`many-${recipe}`, new Date(createdAt));
  const folder = join(store.runsFolder, id);
  const recipeFile = join(store.root, `many-${recipe}.tune.yaml`);
  const files = {
    'run.json': JSON.stringify(requestOf(id, createdAt, recipeFile)),
    'exit.json': JSON.stringify({
      v: 1,
      attempt: 1,
      outcome: 'finished',
      code: 0,
      signal: null,
      reason: '',
      lastStep: steps,
      stderr: [],
      t: createdAt,
    }),
    'journal.ndjson': journal,
    ...(number % 10 === 0 && { 'user.json': JSON.stringify({ tags: ['tenth'], star: number % 100 === 0 }) }),
  };
  mkdirSync(join(folder, 'checkpoints', `a1-step-${steps}`), { recursive: true });
  writeFileSync(join(folder, 'checkpoints', `a1-step-${steps}`, 'state.safetensors'), 'x'.repeat(1000));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  // Settled long ago: what has changed just now is looked at twice.
  for (const path of [join(folder, 'checkpoints'), folder]) utimesSync(path, createdAt / 1000, createdAt / 1000);
  return Object.values(files).reduce((sum, text) => sum + text.length, 1000);
}

let resolved: ReturnType<typeof resolveText> | undefined;

function requestOf(id: string, createdAt: number, recipeFile: string) {
  resolved ??= resolveText(recipeFile, recipeText, { variant: 'replay' });
  return {
    v: 1,
    id,
    createdAt,
    name: 'many',
    variant: 'replay',
    recipeFile,
    recipeText,
    recipe: resolved,
    paths: {},
    engine: { folder: '/nowhere', version: '0.0.0' },
    node: { path: '/nowhere/node', env: {}, reason: 'a test' },
    argv: [],
    seeds: { train: 1 },
    git: null,
    seal: 'none',
  };
}

function journalText(verdict: Verdict): string {
  const events: JournalEvent[] = [];
  for (let step = 1; step <= steps; step++) {
    events.push({
      type: 'step',
      step,
      metrics: { loss: 3 / step, gradientNorm: 1, learningRate: 1e-3, tokens: 512, tokensPerSecond: 5000 },
    });
  }
  const sets = { general: setScore(0.02, { verdict: 'kept' }), arithmetic: setScore(0.1, { verdict }) };
  events.push(evaluated(steps, 1.5, sets, true), finished(steps));
  return events.map((event, seq) => encodeJournalLine({ attempt: 1, seq, t: started + seq }, event)).join('');
}
