/**
 * Models, tokenizers, templates, data and checkpoints that want to run code, read what is not theirs, or never end. The
 * real trainer opens each; a canary file tells whether anything ran.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { before, test } from 'node:test';
import type { StartCommand } from '../../src/protocol/trainer.ts';
import { chooseNode } from '../../src/runs/nodePath.ts';
import { RunsError } from '../../src/runs/runsError.ts';
import { runTrainerJob } from '../../src/runs/trainerJob.ts';
import { TrainerProcess } from '../../src/runs/trainerProcess.ts';
import { makeTinyFiles, type TinyFiles } from '../engine/support/tinyRun.ts';
import { bundle } from '../protocol/fakeTrainerProgram.ts';
import { ownHome, temporaryFolder } from '../runs/testStore.ts';

ownHome();

let files: TinyFiles;
let program: string;
before(async () => {
  program = bundle(resolve('src/engine/main.ts'), 'trainer');
  files = await makeTinyFiles();
});

const canary = join(temporaryFolder('canary'), 'ran');
/** Protocol 0, so that it can be read here: os.system("touch …") when it is loaded. */
const pickle = `cos\nsystem\n(S'touch ${canary}'\ntR.`;
const script = `require('node:fs').writeFileSync(${JSON.stringify(canary)}, '')`;
const escapes = [
  `{{ messages.constructor.constructor("return process")().mainModule.${script} }}`,
  `{{ ''.constructor.constructor('${script}')() }}`,
  `{{ [].map.constructor('${script}')() }}`,
  '{{ cycler.__init__.__globals__.os.popen("touch x").read() }}',
  '{% for c in [].__class__.__base__.__subclasses__() %}{{ c }}{% endfor %}',
  '{{ self._TemplateReference__context.cycler.__init__.__globals__ }}',
  `{% set __proto__ = {"polluted": 1} %}{{ namespace(__proto__={"polluted": 1}) }}`,
];

interface Attack {
  /** What is put into the model's folder, or beside it. */
  plant(model: string, folder: string): void;
  recipe?: Parameters<TinyFiles['start']>[0];
  /** Codes it may end with. */
  codes: string[];
}

const put = (folder: string, name: string, data: string | Uint8Array) => writeFileSync(join(folder, name), data);
const without = (model: string) => rmSync(join(model, 'model.safetensors'));
const json = (model: string, name: string) => JSON.parse(readFileSync(join(model, name), 'utf8'));

function safetensors(header: string | Uint8Array, length: bigint, data = Buffer.alloc(0)): Uint8Array {
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length);
  return Buffer.concat([prefix, Buffer.from(header), data]);
}
const tensors = (header: object, data: Buffer<ArrayBuffer>) => {
  const text = JSON.stringify(header);
  return safetensors(text, BigInt(text.length), data);
};

const chat = { data: { train: 'chat.jsonl', eval: {} } };
const template = (text: string) => (model: string, folder: string) => {
  put(model, 'chat_template.jinja', text);
  const row = {
    messages: [
      { role: 'user', content: 'hi' },
      { role: 'assistant', content: 'hello' },
    ],
  };
  put(folder, 'chat.jsonl', `${JSON.stringify(row)}\n`.repeat(8));
};
const broken = ['weights-broken'];

const attacks: Record<string, Attack> = {
  'weights as a pickle (.bin)': {
    plant: model => {
      without(model);
      put(model, 'pytorch_model.bin', pickle);
    },
    codes: ['weights-pickle'],
  },
  'weights as a pickle (.pt)': {
    plant: model => {
      without(model);
      put(model, 'model.pt', pickle);
    },
    codes: ['weights-pickle'],
  },
  'a pickle called safetensors': { plant: model => put(model, 'model.safetensors', pickle), codes: broken },
  'a header of 2^63 bytes': {
    plant: model => put(model, 'model.safetensors', safetensors('{}', 2n ** 63n)),
    codes: broken,
  },
  'a header nested deeply': {
    plant: model => put(model, 'model.safetensors', safetensors('['.repeat(5e6), 5_000_000n)),
    codes: broken,
  },
  'tensors outside of the file': {
    plant: model =>
      put(
        model,
        'model.safetensors',
        tensors({ a: { dtype: 'F32', shape: [2 ** 40], data_offsets: [0, 2 ** 42] } }, Buffer.alloc(64)),
      ),
    codes: broken,
  },
  'tensors over each other': {
    plant: model => {
      const one = { dtype: 'F32', shape: [4], data_offsets: [0, 16] };
      put(model, 'model.safetensors', tensors({ a: one, b: one, __proto__: one }, Buffer.alloc(16)));
    },
    codes: broken,
  },
  'shards that climb': {
    plant: model => {
      without(model);
      const weight_map = { a: '../../../etc/passwd', b: '..', c: '/etc/passwd' };
      put(model, 'model.safetensors.index.json', JSON.stringify({ weight_map }));
    },
    codes: broken,
  },
  'a configuration that brings its own code': {
    plant: model => {
      put(model, 'modeling_evil.py', `import os\nos.system("touch ${canary}")\n`);
      const auto_map = { AutoModelForCausalLM: 'modeling_evil.Evil' };
      const config = { ...json(model, 'config.json'), auto_map, trust_remote_code: true, architectures: ['Evil'] };
      put(model, 'config.json', JSON.stringify(config));
    },
    codes: ['model-unsupported'],
  },
  'a configuration of a thousand gigabytes': {
    plant: model => {
      const huge = { vocab_size: 2 ** 31, hidden_size: 2 ** 20, num_hidden_layers: 1e6, intermediate_size: 2 ** 31 };
      put(model, 'config.json', JSON.stringify({ ...json(model, 'config.json'), ...huge }));
    },
    codes: ['model-config'],
  },
  'a tokenizer nested deeply': {
    plant: model => put(model, 'tokenizer.json', `{"model":${'['.repeat(1e6)}${']'.repeat(1e6)}}`),
    codes: ['tokenizer-unreadable'],
  },
  'a tokenizer whose pattern never ends': {
    plant: model => {
      const tokenizer = json(model, 'tokenizer.json');
      tokenizer.pre_tokenizer = { type: 'Split', pattern: { Regex: '(([a-z ]+)+)+!' }, behavior: 'Isolated' };
      put(model, 'tokenizer.json', JSON.stringify(tokenizer));
    },
    codes: ['trainer-silent'],
  },
  'templates that want out': { plant: template(escapes.join('\n')), recipe: chat, codes: ['chat-template'] },
  'a template without end': {
    plant: template('{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}x'),
    recipe: chat,
    codes: ['trainer-silent'],
  },
  'data as a pickle': {
    plant: (_, folder) => put(folder, 'train.pkl', pickle),
    recipe: { data: { train: 'train.pkl', eval: {} } },
    codes: ['data-format'],
  },
  'a pickle called jsonl': {
    plant: (_, folder) => put(folder, 'evil.jsonl', `\x93NUMPY\x01\0v\0{'descr': '|O'}\n${pickle}`),
    recipe: { data: { train: 'evil.jsonl', eval: {} } },
    codes: ['bad-row', 'not-text'],
  },
  'a row of polluted keys': {
    plant: (_, folder) =>
      put(folder, 'evil.jsonl', '{"__proto__":{"text":"x","polluted":1},"constructor":{"prototype":{"text":"x"}}}\n'),
    recipe: { data: { train: 'evil.jsonl', eval: {} } },
    codes: ['bad-row'],
  },
  'a device for data': {
    plant: (_, folder) => symlinkSync('/dev/zero', join(folder, 'evil.jsonl')),
    recipe: { data: { train: 'evil.jsonl', eval: {} } },
    codes: ['not-a-file'],
  },
};

test('the pickle used here runs when it is loaded: the canary works', t => {
  const { error } = spawnSync('python3', ['-c', 'import pickle, sys; pickle.loads(sys.stdin.buffer.read())'], {
    input: pickle,
  });
  if (error) return t.skip('there is no python3 here');
  assert.ok(existsSync(canary));
  rmSync(canary);
});

test('no malicious model, tokenizer, template or data set runs anything, and each is refused in words', async t => {
  if (process.platform === 'win32') return t.skip('devices and links are made differently on Windows');
  const names = Object.keys(attacks);
  const tries = names.map((name, index) => () => attack(name, join(files.folder, `attack-${index}`)));
  const lane = async () => {
    for (let next = tries.pop(); next; next = tries.pop()) await next();
  };
  await Promise.all([lane(), lane(), lane()]);
  t.diagnostic(`C7 ${names.length + checkpointAttacks.length} malicious models, data sets and checkpoints: 0 executed`);
});

async function attack(name: string, folder: string): Promise<void> {
  const { plant, recipe = {}, codes } = attacks[name]!;
  mkdirSync(folder);
  for (const file of ['model', 'train.jsonl', 'eval.jsonl', 'general.txt', 'sums.jsonl', 'grammar.jsonl'])
    cpSync(join(files.folder, file), join(folder, file), { recursive: true });
  plant(join(folder, 'model'), folder);
  const error = await open(folder, files.start(recipe));
  assert.ok(error, `${name} was taken`);
  assert.ok(codes.includes(error.code), `${name}: ${error.code}: ${error.message}`);
  assert.ok(error.message.length < 4000, `${name}: ${error.message.length} characters`);
  assert.doesNotMatch(error.message, /root:x:0/, `${name} shows what is not its own`);
  assert.ok(!existsSync(canary), `${name} ran`);
}

/** Of a checkpoint whose manifest is right, so that what is in it is looked at. */
const checkpointAttacks: [string, (checkpoint: string) => void][] = [
  ['state as a pickle', checkpoint => put(checkpoint, 'state.safetensors', pickle)],
  ['random state beside it as a pickle', checkpoint => put(checkpoint, 'rng_state.pth', pickle)],
  ['optimizer beside it as a pickle', checkpoint => put(checkpoint, 'optimizer.pt', pickle)],
  [
    'counters that pollute',
    checkpoint => put(checkpoint, 'counters.json', '{"__proto__":{"polluted":1},"step":1e999}'),
  ],
  ['counters nested deeply', checkpoint => put(checkpoint, 'counters.json', '['.repeat(1e6))],
  [
    'manifest that climbs',
    checkpoint => {
      const entry = { bytes: 1, sha256: '0'.repeat(64) };
      put(checkpoint, 'manifest.json', JSON.stringify({ format: 1, files: { '../../../etc/passwd': entry } }));
    },
  ],
];

test('no malicious checkpoint runs anything or is gone on from as if it were sound', async () => {
  const trained = files.start({ checkpoint: { every: 2, keep: ['all'] }, evaluate: { every: 100, items: 8 } });
  await runToEnd(trained);
  const sound = join(trained.outputs.checkpoints, 'a1-step-2');
  assert.ok(existsSync(sound));
  for (const [name, plant] of checkpointAttacks) {
    const checkpoint = join(temporaryFolder('checkpoint'), 'a1-step-2');
    cpSync(sound, checkpoint, { recursive: true });
    plant(checkpoint);
    if (name !== 'manifest that climbs') signAgain(checkpoint);
    const code = await runToEnd({ ...trained, attempt: 2, resume: { checkpoint } });
    const isIgnored = name.includes('beside it');
    assert.equal(code === null, isIgnored, `${name}: ${code}`);
    assert.ok(!existsSync(canary), `${name} ran`);
  }
});

test('the engine has no way to load a pickle or to run what a model brings', () => {
  const text = readFileSync(program, 'utf8');
  assert.doesNotMatch(text, /weights_only|pickle\.load|torch\.load|child_process/);
});

async function open(folder: string, { recipe, paths }: StartCommand): Promise<RunsError | null> {
  const moved = Object.keys(paths).map(written => [written, join(folder, written)]);
  try {
    await runTrainerJob({
      job: 'check',
      recipe,
      paths: Object.fromEntries(moved),
      engineFolder: '',
      trainer: [program],
      node: await chooseNode(),
      trusted: true,
      threads: 1,
      limits: { silenceMs: 10_000, graceMs: 200 },
    });
    return null;
  } catch (error) {
    assert.ok(error instanceof RunsError, String(error));
    return error;
  }
}

/** The code of its failure; null when it finished. */
async function runToEnd(start: StartCommand): Promise<string | null> {
  let code: string | null = 'no end';
  const trainer = await TrainerProcess.start({
    node: await chooseNode(),
    program: [program],
    cwd: files.folder,
    trusted: true,
    onEvent: event => {
      if (event.type === 'finished') code = null;
      if (event.type === 'failed') code = event.code;
      if (event.type === 'finished' || event.type === 'failed') trainer.endInput();
    },
  });
  trainer.send(start);
  await trainer.exited;
  return code;
}

function signAgain(checkpoint: string): void {
  const manifest = JSON.parse(readFileSync(join(checkpoint, 'manifest.json'), 'utf8'));
  for (const name of Object.keys(manifest.files)) {
    const bytes = readFileSync(join(checkpoint, name));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    manifest.files[name] = { ...manifest.files[name], bytes: bytes.length, sha256 };
  }
  put(checkpoint, 'manifest.json', JSON.stringify(manifest));
}
