import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRecipe } from '../../src/recipe/parse.ts';
import { RecipeError } from '../../src/recipe/problem.ts';
import { resolveRecipe } from '../../src/recipe/resolve.ts';
import { sweepArms } from '../../src/recipe/sweep.ts';
import { cpuMs, isWithinCpu } from '../slowness.ts';

const start =
  'model: m\ndata: { train: a.jsonl }\nretain: { probes: { p: { file: p.txt } } }\nmethod: { regularize: { weight: 0.5 } }\n';

const options = { fileName: 'a.tune.yaml' };
const arms = (text: string, overrides: string[] = []) => {
  const { recipe, problems } = parseRecipe(start + text);
  assert.ok(recipe, JSON.stringify(problems));
  return sweepArms(recipe, { ...options, overrides });
};

test('a sweep is every combination, the last key fastest, each named by what differs', () => {
  const found = arms('sweep: { method.regularize.weight: [0.1, 1], train.seed: [1, 2, 3] }\n');
  assert.deepEqual(
    found.map(({ variant, method, train }) => [variant, method.regularize?.weight, train.seed]),
    [
      ['weight=0.1 seed=1', 0.1, 1],
      ['weight=0.1 seed=2', 0.1, 2],
      ['weight=0.1 seed=3', 0.1, 3],
      ['weight=1 seed=1', 1, 1],
      ['weight=1 seed=2', 1, 2],
      ['weight=1 seed=3', 1, 3],
    ],
  );
});

test('an arm is the run that the same values make when they are written into the recipe', () => {
  const [arm] = arms('sweep: { train.learning_rate: [3.0e-4], adapter: [{ type: lora, r: 4 }] }\n');
  const { recipe } = parseRecipe(`${start}train: { learning_rate: 3.0e-4 }\nadapter: { type: lora, r: 4 }\n`);
  const written = resolveRecipe(recipe!, { ...options, variant: 'as-written' });
  assert.deepEqual({ ...arm, variant: 'as-written' }, written);
});

test('a run that is no arm ignores the sweep', () => {
  const { recipe } = parseRecipe(`${start}sweep: { train.seed: [7, 8] }\n`);
  const plain = resolveRecipe(recipe!, { ...options, variant: 'plain' });
  assert.ok(!('sweep' in plain));
  assert.equal(plain.train.seed, 1);
});

test('null removes a section, lists and sections have short names, alike keys keep what tells them apart', () => {
  const labels = (text: string) => arms(text).map(({ variant }) => variant);
  assert.deepEqual(labels('sweep: { method.replay: [null, { data: old.txt, share: 0.1 }] }\n'), [
    'replay=none',
    'replay=data:old.txt+share:0.1',
  ]);
  assert.deepEqual(labels('sweep: { method.narrow.tune: [[attention], [gate_proj, up_proj]] }\n'), [
    'tune=attention',
    'tune=gate_proj+up_proj',
  ]);
  assert.deepEqual(labels('sweep: { evaluate.every: [5], checkpoint.every: [6] }\n'), [
    'evaluate.every=5 checkpoint.every=6',
  ]);
});

test('--set holds for all arms', () => {
  const found = arms('sweep: { train.seed: [1, 2] }\n', ['train.max_steps=7']);
  assert.deepEqual(
    found.map(({ train }) => [train.seed, train.max_steps]),
    [
      [1, 7],
      [2, 7],
    ],
  );
});

/** The sweep with what is marked in ⟦ ⟧, what is said, and the remedy. */
const wrong: [string, RegExp, RegExp][] = [
  ['{ ⟦train.learnig_rate⟧: [1] }', /Unknown key train\.learnig_rate/, /Did you mean train\.learning_rate\?/],
  ['{ ⟦lora_rank⟧: [1] }', /Unknown key lora_rank/, /Did you mean adapter\.r\?/],
  ['{ ⟦weight⟧: [1] }', /Unknown key weight/, /Did you mean method\.regularize\.weight\?/],
  ['{ ⟦zzz⟧: [1] }', /Unknown key zzz/, /Write the whole path of a key/],
  ['{ ⟦__proto__⟧: [1] }', /cannot be a key/, /plain word/],
  ['{ ⟦train.__proto__.x⟧: [1] }', /Unknown key/, /whole path/],
  ['{ ⟦name⟧: [a, b] }', /name is nothing to sweep over/, /settings/],
  ['{ ⟦method.replay.source⟧: [self] }', /not supported yet/, /Remove/],
  ['{ train.seed: ⟦3⟧ }', /sweep\.train\.seed must be a list/, /.*/],
  ['{ train: ⟦{ seed: [1, 2] }⟧ }', /sweep\.train must be a list.* not a section/, /whole key paths/],
  ['{ train.seed: ⟦[]⟧ }', /at least one entry/, /.*/],
  ['{ train.learning_rate: [1.0e-3, ⟦-1⟧] }', /train\.learning_rate must be above 0, not -1/, /.*/],
  ['{ train.lr_scheduler: [cosine, ⟦cosin⟧] }', /train\.lr_scheduler must be cosine, linear or constant/, /cosine\?/],
  ['{ method.narrow.tune: [[attention], [⟦7⟧]] }', /method\.narrow\.tune/, /.*/],
  ['{ train.seed: [1, 2, ⟦1⟧] }', /1 stands twice in train\.seed/, /Keep one/],
  [
    '{ train.batch_size: [8, 9], train.micro_batch_size: [⟦4⟧] }',
    /With batch_size=9 micro_batch_size=4: .*multiple/,
    /divisor/,
  ],
  ['{ train.warmup_steps: [5, ⟦500⟧] }', /With warmup_steps=500: .*not below/, /Warm up/],
];

for (const [marked, says, remedy] of wrong) {
  test(`sweep: ${marked} is refused at its place`, () => {
    const text = marked.replace(/[⟦⟧]/g, '');
    const { recipe, problems } = parseRecipe(`${start}sweep: ${text}\n`);
    const [problem] = problems;
    assert.equal(recipe, null);
    assert.match(problem?.message ?? '', says);
    assert.match(problem?.remedy ?? '', remedy);
    const [from, to] = [marked.indexOf('⟦'), marked.indexOf('⟧') - 1];
    assert.deepEqual([problem?.range.column, problem?.range.endColumn], [8 + from, 8 + to]);
  });
}

test('a slip in a key is a quick fix: the whole path', () => {
  const [problem] = parseRecipe(`${start}sweep: { train.sead: [1] }\n`).problems;
  assert.equal(problem?.suggestion, 'train.seed');
});

test('at most 100 runs, and the count is told', () => {
  const numbers = Array.from({ length: 11 }, (_, i) => i + 1).join(', ');
  const { problems } = parseRecipe(`${start}sweep: { train.seed: [${numbers}], evaluate.items: [${numbers}] }\n`);
  assert.match(problems[0]?.message ?? '', /121 runs; at most 100/);
  assert.deepEqual(problems[0]?.path, ['sweep']);
  assert.equal(parseRecipe(`${start}sweep: {}\n`).problems[0]?.message, 'sweep names no key');
});

test('a hundred runs are checked between two key strokes', () => {
  const ten = Array.from({ length: 10 }, (_, i) => i + 1).join(', ');
  const text = `${start}sweep: { train.seed: [${ten}], train.warmup_steps: [${ten}] }\n`;
  parseRecipe(text);
  const from = cpuMs();
  assert.ok(parseRecipe(text).recipe);
  const took = cpuMs() - from;
  assert.ok(isWithinCpu(took, 400), `${took} ms of CPU`);
});

test('two runs that would be the same are refused: the swept key has no effect', () => {
  assert.throws(
    () => arms('sweep: { train.learning_rate: [1.0e-3, 2.0e-3], method.narrow: [{ learning_rate: 5.0e-3 }] }\n'),
    (error: unknown) => error instanceof RecipeError && /would be the same/.test(error.message),
  );
});

test('a recipe without a sweep says how to write one', () => {
  assert.throws(
    () => arms(''),
    (error: unknown) =>
      error instanceof RecipeError && error.code === 'no-sweep' && /train\.seed/.test(error.remedy ?? ''),
  );
});
