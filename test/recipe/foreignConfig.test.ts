import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kindOfConfig, translateConfig } from '../../src/recipe/foreignConfig.ts';
import { checkRecipe } from '../../src/recipe/parse.ts';

const axolotl = {
  base_model: 'org/base',
  load_in_4bit: true,
  adapter: 'qlora',
  lora_r: 32,
  lora_alpha: 16,
  lora_target_linear: true,
  datasets: [{ path: 'json', data_files: 'data/rows.jsonl', type: 'alpaca' }],
  sequence_len: 2048,
  sample_packing: true,
  group_by_length: true,
  micro_batch_size: 2,
  gradient_accumulation_steps: 4,
  num_epochs: 3,
  learning_rate: '2e-4',
  optim: 'adamw_bnb_8bit',
  torch_compile: true,
  lr_scheduler: 'cosine',
  warmup_ratio: 0.1,
  weight_decay: 0,
  eval_steps: 50,
  save_steps: 0.25,
  wandb_project: null,
};

const factory = {
  model_name_or_path: 'models/base',
  stage: 'sft',
  finetuning_type: 'lora',
  lora_rank: 8,
  lora_target: 'q_proj, v_proj',
  dataset: 'identity,alpaca_en_demo',
  cutoff_len: 1024,
  per_device_train_batch_size: 4,
  gradient_accumulation_steps: 2,
  learning_rate: 1e-4,
  max_steps: 300,
  num_train_epochs: 3,
  lr_scheduler_type: 'polynomial',
  warmup_ratio: 0.1,
  bf16: true,
};

test('a configuration of axolotl becomes a recipe that is valid, and what has no counterpart is named with the reason', () => {
  assert.equal(kindOfConfig(axolotl), 'axolotl');
  const { recipe, untranslated } = translateConfig(axolotl, 'axolotl');
  assert.deepEqual(recipe, {
    model: 'org/base',
    data: { train: 'data/rows.jsonl' },
    adapter: { type: 'lora', r: 32, alpha: 16, target_modules: ['attention', 'mlp'], load_in_4bit: true },
    train: {
      max_length: 2048,
      packing: true,
      group_by_length: true,
      learning_rate: 2e-4,
      weight_decay: 0,
      num_epochs: 3,
      micro_batch_size: 2,
      batch_size: 8,
      lr_scheduler: 'cosine',
      optim: 'adamw_8bit',
      torch_compile: true,
    },
    evaluate: { every: 50 },
    engine: 'torch',
  });
  const errors = checkRecipe(recipe).complaints.filter(({ severity }) => severity === 'error');
  assert.deepEqual(errors, []);
  assert.deepEqual(
    untranslated.map(({ key }) => key),
    ['warmup_ratio', 'save_steps'],
  );
});

test('a configuration of LLaMA-Factory too; a data set known by name alone has to be named as a file', () => {
  assert.equal(kindOfConfig(factory), 'LLaMA-Factory');
  const { recipe, untranslated } = translateConfig(factory, 'LLaMA-Factory');
  assert.deepEqual(recipe, {
    model: 'models/base',
    data: { train: 'data/train.jsonl' },
    adapter: { type: 'lora', r: 8, target_modules: ['q_proj', 'v_proj'] },
    train: {
      max_length: 1024,
      learning_rate: 1e-4,
      max_steps: 300,
      micro_batch_size: 4,
      batch_size: 8,
      warmup_steps: 30,
    },
  });
  assert.deepEqual(
    checkRecipe(recipe).complaints.filter(({ severity }) => severity === 'error'),
    [],
  );
  assert.deepEqual(
    untranslated.map(({ key }) => key),
    ['stage', 'dataset', 'lr_scheduler_type', 'bf16'],
  );
  assert.match(untranslated[1]!.why, /name a file/);
});

test('what is neither is told apart, and every key ends in the recipe or in the list', () => {
  assert.equal(kindOfConfig({ model: 'x' }), null);
  const odd = { base_model: 'x', a: 1, b: [1, 2], c: { d: 'e'.repeat(500) } };
  const { untranslated } = translateConfig(odd, 'axolotl');
  assert.deepEqual(
    untranslated.map(({ key }) => key),
    ['a', 'b', 'c'],
  );
  assert.ok(untranslated.every(({ value }) => value.length <= 81));
});
