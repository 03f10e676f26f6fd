import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRecipe } from '../../src/recipe/parse.ts';

const problemsOf = (text: string, retain = 'retain: { probes: { p: { file: p.txt } } }'): [string, string, number][] =>
  parseRecipe(`model: m\ndata: { train: a.jsonl, eval: e.jsonl }\n${retain}\n${text}\n`).problems.map(
    ({ code, path, range }) => [code, path.join('.'), range.line],
  );

test('max_steps and num_epochs cannot both say how long to train', () => {
  assert.deepEqual(problemsOf('train: { max_steps: 5, num_epochs: 1 }'), [['conflict', 'train.num_epochs', 4]]);
});

test('a warm-up as long as the run is refused, against the default length too', () => {
  const expected = [['conflict', 'train.warmup_steps', 4]];
  assert.deepEqual(problemsOf('train: { max_steps: 20, warmup_steps: 20 }'), expected);
  assert.deepEqual(problemsOf('train: { warmup_steps: 200 }'), expected);
  assert.deepEqual(problemsOf('train: { max_steps: 20, warmup_steps: 19 }'), []);
  assert.deepEqual(problemsOf('train: { num_epochs: 1, warmup_steps: 500 }'), []);
});

test('micro_batch_size divides batch_size', () => {
  assert.deepEqual(problemsOf('train: { batch_size: 8, micro_batch_size: 3 }'), [
    ['conflict', 'train.micro_batch_size', 4],
  ]);
  assert.deepEqual(problemsOf('train: { batch_size: 8, micro_batch_size: 16 }'), [
    ['conflict', 'train.micro_batch_size', 4],
  ]);
  assert.deepEqual(problemsOf('train: { batch_size: 8, micro_batch_size: 4 }'), []);
});

test('regularizing replay rows needs replay', () => {
  assert.deepEqual(problemsOf('method: { regularize: { on: [task, replay] } }'), [
    ['conflict', 'method.regularize.on.1', 4],
  ]);
  assert.deepEqual(problemsOf('method: { replay: { data: r.txt }, regularize: { on: [replay] } }'), []);
});

test('a list that is one word or holds nothing is told how to write it', () => {
  const said = (tune: string) => {
    const { problems } = parseRecipe(
      `model: m\ndata: { train: a.jsonl }\nretain: {}\nmethod: { narrow: { tune: ${tune} } }`,
    );
    return problems.map(({ message, remedy }) => `${message}. ${remedy ?? ''}`).at(-1) ?? '';
  };
  assert.match(said('attention'), /must be a list.* Write \[attention\]\.$/);
  assert.match(said('{ last_layers: 2 }'), /must be a list.* Put it in \[ and \]\.$/);
  assert.match(said('[]'), /must hold at least one entry\. $/);
});

test('narrow.tune must leave some adapter to train', () => {
  const adapter = 'adapter: { type: lora, target_modules: [q_proj] }';
  const narrow = (tune: string): string => `${adapter}\nmethod: { narrow: { tune: ${tune} } }`;
  assert.deepEqual(problemsOf(narrow('[gate_proj]')), [['conflict', 'method.narrow.tune', 5]]);
  assert.deepEqual(problemsOf(narrow('[mlp]')), [['conflict', 'method.narrow.tune', 5]]);
  assert.deepEqual(problemsOf(narrow('[attention]')), []);
  assert.deepEqual(problemsOf(narrow('[gate_proj, {last_layers: 2}]')), []);
});

test('a probe set may not read a file that is trained on, replayed or measured as learning, however it is spelt', () => {
  const probe = (file: string): string => `retain: { probes: { p: { file: "${file}" } } }`;
  const expected = [['probe-leak', 'retain.probes.p.file', 3]];
  assert.deepEqual(problemsOf('', probe('./a.jsonl')), expected);
  assert.deepEqual(problemsOf('', probe('x/../e.jsonl')), expected);
  assert.deepEqual(problemsOf('method: { replay: { data: r.txt } }', probe('.\\\\r.txt')), expected);
  assert.deepEqual(problemsOf('', probe('b/a.jsonl')), []);
});

test('what the base writes is a set called auto: no file may be, rules may name it, and a command has none', () => {
  assert.deepEqual(problemsOf('', 'retain: { probes: { auto: { file: p.txt } } }'), [
    ['bad-name', 'retain.probes.auto', 3],
  ]);
  assert.deepEqual(problemsOf('stop_if: forgetting.auto > 0.1', 'retain: auto'), []);
  assert.deepEqual(problemsOf('stop_if: forgetting.auto is forgot', 'retain: auto'), [
    ['rule-never-breaks', 'stop_if.0', 4],
  ]);
  assert.deepEqual(problemsOf('command: [python, train.py]', 'retain: auto'), [['conflict', 'retain.auto', 3]]);
  const drawn = 'retain: { probes: { p: { file: p.txt } }, prompts: [hi], answers: { temperature: 1 } }';
  assert.deepEqual(problemsOf('', drawn), []);
  assert.deepEqual(problemsOf('command: [python, train.py]', drawn), [['conflict', 'retain.answers', 3]]);
});

test('a probe set called train is refused: kl.train means the training rows', () => {
  assert.deepEqual(problemsOf('', 'retain: { probes: { train: { file: p.txt } } }'), [
    ['bad-name', 'retain.probes.train', 3],
  ]);
});

test('learning measured on training rows is warned of', () => {
  const { problems, recipe } = parseRecipe(
    'model: m\ndata: { train: a.jsonl, eval: { one: b.jsonl, two: ./a.jsonl } }\nretain: { probes: { p: { file: p } } }\n',
  );
  assert.deepEqual(
    problems.map(({ severity, code, path }) => [severity, code, path.at(-1)]),
    [['warning', 'eval-leak', 'two']],
  );
  assert.ok(recipe);
});

test('an adapter on a base in 4 bits is not merged, and needs the torch engine', () => {
  const packed = 'adapter: { type: lora, load_in_4bit: true, output: merged }';
  assert.deepEqual(
    problemsOf(`${packed}\nengine: torch`).map(([code, path]) => [code, path]),
    [['conflict', 'adapter.output']],
  );
  const alone = 'adapter: { type: lora, load_in_4bit: true }';
  assert.deepEqual(problemsOf(`${alone}\nengine: torch`), []);
  for (const engine of ['node', 'auto'])
    assert.deepEqual(
      problemsOf(`${alone}\nengine: ${engine}`).map(([code, path]) => [code, path]),
      [['conflict', 'adapter.load_in_4bit']],
    );
});

test('what the torch engine alone can do is refused without it, and not left out in silence', () => {
  const wishes =
    'adapter: { type: lora, use_dora: true }\ntrain: { deterministic: true, torch_compile: true, optim: adamw_8bit, precision: bf16 }';
  assert.deepEqual(
    problemsOf(wishes).map(([code, path]) => [code, path]),
    [
      ['conflict', 'adapter.use_dora'],
      ['conflict', 'train.deterministic'],
      ['conflict', 'train.torch_compile'],
      ['conflict', 'train.optim'],
      ['conflict', 'train.precision'],
    ],
  );
  assert.deepEqual(problemsOf(`${wishes}\nengine: torch`), []);
  assert.deepEqual(problemsOf('train: { gradient_checkpointing: true, optim: adamw, precision: auto }'), []);
});

test('a provider belongs to onnxruntime: not to tensorflow, and not to torch', () => {
  const found = (text: string) => problemsOf(text).map(([code, path]) => [code, path]);
  for (const fine of [
    'provider: webgpu',
    'provider: cuda\nruntime: onnxruntime',
    'provider: auto\nruntime: tensorflow',
  ])
    assert.deepEqual(found(fine), []);
  assert.deepEqual(found('provider: cuda\nruntime: tensorflow'), [['conflict', 'provider']]);
  assert.deepEqual(found('runtime: onnxruntime\nprovider: webgpu\nengine: torch'), [
    ['conflict', 'runtime'],
    ['conflict', 'provider'],
  ]);
});
