/**
 * A trainer that trains nothing and speaks the real protocol: waves for metrics, evaluations with verdicts, and every
 * kind of misbehaviour. A program of its own; bundled by fakeTrainerProgram.ts.
 * usage: node fakeTrainer.cjs ['{"steps": 20, "rate": 50}'], or the same JSON in HOLDFAST_FAKE_TRAINER. Arguments win.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LineSplitter } from '../../src/protocol/lineSplitter.ts';
import {
  type Learning,
  protocolVersion,
  type SetScore,
  type StartCommand,
  type TrainerCommand,
  type TrainerEvent,
} from '../../src/protocol/trainer.ts';
import { decodeTrainerCommand, travelling } from '../../src/protocol/trainerLines.ts';
import { checkpointFiles, checkpointFormat, type Manifest, manifestFile } from '../../src/runs/checkpointFiles.ts';
import type { FakeTrainerOptions } from './fakeTrainerOptions.ts';

const given: FakeTrainerOptions = {
  ...(JSON.parse(process.env.HOLDFAST_FAKE_TRAINER ?? '{}') as FakeTrainerOptions),
  ...(JSON.parse(process.argv[2] ?? '{}') as FakeTrainerOptions),
};

let stopping = false;
let paused = false;
let checkpointAsked = false;
let inputEnded = false;

function say(event: TrainerEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`);
}

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms));
const never = () => new Promise<never>(() => setInterval(() => {}, 1 << 30));

async function main(): Promise<void> {
  const commands = readCommands();
  if (given.ignoresSignals) process.on('SIGTERM', () => {});
  if (given.says) process.stderr.write(`${given.says}\n`);
  if (given.garbage === 'first') process.stdout.write('Loading weights: 100%\n');
  if (given.hangs === 'before hello') await never();
  say({ type: 'hello', protocol: given.protocol ?? protocolVersion, engine: 'fake', numerics: 'fake-1' });
  const start = await commands;
  if (!start) return leave(0);
  const options = { ...given, ...given.byVariant?.[start.recipe.variant] };
  if (options.hangs === 'after start') await never();
  if (options.garbage === 'many') for (let line = 0; line < 1000; line++) process.stdout.write(`noise ${line}\n`);
  if (options.garbage === 'some') process.stdout.write('a stray print\n{"type":"unheard of"}\n');
  if (options.garbage === 'huge') process.stdout.write(`${'x'.repeat(20 * 1024 * 1024)}\n`);
  if (options.failed) {
    say({ type: 'failed', ...options.failed });
    return leave(1);
  }
  if (start.job === 'train') return train(start, options);
  if (start.job === 'check') check(start);
  else say(evaluation(start, 0, true, options));
  say({ type: 'finished', reason: 'completed', step: 0, seconds: 0.1, tokens: 0, peakMemoryBytes: peak() });
  return leave(0);
}

async function train(start: StartCommand, options: FakeTrainerOptions): Promise<void> {
  const steps = options.steps ?? start.recipe.train.max_steps ?? 20;
  const startedAt = Date.now();
  prepare(start, steps);
  say({ type: 'progress', phase: 'base scores', fraction: 1 });
  if (!start.resume) say(evaluation(start, 0, false, options));
  let step = Number(start.resume?.checkpoint.split('-').at(-1) ?? 0);
  while (step < steps && !(stopping && !options.ignoresStop) && !(inputEnded && !options.ignoresStop)) {
    if (paused || options.waitsBefore || (step === options.standsAt && !start.resume)) {
      await pause(10);
      continue;
    }
    step += 1;
    if (step === options.dieAtStep) return die(options);
    say(stepEvent(start, step, options));
    if (step % start.recipe.evaluate.every === 0 && step < steps) say(evaluation(start, step, false, options));
    if (checkpointAsked || (step % start.recipe.checkpoint.every === 0 && step < steps)) await checkpoint(start, step);
    if (step % burstAt(step, options) === 0) await pause(pauseAfter(step, options));
  }
  if (options.saveMs) await pause(options.saveMs);
  if (step > 0) await checkpoint(start, step);
  for (const [index, prompt] of start.recipe.retain.prompts.entries()) {
    say({ type: 'sample', step, index, prompt, base: `base answer ${index}`, tuned: `tuned answer ${index}` });
  }
  say(evaluation(start, step, true, options));
  mkdirSync(start.outputs.model, { recursive: true });
  await whenThereIsRoom(() => writeFileSync(join(start.outputs.model, 'holdfast.json'), JSON.stringify({ step })));
  const reason = step < steps ? 'stopped' : 'completed';
  const seconds = (Date.now() - startedAt) / 1000;
  say({ type: 'finished', reason, step, seconds, tokens: step * 1024, peakMemoryBytes: peak(), model: '.' });
  leave(options.exitCode ?? 0);
}

const burstAt = (step: number, { quickSteps = 0, burst = 1 }: FakeTrainerOptions): number =>
  step < quickSteps ? 20 : burst;

function pauseAfter(step: number, { rate = 200, quickSteps = 0 }: FakeTrainerOptions): number {
  return rate === 0 || step < quickSteps ? 0 : 1000 / rate;
}

const probeNames = ({ recipe: { retain } }: StartCommand): string[] => [
  ...Object.keys(retain.probes),
  ...(retain.auto ? ['auto'] : []),
];

function prepare(start: StartCommand, steps: number): void {
  const { recipe } = start;
  const names = probeNames(start);
  say({
    type: 'prepared',
    fingerprints: {
      comparison: `fake-${recipe.model}-${names.join('-')}`,
      cacheKey: 'fake',
      data: { train: 'fake' },
      probes: Object.fromEntries(names.map(name => [name, 'fake'])),
      tokenizer: 'fake',
      model: 'fake',
    },
    runtime: { name: 'fake', provider: 'cpu', reason: 'a fake trainer' },
    parameters: 2_000_000,
    trainedParameters: recipe.method.narrow ? 600_000 : 2_000_000,
    trainedShare: recipe.method.narrow ? 0.3 : 1,
    trained: recipe.method.narrow ? 'gate_proj, up_proj (8 tensors)' : 'everything (38 tensors)',
    steps,
    memoryEstimateBytes: 300_000_000,
    data: { trainRows: 400, replayRows: recipe.method.replay ? 100 : 0, droppedRows: 0, evalRows: { eval: 200 } },
    probes: Object.fromEntries(
      names.map(name => [name, { kind: kindOf(start, name), items: 200, replayed: isReplayed(start, name) }]),
    ),
    environment: { node: process.versions.node },
    warnings: [],
  });
  const series: [string, string, 'loss' | 'kl' | 'learningRate' | 'gradientNorm' | 'speed' | 'other'][] = [
    ['loss', 'nats/token', 'loss'],
    ['objective', 'nats/token', 'loss'],
    ['gradientNorm', '', 'gradientNorm'],
    ['learningRate', '', 'learningRate'],
    ['tokens', 'tokens', 'other'],
    ['taskTokens', 'tokens', 'other'],
    ['tokensPerSecond', 'tokens/s', 'speed'],
  ];
  if (recipe.method.replay) series.push(['replayLoss', 'nats/token', 'loss']);
  if (recipe.method.regularize) series.push(['penalty.kl', 'nats/token', 'kl']);
  for (const [name, unit, lane] of series) say({ type: 'series', name, unit, lane });
  say({
    type: 'checked',
    ok: true,
    checks: {
      labels: { status: 'ok' },
      mask: { status: 'ok' },
      precision: { status: 'ok' },
      neutral: { status: 'ok' },
      penalty: { status: recipe.method.regularize ? 'ok' : 'skipped' },
      trainEqualsEval: { status: 'ok' },
    },
  });
}

function stepEvent(start: StartCommand, step: number, options: FakeTrainerOptions): TrainerEvent {
  const wave = 0.05 * Math.sin(step / 5);
  const loss = step === options.nonFiniteAtStep ? Number.NaN : 1 + 2 * Math.exp(-step / 30) + wave;
  const { method, train } = start.recipe;
  const values = {
    loss,
    objective: loss,
    gradientNorm: 1 + wave,
    learningRate: train.learning_rate * (0.5 + 0.5 * Math.cos(step / 50)),
    tokens: 1024,
    taskTokens: 512,
    tokensPerSecond: 5000 + 100 * Math.cos(step / 7),
    ...Object.fromEntries(Array.from({ length: options.moreSeries ?? 0 }, (_, i) => [`more${i}`, wave * i])),
    ...(method.replay && { replayLoss: 2 + wave }),
    ...(method.regularize && { 'penalty.kl': 0.02 * (1 - Math.exp(-step / 30)) }),
  };
  return { type: 'step', step, ...travelling(values) };
}

function evaluation(start: StartCommand, step: number, final: boolean, options: FakeTrainerOptions): TrainerEvent {
  const { recipe } = start;
  const items = final ? 200 : recipe.evaluate.items;
  const reach = 1 - Math.exp(-step / 30);
  const learned = 1.5 * reach;
  const learning: Learning = {
    value: learned,
    low: learned - 0.1,
    high: learned + 0.1,
    unit: 'nats/token',
    items,
    base: 3,
    tuned: 3 - learned,
  };
  const sets = probeNames(start).map(name => [name, setScore(start, name, reach, items, options)]);
  return {
    type: 'evaluated',
    step,
    final,
    learning: Object.fromEntries(Object.keys(recipe.data.eval).map(name => [name, learning])),
    forgetting: Object.fromEntries(sets),
    kl: { train: 0.1 * reach, ...Object.fromEntries(sets.map(([name]) => [name, 0.05 * reach])) },
  };
}

/** Plain forgets, each safeguard less: a picture for panels, no claim about methods. */
function setScore(
  start: StartCommand,
  name: string,
  reach: number,
  items: number,
  options: FakeTrainerOptions,
): SetScore {
  const { method, retain } = start.recipe;
  const guard = (method.replay ? 0.3 : 1) * (method.regularize ? 0.5 : 1) * (method.narrow ? 0.4 : 1);
  const value = 0.3 * reach * guard;
  const low = value - 0.02;
  const high = value + 0.02;
  const { budget } = (name === 'auto' ? retain.auto : retain.probes[name]) ?? {};
  const kind = kindOf(start, name);
  const limit = budget && 'nats' in budget ? budget.nats : budget ? budget.points / 100 : null;
  const judged =
    limit === null ? undefined : low > limit ? 'forgot' : high <= limit && items >= 50 ? 'kept' : 'cannot tell';
  const verdict = options.verdicts?.[name] ?? judged;
  return {
    value,
    low,
    high,
    unit: 'nats/token',
    items,
    method: 'fake',
    kind,
    replayed: isReplayed(start, name),
    base: 2,
    tuned: 2 + value,
    ...(kind !== 'text' && {
      accuracy: {
        base: 0.98,
        tuned: 0.98 - value,
        drop: 100 * value,
        low: 100 * low,
        high: 100 * high,
        lost: 5,
        gained: 1,
      },
    }),
    ...(budget && { budget, verdict }),
    ...(verdict === 'cannot tell' && { itemsNeeded: 400 }),
  };
}

function check(start: StartCommand): void {
  prepare(start, 20);
  const rows = [
    {
      kind: 'task' as const,
      pieces: [
        { text: 'Question? ', supervised: false },
        { text: 'Answer.', supervised: true },
      ],
    },
  ];
  const replay = { kind: 'replay' as const, pieces: [{ text: 'An old sentence.', supervised: true }] };
  say({ type: 'firstBatch', rows: start.recipe.method.replay ? [...rows, replay] : rows, supervisedShare: 0.4 });
  say({ type: 'estimate', memoryBytes: 300_000_000, secondsPerStep: 0.2, seconds: 40 });
}

async function checkpoint(start: StartCommand, step: number): Promise<void> {
  checkpointAsked = false;
  const folder = `a${start.attempt}-step-${step}`;
  await whenThereIsRoom(() => writeCheckpoint(join(start.outputs.checkpoints, folder), step));
  say({ type: 'checkpointed', step, folder, bytes: 1000 });
}

/** As the real one does: waits, says so, and gives up when it is to stop. */
async function whenThereIsRoom(write: () => void): Promise<void> {
  for (let isSaid = false; ; isSaid = true) {
    try {
      return write();
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
      const { message } = error;
      if (stopping || inputEnded) {
        say({ type: 'failed', code: 'disk-full', message });
        leave(1);
        await never();
      }
      if (!isSaid) say({ type: 'waiting', code: 'disk-full', message });
      await pause(20);
    }
  }
}

/** Nothing in it is worth anything, but it verifies. */
function writeCheckpoint(folder: string, step: number): void {
  mkdirSync(folder, { recursive: true });
  const files: Manifest['files'] = {};
  for (const name of checkpointFiles) {
    const text = JSON.stringify({ step });
    files[name] = { bytes: text.length, sha256: createHash('sha256').update(text).digest('hex') };
    writeFileSync(join(folder, name), text);
  }
  writeFileSync(join(folder, manifestFile), JSON.stringify({ format: checkpointFormat, files }));
}

function kindOf(start: StartCommand, name: string): SetScore['kind'] {
  const file = start.recipe.retain.probes[name]?.file ?? '';
  if (/pairs|grammar/.test(file)) return 'pairs';
  return /choice|facts|arithmetic/.test(file) ? 'choice' : 'text';
}

const isReplayed = (start: StartCommand, name: string): boolean => !!start.recipe.method.replay && name === 'general';
const peak = (): number => process.resourceUsage().maxRSS * 1024;

function die(options: FakeTrainerOptions): void {
  if (options.signal) process.kill(process.pid, options.signal);
  else leave(options.exitCode ?? 1);
}

/** Resolves to the start command, or to null when the input ends first. Later commands set flags. */
function readCommands(): Promise<StartCommand | null> {
  return new Promise(resolve => {
    const splitter = new LineSplitter();
    let isFirst = true;
    process.stdin.on('data', (chunk: Buffer) => {
      for (const line of splitter.push(chunk)) {
        const decoded = 'text' in line ? decodeTrainerCommand(line.text) : null;
        if (decoded?.ok) obey(decoded.value, resolve);
        else if (isFirst) refuse();
        else process.stderr.write('fake trainer: not a command\n');
        isFirst = false;
      }
    });
    process.stdin.on('end', () => {
      inputEnded = true;
      resolve(null);
    });
  });
}

function refuse(): void {
  say({ type: 'failed', code: 'protocol', message: 'The first message must be start' });
  leave(1);
}

function obey(command: TrainerCommand, started: (start: StartCommand) => void): void {
  switch (command.type) {
    case 'start':
      started(command);
      return;
    case 'stop':
      stopping = true;
      return;
    case 'checkpoint':
      checkpointAsked = true;
      return;
    case 'recorded':
      return;
    case 'pause':
    case 'resume':
      paused = command.type === 'pause';
      return;
    default:
      command satisfies never;
  }
}

/** What was said is in the pipe before the program ends. */
function leave(code: number): void {
  process.stdout.write('', () => process.exit(code));
}

process.stdout.on('error', () => process.exit(1));
void main();
