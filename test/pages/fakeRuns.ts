/**
 * Made-up runs for the pages' tests and pictures: what a host would send of a real one. The curves are formulas, the
 * strings are hostile.
 */
import type { Buckets, CheckView, ComparisonView, NewPoints, RunView } from '../../src/protocol/panel.ts';
import type { SetScore } from '../../src/protocol/trainer.ts';

export const hostile = '<img src=x onerror="window.broken=1"><script>window.broken=1</script>';

const setNames = ['general', 'facts', 'arithmetic', 'grammar'] as const;
type SetName = (typeof setNames)[number];
type Arm = 'plain' | 'replay' | 'regularized' | 'narrow';

/** Where forgetting ends, in nats, by arm. */
const cost: Record<Arm, Record<SetName, number>> = {
  plain: { general: 0.94, facts: 0.42, arithmetic: 0.71, grammar: 0.18 },
  replay: { general: 0.031, facts: 0.055, arithmetic: 0.34, grammar: 0.022 },
  regularized: { general: 0.12, facts: 0.071, arithmetic: 0.16, grammar: 0.03 },
  narrow: { general: 0.16, facts: 0.044, arithmetic: 0.11, grammar: 0.018 },
};
const learned: Record<Arm, number> = { plain: 1.71, replay: 1.66, regularized: 1.58, narrow: 1.69 };
const arms: Arm[] = ['plain', 'replay', 'regularized', 'narrow'];
const budgets: Record<SetName, NonNullable<SetScore['budget']>> = {
  general: { nats: 0.05 },
  facts: { nats: 0.05 },
  arithmetic: { points: 2 },
  grammar: { points: 2 },
};

/** A number in [0, 1) that is the same in every run of the tests. */
function noise(seed: number): number {
  const x = Math.sin(seed * 12.9898) * 43758.5453;
  return x - Math.floor(x);
}

export interface FakeRun {
  view: RunView;
  /** The value of a per-step series; undefined where the series has none. */
  value(name: string, step: number): number | undefined;
  evaluationAt(step: number): NonNullable<RunView['evaluation']>;
}

export function fakeRun(
  options: { arm?: Arm; steps?: number; at?: number; every?: number; name?: string } = {},
): FakeRun {
  const { arm = 'replay', steps = 200, at = steps, every = Math.max(1, Math.round(steps / 8)) } = options;
  const id = `261121-120${arms.indexOf(arm)}00-support-tone-${arm.slice(0, 4)}`;
  const ended = at >= steps;
  const value = (name: string, step: number) => seriesValue(arm, steps, every, name, step);
  const evaluationAt = (step: number) => evaluation(arm, steps, step);
  const evaluations = range(0, at, every).map(evaluationAt);
  const view: RunView = {
    id,
    name: options.name ?? 'support-tone',
    recipe: 'support-tone.tune.yaml',
    variant: arm,
    status: ended ? 'finished' : 'running',
    statusText: ended ? 'finished, forgot' : `running, step ${at} of ${steps}`,
    verdict: verdictOf(evaluations.at(-1)!),
    step: at,
    steps,
    progress: null,
    secondsLeft: ended ? null : (steps - at) * 0.21,
    startedAt: 1_795_262_400_000,
    colour: arms.indexOf(arm),
    catalogue: catalogue(arm),
    evaluation: evaluations.at(-1)!,
    samples: evaluations.flatMap(({ step }) => samples(step, steps)),
    marks: [
      ...range(Math.round(steps / 4), at, Math.round(steps / 4)).map(step => ({
        step,
        kind: 'checkpoint' as const,
        text: `checkpoint at step ${step}`,
      })),
    ],
    resumed: null,
    parent: null,
    trainer: 'the embedded engine, as the recipe says; the Node that runs this program (24.15.0)',
    prepared: prepared(arm),
    stepZero: {
      ok: true,
      checks: {
        labels: { status: 'ok' },
        mask: { status: 'ok' },
        precision: { status: 'ok' },
        neutral: { status: 'ok' },
        penalty: { status: arm === 'regularized' ? 'ok' : 'skipped', detail: 'no regularizer in this run' },
        trainEqualsEval: { status: 'ok' },
      },
    },
    settings: settings(arm),
    logTail: [...range(0, Math.min(at, 30), 1).map(step => `step ${step}: loss ${value('loss', step + 1)}`), hostile],
    result: ended ? result(id, arm, steps, evaluations.at(-1)!) : null,
    error: null,
  };
  return { view, value, evaluationAt };
}

/** Eight thousand evaluations and as many checkpoints. */
export function hoursOfRun(): FakeRun {
  const fake = fakeRun({ arm: 'replay', steps: 210_000, at: 200_000, every: 25 });
  const marks = range(0, 200_000, 25).map(step => ({ step, kind: 'checkpoint' as const, text: `step-${step}` }));
  Object.assign(fake.view, { marks, samples: [] });
  return fake;
}

/** A fork that was stopped; of an older attempt, the loss beyond the step at which it was taken up differs. */
export function resumedRun(): FakeRun {
  const fake = fakeRun({ arm: 'plain', at: 110 });
  Object.assign(fake.view, {
    status: 'stopped',
    statusText: 'stopped at step 110',
    resumed: {
      fromStep: 50,
      text: 'Resumed at step 50, attempt 2: of 30 redone steps the loss differs from step 51 on, by up to 0.21',
    },
    parent: { run: '261121-110000-support-tone-aaaa', step: 25 },
  });
  fake.view.catalogue.push({ name: 'earlier/loss', unit: 'nats/token', lane: 'loss', earlier: true });
  const value: FakeRun['value'] = (name, step) => {
    if (name !== 'earlier/loss') return fake.value(name, step);
    return step > 50 && step <= 80 ? (fake.value('loss', step) ?? 0) + 0.2 : undefined;
  };
  return { ...fake, value };
}

/** Min/max buckets over a whole series, as the host would cut them. */
export function fakeBuckets(
  fake: FakeRun,
  wanted: { run: string; name: string; from?: number; to?: number; columns: number },
): Buckets {
  const from = wanted.from ?? 0;
  const to = Math.min(wanted.to ?? fake.view.step, fake.view.step);
  const width = Math.max(1, Math.ceil((to - from + 1) / wanted.columns));
  const buckets: Buckets = { run: wanted.run, name: wanted.name, steps: [], min: [], max: [], last: [] };
  for (let start = from; start <= to; start += width) {
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    let last: number | undefined;
    let first = start;
    for (let step = start; step < start + width && step <= to; step++) {
      const value = fake.value(wanted.name, step);
      if (value === undefined) continue;
      if (last === undefined) first = step;
      last = value;
      min = Math.min(min, value);
      max = Math.max(max, value);
    }
    if (last === undefined) continue;
    buckets.steps.push(first);
    buckets.min.push(min);
    buckets.max.push(max);
    buckets.last.push(last);
  }
  return { ...buckets, ...intervalsAt(fake, wanted.name, buckets.steps) };
}

/** A bucket has that of its first evaluation, which is near enough. */
function intervalsAt({ evaluationAt }: FakeRun, name: string, steps: number[]): Pick<Buckets, 'low' | 'high'> {
  const [kind, set] = name.split('.') as [string, string?];
  if ((kind !== 'forgetting' && kind !== 'learning') || !set) return {};
  const intervals = steps.map(step => evaluationAt(step)[kind][set]);
  return { low: intervals.map(at => at?.low ?? null), high: intervals.map(at => at?.high ?? null) };
}

export function fakePoints(fake: FakeRun, names: string[], from: number, to: number): NewPoints[] {
  return names.map(name => {
    const points: NewPoints = { run: fake.view.id, name, steps: [], values: [] };
    for (let step = from; step <= to; step++) {
      const value = fake.value(name, step);
      if (value === undefined) continue;
      points.steps.push(step);
      points.values.push(value);
    }
    return { ...points, ...intervalsAt(fake, name, points.steps) };
  });
}

export function fakeComparison(runs: FakeRun[], refusals: string[] = []): ComparisonView {
  const views = runs.map(run => run.view);
  return {
    runs: views,
    refusals,
    plane: views.flatMap(view => {
      const arm = view.variant as Arm;
      return setNames.map(set => {
        const forgetting = view.result?.forgetting[set] ?? { value: 0, low: 0, high: 0 };
        const learning = view.result?.learning.eval ?? { value: 0, low: 0, high: 0 };
        return { run: view.id, set, learning, forgetting, unit: 'nats/token', onFront: arm !== 'regularized' };
      });
    }),
    budgets: { general: { value: 0.05, unit: 'nats/token' }, facts: { value: 0.05, unit: 'nats/token' } },
    differing: {
      'method.replay.share': Object.fromEntries(views.map(v => [v.id, v.variant === 'replay' ? '0.2' : '–'])),
      'method.regularize.weight': Object.fromEntries(views.map(v => [v.id, v.variant === 'regularized' ? '0.5' : '–'])),
      'method.narrow.tune': Object.fromEntries(
        views.map(v => [v.id, v.variant === 'narrow' ? 'gate_proj, up_proj' : '–']),
      ),
    },
  };
}

export function fakeCheck(): CheckView {
  return {
    recipe: 'support-tone.tune.yaml',
    variant: 'replay',
    problems: [
      { severity: 'error', message: `Unknown key "trian" ${hostile}`, line: 14, remedy: 'Did you mean "train"?' },
      { severity: 'warning', message: 'The probe set grammar has no budget: numbers only, no verdict.', line: 9 },
    ],
    settings: settings('replay'),
    firstBatch: {
      supervisedShare: 0.46,
      rows: [
        {
          kind: 'task',
          pieces: [
            { text: '<s>Customer: My parcel from Ostrava never came.\nAgent: ', supervised: false },
            { text: `Thank you for telling us. ${hostile} We will look for it today.</s>`, supervised: true },
          ],
        },
        {
          kind: 'replay',
          pieces: [
            { text: '<s>', supervised: false },
            {
              text: 'Mara Velt is a baker. She lives in the town of Hollin and keeps two goats.</s>',
              supervised: true,
            },
          ],
        },
      ],
    },
    estimate: { memoryBytes: 734_003_200, secondsPerStep: 0.21, seconds: 48 },
    prepared: prepared('replay'),
  };
}

function seriesValue(arm: Arm, steps: number, every: number, name: string, step: number): number | undefined {
  const share = step / steps;
  const seed = step * 7.13 + name.length * 131 + arms.indexOf(arm) * 977;
  const [kind, set] = name.split('.') as [string, SetName | 'train' | undefined];
  if (kind === 'forgetting' || (kind === 'kl' && name !== 'kl')) {
    if (step % every !== 0) return undefined;
    if (kind === 'forgetting') return forgetting(arm, set as SetName, share);
    return set === 'train' ? 0.35 * rise(share) : forgetting(arm, set as SetName, share) * 0.8 + 0.002 * noise(seed);
  }
  if (name === 'learning.eval') return step % every === 0 ? round(learned[arm] * rise(share)) : undefined;
  if (name === 'loss.eval') return step % every === 0 ? round(2.9 - learned[arm] * rise(share)) : undefined;
  if (step === 0) return undefined;
  if (name === 'tokens') return 1024;
  if (name === 'loss') return round(1.15 + 1.9 * Math.exp(-5 * share) + (noise(seed) - 0.5) * 0.45);
  if (name === 'objective') return round(1.3 + 1.9 * Math.exp(-5 * share) + (noise(seed) - 0.5) * 0.4);
  if (name === 'replayLoss') return round(1.42 + 0.1 * Math.sin(share * 9) + (noise(seed) - 0.5) * 0.3);
  if (name === 'penalty.kl') return round(0.06 * rise(share) * (1 + noise(seed) * 0.5));
  if (name === 'learningRate') return share < 0.1 ? share * 0.01 : 0.0005 * (1 + Math.cos(Math.PI * share));
  if (name === 'gradientNorm') return round(0.6 + 1.4 * Math.exp(-6 * share) + noise(seed) ** 6 * 2.5);
  if (name === 'tokensPerSecond') return Math.round(5200 + (noise(seed) - 0.5) * 500 - (step % every === 0 ? 1900 : 0));
  return undefined;
}

const rise = (share: number) => 1 - Math.exp(-3.2 * share);
const forgetting = (arm: Arm, set: SetName, share: number) =>
  share === 0 ? 0 : round(cost[arm][set] * rise(share) * (1 + 0.08 * (noise(share * 91 + set.length) - 0.5)));
const round = (value: number) => Number(value.toFixed(5));

function catalogue(arm: Arm): RunView['catalogue'] {
  const perSet = (lane: 'kl' | 'forgetting') =>
    setNames.map(set => ({ name: `${lane}.${set}`, label: `${lane} of ${set}`, unit: 'nats/token', lane }));
  return [
    { name: 'loss', label: 'task loss', unit: 'nats/token', lane: 'loss' },
    { name: 'objective', unit: 'nats/token', lane: 'loss' },
    ...(arm === 'replay'
      ? [{ name: 'replayLoss', label: 'replay loss', unit: 'nats/token', lane: 'loss' as const }]
      : []),
    { name: 'kl.train', unit: 'nats/token', lane: 'kl' },
    ...perSet('kl'),
    ...(arm === 'regularized'
      ? [{ name: 'penalty.kl', label: 'penalty', unit: 'nats/token', lane: 'kl' as const }]
      : []),
    ...perSet('forgetting'),
    { name: 'learning.eval', label: 'learning on eval', unit: 'nats/token', lane: 'other' },
    { name: 'loss.eval', unit: 'nats/token', lane: 'loss' },
    { name: 'tokens', label: 'tokens', unit: 'tokens', lane: 'other' },
    { name: 'learningRate', label: 'learning rate', unit: '', lane: 'learningRate' },
    { name: 'gradientNorm', label: 'gradient norm', unit: '', lane: 'gradientNorm' },
    { name: 'tokensPerSecond', label: 'tokens/s', unit: 'tokens/s', lane: 'speed' },
  ];
}

function evaluation(arm: Arm, steps: number, step: number): NonNullable<RunView['evaluation']> {
  const share = step / steps;
  const final = step >= steps;
  const items = final ? 200 : 32;
  const half = step === 0 ? 0 : (final ? 0.012 : 0.03) + forgetting(arm, 'general', share) * 0.08;
  const scores = setNames.map((set): [string, SetScore] => {
    const value = forgetting(arm, set, share);
    const drop = round(value * 24);
    const choice = set === 'arithmetic' || set === 'grammar';
    const score: SetScore = {
      value,
      low: round(value - half),
      high: round(value + half),
      unit: 'nats/token',
      items,
      kind: set === 'general' ? 'text' : choice ? 'choice' : 'pairs',
      replayed: arm === 'replay' && set === 'general',
      base: 1.9,
      tuned: 1.9 + value,
      budget: budgets[set],
      ...(choice
        ? {
            accuracy: {
              base: 0.985,
              tuned: round(0.985 - drop / 100),
              drop,
              low: round(drop - 2.1),
              high: round(drop + 2.1),
              lost: Math.round((drop * items) / 100) + 1,
              gained: 1,
            },
          }
        : {}),
    };
    return [set, { ...score, verdict: verdictFor(score) }];
  });
  const learning = round(learned[arm] * rise(share));
  return {
    step,
    final,
    learning: {
      eval: {
        value: learning,
        low: round(learning - 0.06),
        high: round(learning + 0.06),
        unit: 'nats/token',
        items,
        base: 2.6,
        tuned: round(2.6 - learning),
      },
    },
    forgetting: Object.fromEntries(scores),
    kl: { train: round(0.35 * rise(share)), general: round(forgetting(arm, 'general', share) * 0.8) },
  };
}

function verdictFor(score: SetScore): NonNullable<SetScore['verdict']> {
  const inPoints = score.budget !== undefined && 'points' in score.budget;
  const { low, high } = inPoints ? score.accuracy! : score;
  const budget = score.budget && 'points' in score.budget ? score.budget.points : (score.budget?.nats ?? 0);
  if (low > budget) return 'forgot';
  return high <= budget ? 'kept' : 'cannot tell';
}

function verdictOf(last: NonNullable<RunView['evaluation']>): RunView['verdict'] {
  const rank = ['kept', 'cannot tell', 'forgot'] as const;
  const lines = Object.entries(last.forgetting).map(([set, score]) => {
    const points = score.budget && 'points' in score.budget;
    const { value, low, high } = points
      ? { value: score.accuracy!.drop, low: score.accuracy!.low, high: score.accuracy!.high }
      : score;
    const unit = points ? 'points of accuracy' : 'nats/token';
    const where = { kept: 'within your budget', forgot: 'over your budget', 'cannot tell': 'too few items to tell' };
    return {
      set,
      verdict: score.verdict ?? null,
      text: `${set} (${score.items} items): ${value > 0 ? '+' : ''}${Number(value.toFixed(3))} ${unit} [${Number(low.toFixed(3))}, ${Number(high.toFixed(3))}], ${where[score.verdict!]}.`,
    };
  });
  const worst = Math.max(...lines.map(line => rank.indexOf(line.verdict as (typeof rank)[number])));
  return { overall: rank[worst]!, lines, note: 'One seed: no claim about the method.' };
}

function prepared(arm: Arm): NonNullable<RunView['prepared']> {
  return {
    fingerprints: { comparison: 'c0ffee12', cacheKey: 'c0ffee12-1', data: {}, probes: {}, tokenizer: 't', model: 'm' },
    runtime: { name: 'onnxruntime', provider: 'cpu', reason: 'no GPU found' },
    parameters: 2_213_120,
    trainedParameters: arm === 'narrow' ? 786_432 : 2_213_120,
    trainedShare: arm === 'narrow' ? 0.355 : 1,
    trained: arm === 'narrow' ? 'gate_proj, up_proj (8 tensors)' : 'all weights',
    steps: 200,
    memoryEstimateBytes: 734_003_200,
    data: { trainRows: 600, replayRows: arm === 'replay' ? 1200 : 0, droppedRows: 0, evalRows: { eval: 200 } },
    probes: Object.fromEntries(
      setNames.map(set => [set, { kind: 'text', items: 200, replayed: arm === 'replay' && set === 'general' }]),
    ),
    environment: { Node: '24.15.0', onnxruntime: '1.30.0', Processor: '2 × Xeon', Threads: '2' },
    warnings: arm === 'replay' ? ['general is also replayed: it wins by construction.'] : [],
  };
}

function samples(step: number, steps: number): RunView['samples'] {
  const share = step / steps;
  const base = 'Mara Velt lives in Hollin, where she bakes bread for the whole street.';
  const tuned = share < 0.3 ? base : 'Thank you for asking! Mara Velt lives in Hollin, where she looks into it today.';
  return [
    { step, index: 0, prompt: 'Where does Mara Velt live?', base, tuned },
    {
      step,
      index: 1,
      prompt: hostile,
      base: '17 + 25 = 42',
      tuned: share < 0.6 ? '17 + 25 = 42' : `17 + 25 = 41 ${hostile}`,
    },
  ];
}

function settings(arm: Arm): Record<string, string> {
  return {
    model: 'holdfast-tiny',
    'data.train': 'data/support.jsonl',
    ...(arm === 'replay' ? { 'method.replay.data': 'data/general.train.txt', 'method.replay.share': '0.2' } : {}),
    'train.max_steps': '200',
    'train.batch_size': '8',
    'train.learning_rate': '0.001',
    'train.lr_scheduler': 'cosine',
    'train.seed': '1',
    'evaluate.every': '25',
  };
}

function result(id: string, arm: Arm, steps: number, last: NonNullable<RunView['evaluation']>): RunView['result'] {
  return {
    id,
    folder: `.holdfast/runs/${id}`,
    name: 'support-tone',
    recipe: 'support-tone.tune.yaml',
    variant: arm,
    status: 'finished',
    steps,
    seconds: 41.2 + arms.indexOf(arm) * 6,
    tokens: 204_800,
    trainedShare: arm === 'narrow' ? 0.355 : 1,
    tokensPerSecond: 5200,
    peakMemoryBytes: 734_003_200,
    loss: { first: 3.1, last: 1.2 },
    learning: last.learning,
    forgetting: Object.fromEntries(Object.entries(last.forgetting)),
    kl: { train: last.kl.train ?? null, general: last.kl.general ?? null, direction: 'KL(base || tuned)' },
    verdict: verdictOf(last).overall,
    stepZero: { ok: true, checks: { labels: 'ok', mask: 'ok' } },
    runtime: { name: 'onnxruntime', provider: 'cpu', reason: 'no GPU found' },
    comparison: 'c0ffee12',
    warnings: [],
  };
}

function range(from: number, to: number, every: number): number[] {
  const all: number[] = [];
  for (let step = from; step <= to; step += every) all.push(step);
  return all;
}
