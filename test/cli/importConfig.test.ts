import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseRecipe } from '../../src/recipe/parse.ts';
import { ownHome, temporaryFolder, testEngine } from '../runs/testStore.ts';
import { start } from './commandLine.ts';

ownHome();
testEngine();

const axolotl = `base_model: org/base
datasets:
  - path: rows.jsonl
    type: alpaca
adapter: lora
lora_r: 4
micro_batch_size: 2
gradient_accumulation_steps: 2
num_epochs: 1
learning_rate: 0.0002
flash_attention: true
`;

test('import makes a recipe that reads without an error beside the configuration, and lists what it left out', async () => {
  const folder = temporaryFolder('import');
  writeFileSync(join(folder, 'mine.yaml'), axolotl);
  const { code, stdout } = await start({ folder }, ['import', 'mine.yaml', '--json']).done;
  assert.equal(code, 0);
  const [made] = JSON.parse(stdout) as [{ recipe: string; kind: string; untranslated: { key: string }[] }];
  assert.deepEqual([made.kind, made.untranslated.map(({ key }) => key)], ['axolotl', ['flash_attention']]);
  const text = readFileSync(join(folder, 'mine.tune.yaml'), 'utf8');
  assert.match(text, /^# From a configuration of axolotl\.\n# Not translated:\n# {3}flash_attention: true/);
  const { recipe, problems } = parseRecipe(text, 'mine.tune.yaml');
  assert.deepEqual(
    problems.filter(({ severity }) => severity === 'error'),
    [],
  );
  assert.deepEqual([recipe?.train.batch_size, recipe?.adapter?.r, recipe?.data.train], [4, 4, 'rows.jsonl']);
  const again = await start({ folder }, ['import', 'mine.yaml']).done;
  assert.equal(again.code, 2, 'a recipe that is there is not written over');
  assert.match(again.stderr, /is there already/);
});

test('a file of neither tool, one that is no YAML and one that is not there are refused, and nothing is written', async () => {
  const folder = temporaryFolder('import');
  writeFileSync(join(folder, 'odd.yaml'), 'model: x\n');
  writeFileSync(join(folder, 'torn.yaml'), 'base_model: [\n');
  for (const [name, words] of [
    ['odd.yaml', /neither axolotl nor LLaMA-Factory/],
    ['torn.yaml', /torn\.yaml/],
    ['none.yaml', /There is no file/],
  ] as const) {
    const { code, stderr } = await start({ folder }, ['import', name]).done;
    assert.equal(code, 2, stderr);
    assert.match(stderr, words);
    assert.ok(!existsSync(join(folder, name.replace('.yaml', '.tune.yaml'))));
  }
});
