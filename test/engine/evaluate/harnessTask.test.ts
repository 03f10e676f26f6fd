import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { encodeProbeSet, scoreItems } from '../../../src/engine/evaluate/itemScores.ts';
import { readProbeSet } from '../../../src/engine/evaluate/probeSets.ts';
import { openTuningModel } from '../../../src/engine/model/openTuningModel.ts';
import { loadTokenizer } from '../../../src/engine/tokenizer/tokenizer.ts';
import { temporaryFolder } from '../../runs/testStore.ts';
import { recipe } from '../model/tinyLlama.ts';

const fixtures = fileURLToPath(new URL('./fixtures/harness', import.meta.url));
const shipped = 'models/holdfast-tiny';

interface HarnessNumbers {
  logLikelihoods: number[];
  acc?: number;
  acc_norm?: number;
}
const numbers = JSON.parse(readFileSync(join(fixtures, 'numbers.json'), 'utf8')) as Record<string, HarnessNumbers[]>;

for (const [name, task] of [
  ['facts', 'holdfast_facts'],
  ['sums', 'holdfast_sums'],
] as const) {
  test(`every item of ${name}.yaml scores as lm-evaluation-harness scores it`, async () => {
    const tokenizer = await loadTokenizer(shipped);
    const model = await openTuningModel({ folder: shipped, recipe: recipe(), purpose: 'score', threads: 1 });
    const items = encodeProbeSet(await readProbeSet(name, join(fixtures, `${name}.yaml`)), tokenizer, 128);
    // Each of an item's sequences as an item of its own, whose loss is then that of one choice.
    const apart = items.flatMap(({ line, sequences }) =>
      sequences.map(sequence => ({
        line,
        sequences: [sequence],
        main: 0,
        conclude: ([sum]: { nll: number; tokens: number }[]) => ({ loss: sum!.nll, tokens: sum!.tokens }),
      })),
    );
    const score = (batch: Parameters<typeof model.score>[0]) => model.score(batch, 'base');
    const ours = (await scoreItems(apart, 128, score)).map(({ loss }) => -loss);
    const theirs = numbers[task]!.flatMap(({ logLikelihoods }) => logLikelihoods);
    assert.equal(ours.length, theirs.length);
    for (const [i, logLikelihood] of ours.entries()) {
      assert.ok(Math.abs(logLikelihood - theirs[i]!) < 1e-4, `request ${i}: ${logLikelihood}, not ${theirs[i]}`);
    }
    const correct = (await scoreItems(items, 128, score)).map(item => item.correct);
    const expected = numbers[task]!.map(({ acc_norm }) => (acc_norm === undefined ? undefined : acc_norm === 1));
    assert.deepEqual(correct, expected);
    await model.close();
  });
}

const task = {
  output_type: 'multiple_choice',
  dataset_kwargs: { data_files: 'rows.jsonl' },
  doc_to_text: 'Q: {{q}}',
  doc_to_choice: '{{options}}',
  doc_to_target: 'answer',
};

function taskFile(written: object | string, rows = '{"q": "a?", "options": ["x", "y"], "answer": 1}\n'): string {
  const folder = temporaryFolder('task');
  writeFileSync(join(folder, 'rows.jsonl'), rows);
  const file = join(folder, 'task.yaml');
  writeFileSync(file, typeof written === 'string' ? written : JSON.stringify(written));
  return file;
}

test('templates, fields and lists make the same item, whatever way the target is written', async () => {
  const item = {
    kind: 'choice',
    context: 'Q: a?',
    delimiter: ' ',
    choices: ['x', 'y'],
    gold: 1,
    line: 1,
  };
  const ways = [task, { ...task, doc_to_choice: ['x', 'y'] }, { ...task, doc_to_target: '{{answer}}' }];
  for (const way of [...ways, { ...task, doc_to_target: 1 }, { ...task, doc_to_target: 'y' }]) {
    assert.deepEqual((await readProbeSet('t', taskFile(way))).items, [item]);
  }
});

test('a change of the data is a change of the set', async () => {
  const file = taskFile(task);
  assert.deepEqual((await readProbeSet('t', file)).files, [file, join(file, '..', 'rows.jsonl')]);
});

const refused: [string, object | string, RegExp][] = [
  ['a function', `${JSON.stringify(task).slice(0, -1)}, "doc_to_text": !function utils.text}`, /!function|unique/],
  ['a tag', 'output_type: loglikelihood\ndoc_to_text: !function utils.text\n', /run Python/],
  ['another type', { ...task, output_type: 'generate_until' }, /output_type/],
  ['a data set of the Hub', { ...task, dataset_kwargs: undefined, dataset_path: 'ai2_arc' }, /dataset_kwargs/],
  ['an include', { ...task, include: 'other.yaml' }, /include/],
  ['examples before the question', { ...task, num_fewshot: 5 }, /num_fewshot/],
  [
    'data outside of its folder',
    { ...task, dataset_kwargs: { data_files: '../../../etc/hosts' } },
    /outside|not there/,
  ],
  [
    'data that are not there',
    { ...task, dataset_kwargs: { data_files: 'none.jsonl' } },
    /none\.jsonl, which is not there/,
  ],
  ['a field that no row has', { ...task, doc_to_text: '{{question}}' }, /question, which a row has not/],
  ['a template that is none', { ...task, doc_to_text: '{% if %}' }, /template that cannot be filled/],
  ['choices that are none', { ...task, doc_to_choice: 'q' }, /rows\.jsonl, line 1: doc_to_choice gives no list/],
  ['a target that is none', { ...task, doc_to_target: '{{q}}' }, /line 1: doc_to_target gives none/],
];
for (const [title, written, says] of refused) {
  test(`a task with ${title} is refused`, async () => {
    await assert.rejects(readProbeSet('t', taskFile(written)), says);
  });
}

test('a link beside the task does not lead out of its folder', async () => {
  const file = taskFile({ ...task, dataset_kwargs: { data_files: 'data/rows.jsonl' } });
  const elsewhere = temporaryFolder('elsewhere');
  writeFileSync(join(elsewhere, 'rows.jsonl'), '{}\n');
  mkdirSync(join(file, '..', 'other'));
  symlinkSync(elsewhere, join(file, '..', 'data'));
  await assert.rejects(readProbeSet('t', file), /outside of its folder/);
});
