import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRecipe } from '../../src/recipe/parse.ts';
import { flattenSettings, nameOfFile, RecipeError, recipePaths, resolveRecipe } from '../../src/recipe/resolve.ts';
import type { Recipe } from '../../src/recipe/schema.ts';
import { availableVariants, comparisonArms } from '../../src/recipe/variants.ts';

const fileName = 'folder/Support Tone.tune.yaml';
const base = 'model: m\ndata: { train: a.jsonl, eval: e.jsonl }\nretain: { probes: { p: { file: p.txt } } }\n';
const full = `${base}method:
  replay: { data: r.txt, share: 0.25 }
  regularize: { weight: 2, on: [task, replay] }
  narrow: { tune: [mlp], learning_rate: 0.005 }
train: { learning_rate: 0.003 }
`;

function recipe(text: string): Recipe {
  const parsed = parseRecipe(text);
  assert.ok(parsed.recipe, JSON.stringify(parsed.problems));
  return parsed.recipe;
}

const problemOf = (action: () => unknown) => {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof RecipeError);
    return error;
  }
  throw new Error('nothing was refused');
};

test('each variant is plain and its own section alone', () => {
  const method = (variant: 'plain' | 'replay' | 'regularized' | 'narrow' | 'as-written') =>
    resolveRecipe(recipe(full), { variant, fileName }).method;
  assert.deepEqual(method('plain'), {});
  assert.deepEqual(method('replay'), { replay: { data: 'r.txt', share: 0.25 } });
  assert.deepEqual(Object.keys(method('regularized')), ['regularize']);
  assert.equal(method('regularized').regularize?.weight, 2);
  assert.deepEqual(method('narrow'), { narrow: { tune: ['mlp'], learning_rate: 0.005 } });
  assert.deepEqual(Object.keys(method('as-written')), ['replay', 'regularize', 'narrow']);
});

test('regularized alone holds the task rows, since there are no others', () => {
  const { method } = resolveRecipe(recipe(full), { variant: 'regularized', fileName });
  assert.deepEqual(method.regularize?.on, ['task']);
});

test('missing sections take the documented defaults', () => {
  const { method: regularized } = resolveRecipe(recipe(base), { variant: 'regularized', fileName });
  assert.deepEqual(regularized.regularize, {
    kind: 'kl',
    weight: 0.5,
    on: ['task'],
    teacher: 'auto',
    direction: 'forward',
    temperature: 1,
  });
  const { method: narrow } = resolveRecipe(recipe(base), { variant: 'narrow', fileName });
  assert.deepEqual(narrow.narrow, { tune: ['gate_proj', 'up_proj'] });
});

test('replay without data cannot run, and says what it needs', () => {
  const variants = availableVariants(recipe(base));
  assert.deepEqual(variants.find(({ name }) => name === 'replay')?.reason, 'needs data');
  assert.deepEqual(
    variants.filter(({ available }) => available).map(({ name }) => name),
    ['plain', 'regularized', 'narrow', 'as-written'],
  );
  const error = problemOf(() => resolveRecipe(recipe(base), { variant: 'replay', fileName }));
  assert.equal(error.code, 'needs-data');
  assert.match(error.remedy!, /method\.replay/);
});

test('narrow on an adapter that sits elsewhere needs modules', () => {
  const adapted = recipe(`${base}adapter: { type: lora }\n`);
  assert.equal(availableVariants(adapted).find(({ name }) => name === 'narrow')?.reason, 'needs modules');
});

test("narrow's own learning rate is the peak rate where narrow is on, and nowhere else", () => {
  const rate = (variant: 'plain' | 'narrow' | 'as-written' | 'replay') =>
    resolveRecipe(recipe(full), { variant, fileName }).train.learning_rate;
  assert.deepEqual([rate('plain'), rate('replay'), rate('narrow'), rate('as-written')], [0.003, 0.003, 0.005, 0.005]);
});

test('every default is written out', () => {
  const resolved = resolveRecipe(recipe(base), { variant: 'plain', fileName });
  assert.equal(resolved.name, 'support-tone');
  assert.equal(resolved.train.max_steps, 200);
  assert.equal(resolved.train.micro_batch_size, 8);
  assert.equal(resolved.retain.base, 'm');
  assert.deepEqual(resolved.retain.prompts, []);
  assert.deepEqual(resolved.data.eval, { eval: 'e.jsonl' });
  assert.deepEqual(JSON.parse(JSON.stringify(resolved)), resolved, 'it survives JSON');
});

test('num_epochs keeps max_steps away', () => {
  const { train } = resolveRecipe(recipe(`${base}train: { num_epochs: 2 }\n`), { variant: 'plain', fileName });
  assert.equal(train.max_steps, undefined);
  assert.equal(train.num_epochs, 2);
});

test('a recipe without retain resolves to the model as its own base and no probe', () => {
  const { retain } = resolveRecipe(recipe('model: m\ndata: { train: a }\n'), { variant: 'plain', fileName });
  assert.deepEqual(retain, { base: 'm', probes: {}, prompts: [] });
});

test('the paths of a run are those it reads, once each', () => {
  const resolved = resolveRecipe(recipe(full), { variant: 'as-written', fileName });
  assert.deepEqual(recipePaths(resolved), ['m', 'a.jsonl', 'e.jsonl', 'p.txt', 'r.txt']);
  assert.ok(!recipePaths(resolveRecipe(recipe(full), { variant: 'plain', fileName })).includes('r.txt'));
});

test('a file name makes a name that is safe in ids', () => {
  assert.equal(nameOfFile('C:\\x\\My Run (2).tune.yml'), 'my-run-2');
  assert.equal(nameOfFile('--.tune.yaml'), 'recipe');
  assert.match(nameOfFile(`${'x'.repeat(80)}.tune.yaml`), /^x{40}$/);
});

test('a comparison is plain, plain at a third of the rate, each part that can run, and the file as written', () => {
  const arms = comparisonArms(recipe(full), { fileName });
  assert.deepEqual(
    arms.map(({ variant }) => variant),
    ['plain', 'plain-third-rate', 'replay', 'regularized', 'narrow', 'as-written'],
  );
  assert.equal(arms[1]!.train.learning_rate, 0.001);
  assert.deepEqual({ ...arms[1]!.train, learning_rate: 0.003 }, arms[0]!.train);
  for (const { variant } of arms) assert.match(variant, /^[a-z0-9-]+$/);
});

test('a comparison leaves out what cannot run and what would run twice', () => {
  const labels = (text: string): string[] => comparisonArms(recipe(text), { fileName }).map(({ variant }) => variant);
  assert.deepEqual(labels(base), ['plain', 'plain-third-rate', 'regularized', 'narrow']);
  assert.deepEqual(labels(`${base}method: { narrow: { tune: [attention] } }\n`), [
    'plain',
    'plain-third-rate',
    'regularized',
    'narrow',
  ]);
});

test('a comparison takes overrides in all its arms, and can be narrowed to some', () => {
  const options = { fileName, overrides: ['train.seed=7', 'method.replay.data=r.txt'], only: ['plain', 'replay'] };
  const arms = comparisonArms(recipe(base), options);
  assert.deepEqual(
    arms.map(({ variant, train }) => [variant, train.seed]),
    [
      ['plain', 7],
      ['replay', 7],
    ],
  );
});

test('the arms of a comparison differ in nothing but what their names say', () => {
  const [plain, , replay] = comparisonArms(recipe(full), { fileName }).map(flattenSettings);
  const differing = Object.keys({ ...plain, ...replay }).filter(key => plain![key] !== replay![key]);
  assert.deepEqual(differing, ['variant', 'method.replay.data', 'method.replay.share']);
});

test('an override is YAML, may add sections, and null removes a key', () => {
  const resolved = resolveRecipe(recipe(full), {
    variant: 'as-written',
    fileName,
    overrides: [
      'train.max_steps=30',
      'method.narrow.tune=[q_proj, {last_layers: 2}]',
      'method.replay=null',
      'method.regularize.on=[task]',
    ],
  });
  assert.equal(resolved.train.max_steps, 30);
  assert.deepEqual(resolved.method.narrow?.tune, ['q_proj', { last_layers: 2 }]);
  assert.equal(resolved.method.replay, undefined);
});

test('a wrong override is refused in the words of the file, naming the override', () => {
  const refusal = (override: string) =>
    problemOf(() => resolveRecipe(recipe(full), { variant: 'plain', fileName, overrides: [override] }));
  assert.equal(refusal('train.seeed=1').message, '--set train.seeed=1: Unknown key seeed');
  assert.equal(refusal('train.seeed=1').remedy, 'Did you mean seed?');
  assert.match(refusal('train.seed=x').message, /^--set train\.seed=x: train\.seed must be a number/);
  assert.match(refusal('seed').message, /no form key\.path=value/);
  assert.match(refusal('model.name=x').message, /model has no keys of its own/);
  assert.match(refusal('__proto__.x=1').message, /no form key\.path=value/);
  assert.match(refusal('train.seed=[').message, /^--set/);
  assert.match(refusal('method.replay=null').message, /replay/, 'regularize still names replay');
});

test('an override that brings keys into conflict is refused', () => {
  const withSteps = recipe(`${base}train: { max_steps: 50, warmup_steps: 10 }\n`);
  const refusal = (override: string) =>
    problemOf(() => resolveRecipe(withSteps, { variant: 'plain', fileName, overrides: [override] }));
  assert.match(refusal('train.num_epochs=1').message, /both say how long/);
  assert.match(refusal('train.max_steps=5').message, /^--set train\.max_steps=5: train\.warmup_steps/);
});

test('what was resolved does not share objects with the recipe', () => {
  const written = recipe(full);
  const before = JSON.stringify(written);
  resolveRecipe(written, { variant: 'as-written', fileName, overrides: ['train.seed=3', 'method.replay.share=0.5'] });
  assert.equal(JSON.stringify(written), before);
});
