import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type JsonSchemaNode, recipeJsonSchema, recipeReference } from '../../src/recipe/jsonSchema.ts';
import { allKeys, keysOf, meantKey, nearest } from '../../src/recipe/keyNames.ts';
import { starterRecipe } from '../../src/recipe/newRecipe.ts';
import { parseRecipe } from '../../src/recipe/parse.ts';

test('docs/recipe.md is what the schema says (npm run docs:recipe writes it)', () => {
  assert.equal(readFileSync('docs/recipe.md', 'utf8'), recipeReference());
});

test('the recipe shown in docs/recipe.md has no problem, nor with any of the other snippets in it', () => {
  const sections = (yaml: string) => new Map(yaml.split(/^(?=\w)/m).map(text => [text.split(':')[0], text]));
  const [whole, ...parts] = [...recipeReference().matchAll(/```yaml\n(.*?)```/gs)].map(([, yaml]) => sections(yaml!));
  for (const part of [new Map(), ...parts]) {
    const text = [...new Map([...whole!, ...part]).values()].join('');
    assert.deepEqual(parseRecipe(text).problems, [], text);
  }
});

test('every key of the schema has a help text', () => {
  const bare: string[] = [];
  const walk = (node: JsonSchemaNode, path: string): void => {
    for (const [name, child] of Object.entries(node.properties ?? {})) {
      if (!child.description) bare.push(`${path}${name}`);
      walk(child, `${path}${name}.`);
    }
    if (typeof node.additionalProperties === 'object') walk(node.additionalProperties, `${path}*.`);
    for (const form of [...(node.anyOf ?? []), ...(node.items ? [node.items] : [])]) walk(form, path);
  };
  walk(recipeJsonSchema(), '');
  assert.deepEqual(bare, []);
});

test('the schema for editors closes every section, keeps defaults and shows them on hover', () => {
  const schema = recipeJsonSchema();
  assert.equal(schema.additionalProperties, false);
  assert.deepEqual(schema.required, ['model', 'data']);
  const rate = schema.properties!.train!.properties!.learning_rate!;
  assert.equal(rate.default, 0.001);
  assert.match(rate.markdownDescription!, /^\*\*train\.learning_rate\*\*.*\*number, above 0\*.*Default: `0\.001`$/s);
  assert.equal(schema.properties!.train!.properties!.max_steps!.maximum, undefined);
});

test('editors complete a sweep by the paths of all keys, each a list of what the key takes', () => {
  const { sweep } = recipeJsonSchema().properties!;
  const paths = Object.keys(sweep!.properties!);
  assert.deepEqual(
    allKeys().filter(key => !['name', 'sweep', 'stop_if'].includes(key) && !paths.includes(key)),
    [],
  );
  const { type, items } = sweep!.properties!['train.lr_scheduler']!;
  assert.deepEqual([type, items?.enum], ['array', ['cosine', 'linear', 'constant']]);
  assert.ok(!recipeReference().includes('sweep.train.seed'), 'the reference names each key once');
});

test('the starter recipe has no problem and watches for forgetting', () => {
  const { recipe, problems } = parseRecipe(starterRecipe({ name: 'my-run' }));
  assert.deepEqual(problems, []);
  assert.equal(recipe?.name, 'my-run');
  assert.deepEqual(Object.keys(recipe?.retain?.probes ?? {}), ['general']);
});

test('the keys of a section are known, also those of a probe set', () => {
  assert.ok(allKeys().includes('method.regularize.temperature'));
  assert.deepEqual(keysOf('method.replay'), ['data', 'share']);
  assert.deepEqual(keysOf('retain.probes.general'), ['file', 'budget']);
});

test('only near names are taken for slips', () => {
  assert.equal(nearest('learnign_rate', ['learning_rate', 'lr_scheduler']), 'learning_rate');
  assert.equal(nearest('momentum', ['learning_rate', 'seed']), undefined);
  assert.equal(nearest('sede', ['seed', 'share']), 'seed');
});

test('a foreign name is never translated to the section it stands in', () => {
  assert.equal(meantKey('adapter', 'rank')?.key, 'adapter.r');
  assert.equal(meantKey('method.regularize', 'beta')?.key, 'method.regularize.weight');
  assert.equal(meantKey('', 'frobnicate'), undefined);
});
