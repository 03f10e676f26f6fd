import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { type ParsedRecipe, parseRecipe } from '../../src/recipe/parse.ts';

const start = 'model: m\ndata: { train: a.jsonl }\nretain: { probes: { p: { file: p.txt } } }\n';

/** "4:3-6 unknown-key": where and what. */
const marks = ({ problems }: ParsedRecipe): string[] =>
  problems.map(({ range: r, code }) => {
    const end = r.endLine === r.line ? r.endColumn : `${r.endLine}:${r.endColumn}`;
    return `${r.line}:${r.column}-${end} ${code}`;
  });

const only = (text: string) => {
  const { problems } = parseRecipe(text);
  assert.equal(problems.length, 1, JSON.stringify(problems, null, 1));
  return problems[0]!;
};

test('the shipped examples have no problem at all', () => {
  const files = readdirSync('examples').filter(name => name.endsWith('.tune.yaml'));
  assert.ok(files.length >= 3);
  for (const file of files) {
    const { problems, recipe } = parseRecipe(readFileSync(`examples/${file}`, 'utf8'), file);
    assert.deepEqual([file, problems], [file, []]);
    assert.ok(recipe);
  }
});

test('defaults are filled in, and method sections that are not written stay away', () => {
  const { recipe } = parseRecipe(start);
  assert.equal(recipe?.train.learning_rate, 1e-3);
  assert.equal(recipe?.evaluate.items, 32);
  assert.deepEqual(recipe?.method, {});
  assert.equal(recipe?.train.max_steps, undefined);
});

test('an unknown key is marked at the key, with the nearest known one', () => {
  const problem = only(`${start}train:\n  warmup_step: 3\n`);
  assert.deepEqual(problem.range, { line: 5, column: 3, endLine: 5, endColumn: 14 });
  assert.equal(problem.message, 'Unknown key warmup_step');
  assert.equal(problem.remedy, 'Did you mean warmup_steps?');
  assert.equal(problem.suggestion, 'warmup_steps');
  assert.deepEqual(problem.path, ['train', 'warmup_step']);
});

test('a key that is nothing like any other lists the keys of its section', () => {
  const problem = only(`${start}evaluate: { xyzzy: 3 }\n`);
  assert.equal(problem.remedy, 'Keys here: every, items.');
  assert.equal(problem.suggestion, undefined);
});

const foreign: [string, string][] = [
  ['lora_rank: 8', 'adapter.r'],
  ['lora_alpha: 8', 'adapter.alpha'],
  ['lora_target_modules: [q_proj]', 'adapter.target_modules'],
  ['num_train_epochs: 3', 'train.num_epochs'],
  ['epochs: 3', 'train.num_epochs'],
  ['cutoff_len: 256', 'train.max_length'],
  ['max_seq_length: 256', 'train.max_length'],
  ['per_device_train_batch_size: 2', 'train.micro_batch_size'],
  ['gradient_accumulation_steps: 2', 'train.micro_batch_size'],
  ['lr: 1e-4', 'train.learning_rate'],
  ['warmup_ratio: 0.1', 'train.warmup_steps'],
  ['lr_scheduler_type: cosine', 'train.lr_scheduler'],
  ['base_model: x', 'model'],
  ['eval_steps: 5', 'evaluate.every'],
];
for (const [written, ours] of foreign) {
  test(`the foreign key "${written}" is translated to ${ours}`, () => {
    const { code, remedy, range } = only(`${start}${written}\n`);
    assert.equal(code, 'foreign-key');
    assert.ok(remedy?.startsWith(`Here it is ${ours}.`), remedy);
    assert.equal(range.line, 4);
  });
}

test('a foreign key that counts differently says how, and offers no blind replacement', () => {
  const { remedy, suggestion } = only(`${start}train: { warmup_ratio: 0.1 }\n`);
  assert.equal(remedy, 'Here it is train.warmup_steps. It counts steps: ratio × max_steps.');
  assert.equal(suggestion, undefined);
});

test('learning-rate and learningRate are slips of learning_rate, and at the top they belong to train', () => {
  assert.equal(only(`${start}train: { learning-rate: 1 }\n`).suggestion, 'learning_rate');
  assert.equal(only(`${start}train: { learningRate: 1 }\n`).suggestion, 'learning_rate');
  assert.equal(only(`${start}learning_rate: 1\n`).remedy, 'It belongs to the section train.');
});

const later = [
  'stages: []',
  'launch: torchrun',
  'method: { replay: { data: x.txt, source: self } }',
  'method: { narrow: { tune: half } }',
  'method: { narrow: { tune: [principal] } }',
  'method: { narrow: { tune: orthogonal } }',
  'method: { regularize: { kind: l2sp } }',
  'method: { regularize: { kind: ewc } }',
  'method: { regularize: { kind: features } }',
  'method: { regularize: { teacher: cache } }',
  'train: { load_in_8bit: true }',
];
for (const text of later) {
  test(`"${text}" is refused as not supported yet`, () => {
    const { code, message } = only(`${start}${text}\n`);
    assert.equal(code, 'not-supported-yet');
    assert.match(message, /not supported yet/);
  });
}

test('retain: auto is short for retain.auto with its defaults, and watches for forgetting', () => {
  const short = parseRecipe('model: m\ndata: { train: a.jsonl }\nretain: auto\n');
  const long = parseRecipe('model: m\ndata: { train: a.jsonl }\nretain: { auto: {} }\n');
  assert.deepEqual([short.problems, long.problems], [[], []]);
  assert.deepEqual(short.recipe?.retain, { probes: {}, prompts: [], auto: { items: 200, tokens: 64 } });
  assert.deepEqual(short.recipe, long.recipe);
  assert.match(only('model: m\ndata: { train: a.jsonl }\nretain: atuo\n').message, /retain must be a section/);
  const points = parseRecipe('model: m\ndata: { train: a.jsonl }\nretain: { auto: { budget: { points: 2 } } }\n');
  assert.ok(points.problems.some(({ message }) => /Unknown key points/.test(message)));
});

test('arrow data are refused as not supported yet', () => {
  assert.match(only(start.replace('a.jsonl', 'a.arrow')).message, /arrow/);
});

test('a wrong value is marked at the value and says what it must be', () => {
  const cases: [string, string, RegExp][] = [
    ['adapter: { type: lora, r: 0.5 }', '4:27-30 wrong-type', /adapter\.r must be a whole number, not 0\.5/],
    ['train: { lr_scheduler: cosin }', '4:24-29 bad-value', /must be cosine, linear or constant, not "cosin"/],
    ['train: { packing: yes }', '4:19-22 wrong-type', /must be true or false, not "yes"/],
    ['train: { learning_rate: -1 }', '4:25-27 out-of-range', /must be above 0, not -1/],
    ['train: { learning_rate: .nan }', '4:25-29 wrong-type', /must be a number, not NaN/],
    ['train: { batch_size: 9999 }', '4:22-26 out-of-range', /must be at most 4096/],
    ['method: { replay: { data: x.txt, share: 1 } }', '4:41-42 out-of-range', /must be below 1/],
    ['train: 3', '4:8-9 wrong-type', /train must be a section/],
    ['method: { narrow: { tune: [] } }', '4:27-29 out-of-range', /at least one entry/],
    ['name: Support Tone', '4:7-19 bad-name', /cannot be a name/],
    ['train: { seed: 1.5 }', '4:16-19 wrong-type', /whole number/],
  ];
  for (const [text, mark, message] of cases) {
    const parsed = parseRecipe(`${start}${text}\n`);
    assert.deepEqual(marks(parsed), [mark], text);
    assert.match(parsed.problems[0]!.message, message);
    assert.equal(parsed.recipe, null);
  }
});

test('4 bits are asked for at the adapter, wherever another tool has them', () => {
  for (const text of ['load_in_4bit: true', 'train: { load_in_4bit: true }'])
    assert.equal(only(`${start}${text}\n`).remedy, 'It belongs to the section adapter.');
  assert.match(only(`${start}quantization_bit: 4\n`).remedy!, /^Here it is adapter\.load_in_4bit\./);
  const { code, remedy } = only(`${start}adapter: { type: qlora }\n`);
  assert.deepEqual([code, remedy], ['bad-value', 'Here it is type: lora with load_in_4bit: true.']);
});

test('an optimizer is named as other tools name it, and refused with its name here', () => {
  assert.equal(only(`${start}train: { optim: adamw_bnb_8bit }\n`).remedy, 'Here it is adamw_8bit.');
  assert.equal(only(`${start}train: { optim: adamw_torch_fused }\n`).remedy, 'Here it is adamw.');
  assert.match(only(`${start}train: { optim: lion }\n`).message, /must be adamw or adamw_8bit, not "lion"/);
});

test('a misspelt value names the nearest known one', () => {
  assert.equal(only(`${start}train: { lr_scheduler: cosin }\n`).remedy, 'Did you mean cosine?');
});

test('a budget holds exactly one of nats and points', () => {
  const probe = (budget: string): string =>
    `model: m\ndata: { train: a.jsonl }\nretain: { probes: { p: { file: p.txt, budget: ${budget} } } }\n`;
  for (const budget of ['3', '{}', '{ nat: 3 }', '{ nats: 0.1, points: 2 }']) {
    const { message, remedy } = only(probe(budget));
    assert.equal(message, 'retain.probes.p.budget must hold one of nats and points');
    assert.match(remedy!, /nats: 0\.05/);
  }
  assert.match(only(probe('{ points: 101 }')).message, /points must be at most 100/);
  assert.match(only(probe('{ nats: -1 }')).message, /nats must be at least 0/);
});

test('a missing key is told at the section that lacks it', () => {
  assert.deepEqual(marks(parseRecipe('data:\n  eval: x.jsonl\nretain: {probes: {p: {file: p}}}\n')), [
    '1:1-1 missing-key',
    '1:1-5 missing-key',
  ]);
  const { message, range } = only('model: m\ndata: { train: a }\nretain:\n  probes:\n    p: { budget: { nats: 1 } }\n');
  assert.equal(message, 'retain.probes.p.file is missing');
  assert.deepEqual([range.line, range.column], [5, 5]);
});

test('an empty value is told at its key', () => {
  const { message, range } = only(`${start}train:\n  max_steps:\n`);
  assert.equal(message, 'train.max_steps is empty');
  assert.deepEqual([range.line, range.column, range.endColumn], [5, 3, 12]);
});

test('a section with all its keys commented out is told, not taken for defaults', () => {
  assert.equal(only(`${start}method:\n  # replay: x\n`).message, 'method is empty');
});

test('every problem of a file is told at once, in the order of the text', () => {
  const text = `lora_rank: 4\n${start}train: { seed: x, learn_rate: 3 }\nstages: []\n`;
  assert.deepEqual(
    parseRecipe(text).problems.map(({ code }) => code),
    ['foreign-key', 'wrong-type', 'unknown-key', 'not-supported-yet'],
  );
});

test('a recipe that watches nothing is warned of and stays usable', () => {
  const parsed = parseRecipe('model: m\ndata: { train: a.jsonl }\n');
  assert.deepEqual(
    parsed.problems.map(({ severity, code }) => [severity, code]),
    [['warning', 'no-retain']],
  );
  assert.match(parsed.problems[0]!.remedy!, /retain\.probes/);
  assert.ok(parsed.recipe);
  const empty = parseRecipe('model: m\ndata: { train: a.jsonl }\nretain: { prompts: [hi] }\n');
  assert.deepEqual(marks(empty), ['3:1-7 no-retain']);
});

test('rangeOf finds keys, values and list entries, also in a broken recipe', () => {
  const { rangeOf, recipe } = parseRecipe(`${start}method:\n  narrow: { tune: [mlp, attention] }\nbroken: 1\n`);
  assert.equal(recipe, null);
  assert.deepEqual(rangeOf(['method']), { line: 4, column: 1, endLine: 4, endColumn: 7 });
  assert.deepEqual(rangeOf(['method', 'narrow', 'tune', 1]), { line: 5, column: 25, endLine: 5, endColumn: 34 });
  assert.deepEqual(rangeOf(['retain', 'probes', 'p', 'file'], 'value')?.column, 32);
  assert.equal(rangeOf(['train', 'seed']), undefined);
  assert.ok(parseRecipe('train: [\nmodel: x').rangeOf(['train']));
});
