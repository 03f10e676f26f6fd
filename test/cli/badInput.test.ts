/**
 * What a person gets for broken input, through the real command line, runner and trainer: a message that names the
 * place and the remedy, the exit code of docs/cli.md, and no half-written run.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  appendFile,
  cp,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

const checkout = join(import.meta.dirname, '../..');
const cli = join(checkout, 'dist/cli.cjs');
const shippedModel = join(checkout, 'models/holdfast-tiny');

let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'holdfast-bad-input-'));
});
after(() => rm(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }));

const recipe = (extra = '', change: (text: string) => string = text => text) =>
  change(`model: holdfast-tiny
data:
  train: train.jsonl
retain:
  probes:
    general: { file: general.txt }
train: { max_steps: 2, batch_size: 2, max_length: 64 }
${extra}`);

const rows = (count: number, row: (i: number) => unknown) =>
  Array.from({ length: count }, (_, i) => JSON.stringify(row(i))).join('\n');

const goodFiles: Record<string, string> = {
  'a.tune.yaml': recipe(),
  'train.jsonl': rows(8, i => ({ prompt: `Order: ${i} red lamps.`, completion: ` ${i}*LAMP.re;` })),
  'general.txt': Array.from({ length: 60 }, (_, i) => `On day ${i} the baker walks to the market.`).join('\n\n'),
};

interface Case {
  title: string;
  files?: Record<string, string>;
  /** Works on the folder after `files` were written. */
  prepare?: (folder: string) => Promise<unknown>;
  arguments?: string[];
  exitCode?: number;
  /** What the message must name. */
  says: RegExp;
  /** What the remedy, or a message that holds its own remedy, must say. */
  remedy?: RegExp;
  line?: number;
}

const withModel = (change: (model: string) => Promise<unknown>) => async (folder: string) => {
  const model = join(folder, 'model');
  await cp(shippedModel, model, { recursive: true });
  await writeFile(
    join(folder, 'a.tune.yaml'),
    recipe('', text => text.replace('holdfast-tiny', './model')),
  );
  await change(model);
};

const withConfig = (change: Record<string, unknown>) =>
  withModel(async model => {
    const file = join(model, 'config.json');
    await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), ...change }));
  });

/** Whether there is a torch engine that would take it is a matter of the machine. */
const onlyEmbedded = (prepare: (folder: string) => Promise<unknown>) => async (folder: string) => {
  await prepare(folder);
  await appendFile(join(folder, 'a.tune.yaml'), 'engine: node\n');
};

/** Ten aliases a level: the last of nine levels stands for a billion values. */
const aliasBomb = (levels: number) =>
  Array.from({ length: levels }, (_, i) => `a${i}: &a${i} [${Array(10).fill(i ? `*a${i - 1}` : 'x')}]`).join('\n');

const yaml = (text: string) => ({ 'a.tune.yaml': text });

const cases: Case[] = [
  {
    title: 'a misspelt key',
    files: yaml(recipe('evaluat: { every: 5 }')),
    says: /evaluat/,
    remedy: /evaluate/,
    line: 8,
  },
  {
    title: 'a misspelt nested key',
    files: yaml(recipe('', text => text.replace('batch_size', 'batchsize'))),
    says: /batchsize/,
    remedy: /batch_size/,
    line: 7,
  },
  { title: "another tool's key", files: yaml(recipe('lora_rank: 8')), says: /lora_rank/, remedy: /adapter/, line: 8 },
  { title: 'a wrong type', files: yaml(recipe('evaluate: { every: often }')), says: /evaluate\.every|every/, line: 8 },
  {
    title: 'a share of 1.5',
    files: yaml(recipe('method: { replay: { data: general.replay.txt, share: 1.5 } }')),
    says: /share/,
    line: 8,
  },
  { title: 'text that is not YAML', files: yaml(recipe('evaluate: { every: 5')), says: /./, line: 8 },
  {
    title: 'a tab as indentation',
    files: yaml('model: holdfast-tiny\ndata:\n\ttrain: train.jsonl\n'),
    says: /tab/i,
    line: 3,
  },
  { title: 'a key given twice', files: yaml(recipe('model: other')), says: /model|unique|twice/, line: 8 },
  {
    title: 'an alias bomb',
    files: yaml(recipe(aliasBomb(9))),
    says: /too many values/i,
  },
  { title: 'a merge key', files: yaml(recipe('evaluate: { <<: { every: 5 } }')), says: /merge|<</i, line: 8 },
  { title: 'a custom tag', files: yaml(recipe('name: !run x')), says: /tag/i, line: 8 },
  {
    title: 'two recipes in one file',
    files: yaml(`${recipe()}---\n${recipe()}`),
    says: /second/,
    remedy: /---/,
    line: 8,
  },
  {
    title: 'a recipe in UTF-16',
    prepare: folder => writeFile(join(folder, 'a.tune.yaml'), Buffer.from(`\ufeff${recipe()}`, 'utf16le')),
    says: /UTF-8/,
    remedy: /UTF-8/,
    line: 1,
  },
  {
    title: 'a recipe with a letter of another encoding',
    prepare: folder => writeFile(join(folder, 'a.tune.yaml'), Buffer.from(recipe('# caf\u00e9'), 'latin1')),
    says: /UTF-8/,
    line: 8,
  },
  {
    title: 'a recipe of 3 GB',
    prepare: folder => truncate(join(folder, 'a.tune.yaml'), 3 * 2 ** 30),
    says: /256/,
    remedy: /data in files of its own/,
  },
  { title: 'a recipe over 256 KB', files: yaml(recipe(`# ${'x'.repeat(300_000)}`)), says: /256/ },
  {
    title: 'a recipe 40 levels deep',
    files: yaml(recipe(`evaluate: ${'['.repeat(40)}${']'.repeat(40)}`)),
    says: /deep|depth|level/i,
  },
  { title: 'an empty recipe', files: yaml(''), says: /empty|model/i },
  { title: 'a list instead of keys', files: yaml('- model\n- data\n'), says: /keys|mapping|map|object/i },
  { title: 'a recipe without a model', files: yaml('data: { train: train.jsonl }\n'), says: /model/ },
  { title: 'a recipe without data', files: yaml('model: holdfast-tiny\n'), says: /data/ },
  { title: 'a recipe that is not there', arguments: ['run', 'gone.tune.yaml'], says: /gone\.tune\.yaml/ },
  {
    title: 'a folder instead of a recipe',
    prepare: f => mkdir(join(f, 'b.tune.yaml')),
    arguments: ['run', 'b.tune.yaml'],
    says: /b\.tune\.yaml/,
  },
  {
    title: 'a key of later work',
    files: yaml(recipe('stages: [a, b]')),
    says: /stages.*not supported yet/,
    line: 8,
  },
  {
    title: 'a method of later work',
    files: yaml(recipe('method: { narrow: { tune: half } }')),
    says: /half.*not supported yet|not supported yet.*half/,
    line: 8,
  },
  {
    title: 'steps and epochs together',
    files: yaml(recipe('', text => text.replace('max_steps: 2', 'max_steps: 2, num_epochs: 1'))),
    says: /max_steps.*num_epochs|num_epochs.*max_steps/,
    line: 7,
  },
  {
    title: 'micro-batches that do not fill the batch',
    files: yaml(recipe('', text => text.replace('batch_size: 2', 'batch_size: 8, micro_batch_size: 3'))),
    says: /micro_batch_size/,
    line: 7,
  },
  {
    title: 'a penalty on replay rows without replay',
    files: yaml(recipe('method: { regularize: { on: [replay] } }')),
    says: /replay/,
    line: 8,
  },
  {
    title: 'the replay variant without replay data',
    arguments: ['run', 'a.tune.yaml', '--variant', 'replay'],
    says: /replay.*data|data.*replay/i,
  },
  {
    title: 'a variant that does not exist',
    arguments: ['run', 'a.tune.yaml', '--variant', 'gentle'],
    says: /gentle/,
    remedy: /plain/,
  },
  {
    title: 'a misspelt key in --set',
    arguments: ['run', 'a.tune.yaml', '--set', 'train.max_step=3'],
    says: /max_step/,
    remedy: /max_steps/,
  },
  { title: 'an option that does not exist', arguments: ['run', 'a.tune.yaml', '--fast'], says: /--fast/ },
  { title: 'a command that does not exist', arguments: ['fly'], says: /fly/, remedy: /help/ },
  {
    title: 'a run with an empty name',
    arguments: ['run', 'a.tune.yaml', '--name', ''],
    says: /name/,
    remedy: /--name/,
  },
  { title: 'a word that ls does not take', arguments: ['ls', 'lamps'], says: /lamps/, remedy: /--search/ },
  { title: 'nothing that a queue can do', arguments: ['queue', 'constructor'], says: /constructor/, remedy: /hold/ },
  {
    title: 'training rows that are not there',
    files: yaml(recipe('', t => t.replace('train.jsonl', 'gone.jsonl'))),
    says: /gone\.jsonl/,
  },
  {
    title: 'a probe file that is not there',
    files: yaml(recipe('', t => t.replace('general.txt', 'gone.txt'))),
    says: /gone\.txt/,
  },
  {
    title: 'a path outside the allowed roots',
    files: yaml(recipe('', text => text.replace('train.jsonl', '/etc/hostname'))),
    says: /\/etc\/hostname/,
    remedy: /./,
  },
  {
    title: 'a link that leads outside the allowed roots',
    files: yaml(recipe('', text => text.replace('train.jsonl', 'link.jsonl'))),
    prepare: folder => symlink('/etc/hostname', join(folder, 'link.jsonl')),
    says: /link\.jsonl/,
  },
  { title: 'empty training data', files: { 'train.jsonl': '' }, says: /train\.jsonl/, remedy: /./ },
  {
    title: 'a row that is not JSON',
    files: { 'train.jsonl': `{"text":"a b"}\n{"text":` },
    says: /train\.jsonl/,
    line: 2,
  },
  { title: 'a row without text', files: { 'train.jsonl': `{"body":"a"}` }, says: /body/, line: 1 },
  {
    title: 'rows of two formats in one file',
    files: { 'train.jsonl': `{"text":"a b"}\n{"prompt":"a","completion":"b"}` },
    says: /train\.jsonl/,
    line: 2,
  },
  {
    title: 'a row too long',
    files: {
      'train.jsonl': `{"prompt":"a","completion":" b"}\n{"prompt":"${'the dog '.repeat(90)}","completion":" b"}`,
    },
    says: /tokens/,
    remedy: /too_long|max_length/,
    line: 2,
  },
  {
    title: 'a message of an unknown role',
    files: { 'train.jsonl': rows(1, () => ({ messages: [{ role: 'narrator', content: 'Once' }] })) },
    says: /narrator|role/,
    line: 1,
  },
  {
    title: 'a call of a tool where the chat template knows none',
    files: {
      'train.jsonl': JSON.stringify({
        messages: [
          { role: 'user', content: 'a' },
          { role: 'assistant', tool_calls: [{ type: 'function', function: { name: 'add', arguments: {} } }] },
        ],
      }),
    },
    says: /train\.jsonl, line 1: .*tool_calls/,
    remedy: /template knows tools/,
    line: 1,
  },
  {
    title: 'probe rows among the training rows',
    files: { 'train.jsonl': rows(3, i => ({ text: `On day ${i} the baker walks to the market.` })) },
    says: /general/,
    remedy: /./,
  },
  {
    title: 'replay from a probe file',
    files: yaml(recipe('method: { replay: { data: general.txt } }')),
    says: /general\.txt|probe/,
    line: 6,
  },
  {
    title: 'a choice item whose answer is not among the choices',
    files: {
      ...yaml(recipe('', text => text.replace('general.txt', 'choice.jsonl'))),
      'choice.jsonl': rows(2, i => ({ context: '1 + 1 =', choices: [' 2.', ' 3.'], gold: i * 7 })),
    },
    says: /gold/,
    line: 2,
  },
  {
    title: 'a budget in points for a text set',
    files: yaml(
      recipe('', text => text.replace('{ file: general.txt }', '{ file: general.txt, budget: { points: 2 } }')),
    ),
    says: /points/,
    remedy: /nats/,
  },
  {
    title: 'a model that is not there',
    files: yaml(recipe('', t => t.replace('holdfast-tiny', './gone'))),
    says: /gone/,
  },
  { title: 'a model without config.json', prepare: withModel(m => rm(join(m, 'config.json'))), says: /config\.json/ },
  {
    title: 'a model without a tokenizer',
    prepare: withModel(m => rm(join(m, 'tokenizer.json'))),
    says: /tokenizer\.json/,
  },
  {
    title: 'a config that is not JSON',
    prepare: withModel(m => writeFile(join(m, 'config.json'), '{')),
    says: /config\.json/,
    remedy: /again/,
  },
  {
    title: 'a config that is a list',
    prepare: withModel(m => writeFile(join(m, 'config.json'), '[]')),
    says: /config\.json: the whole file/,
    remedy: /again/,
  },
  {
    title: 'a config whose heads do not divide its width',
    prepare: withConfig({ num_attention_heads: 5 }),
    says: /5 heads/,
    remedy: /again/,
  },
  {
    title: 'a tokenizer that is not JSON',
    prepare: withModel(m => writeFile(join(m, 'tokenizer.json'), '{')),
    says: /tokenizer\.json is not JSON/,
    remedy: /save_pretrained/,
  },
  {
    title: 'a chat template that cannot be read',
    files: { 'train.jsonl': '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}' },
    prepare: withModel(m => writeFile(join(m, 'tokenizer_config.json'), '{"chat_template":"{% if %}"}')),
    says: /chat template cannot be read/,
    remedy: /chat_template/,
  },
  {
    title: 'weights that Git LFS has not fetched',
    prepare: withModel(m =>
      writeFile(join(m, 'model.safetensors'), 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n'),
    ),
    says: /model\.safetensors/,
    remedy: /git lfs pull/,
  },
  {
    title: 'an architecture of another family',
    prepare: onlyEmbedded(withConfig({ architectures: ['GPT2LMHeadModel'], model_type: 'gpt2' })),
    says: /config\.json: .*gpt2/i,
    remedy: /engine: torch/,
  },
  {
    title: 'an unknown rope scaling',
    prepare: onlyEmbedded(withConfig({ rope_scaling: { rope_type: 'yarn', factor: 4 } })),
    says: /config\.json: .*yarn/,
    remedy: /linear or llama3 RoPE.*engine: torch/,
  },
  {
    title: 'a tokenizer that does not fit the model',
    prepare: withConfig({ vocab_size: 300 }),
    says: /tokenizer has \d+ tokens, the model's vocabulary 300/,
    remedy: /tokenizer files that came with this model/,
  },
  {
    title: 'truncated weights',
    prepare: withModel(async m => truncate(join(m, 'model.safetensors'), 100_000)),
    says: /model\.safetensors.*truncated/,
    remedy: /./,
  },
  {
    title: 'pickle weights',
    prepare: withModel(async m => {
      await rm(join(m, 'model.safetensors'));
      await writeFile(join(m, 'pytorch_model.bin'), 'x');
    }),
    says: /pytorch_model\.bin/,
    remedy: /save_pretrained/,
  },
  { title: 'NaN in the weights', prepare: withModel(m => poison(join(m, 'model.safetensors'))), says: /NaN/ },
  {
    title: 'a warm-up longer than the epochs',
    files: yaml(recipe('', text => text.replace('max_steps: 2', 'num_epochs: 1, warmup_steps: 30'))),
    says: /warmup_steps \(30\).* 4 steps/,
    remedy: /tenth/,
  },
  {
    title: 'rows that the model knows nothing of, and no probe set that it knows',
    files: {
      'train.jsonl': rows(8, i => ({
        prompt: `Wer hat Hamlet Nr. ${i} verfasst?`,
        completion: ' Shakespeare, vermutlich.',
      })),
      'general.txt': Array.from({ length: 60 }, (_, i) => `Der Bäcker geht am ${i}. Tag früh zum Markt.`).join('\n\n'),
    },
    exitCode: 1,
    says: /labels: .*guessing/,
    remedy: /retain\.probes/,
  },
  {
    title: 'rows of a single token, which has nothing to follow',
    files: {
      ...yaml(recipe('', text => text.replace('max_length: 64', 'max_length: 1'))),
      'train.jsonl': '{"text":"a b c"}',
    },
    says: /max_length/,
    line: 7,
  },
  {
    title: 'rows longer than the model has positions',
    files: yaml(recipe('', text => text.replace('max_length: 64', 'max_length: 100000'))),
    says: /positions|100000/,
    remedy: /max_length/,
  },
  {
    title: 'a module to tune that the model does not have',
    files: yaml(recipe('method: { narrow: { tune: [gate_prj] } }')),
    says: /gate_prj/,
    remedy: /gate_proj/,
  },
  {
    title: 'an adapter on a module that the model does not have',
    files: yaml(recipe('adapter: { type: lora, target_modules: [w_q] }')),
    says: /w_q/,
  },
];

/** Overwrites the last number of the file with the bits of NaN, good for every float type. */
async function poison(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  const { size } = await handle.stat();
  await handle.write(Buffer.from([0xff, 0xff, 0xff, 0xff]), 0, 4, size - 4);
  await handle.close();
}

interface Outcome {
  exitCode: number;
  stdout: string;
  stderr: string;
}

function holdfast(folder: string, args: string[]): Promise<Outcome> {
  return new Promise(resolve => {
    const env = { ...process.env, HOLDFAST_HOME: join(folder, 'home') };
    execFile(process.execPath, [cli, ...args, '--json'], { cwd: folder, env }, (error, stdout, stderr) =>
      resolve({ exitCode: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });
}

/** A run that failed is whole: it has its ending, and nothing temporary or half-made lies beside it. */
async function assertNoHalfWrittenRun(folder: string): Promise<void> {
  const runs = join(folder, '.holdfast/runs');
  for (const id of await readdir(runs).catch(() => [])) {
    const names = await readdir(join(runs, id), { recursive: true });
    assert.ok(names.includes('exit.json'), `run ${id} has no exit.json`);
    assert.deepEqual(
      names.filter(name => /tmp|\.safetensors$/.test(name)),
      [],
    );
  }
}

for (const [i, bad] of cases.entries()) {
  test(`${bad.title}: the place, the remedy, the exit code, no half-written run`, async () => {
    const folder = join(root, String(i));
    await mkdir(join(folder, '.holdfast'), { recursive: true });
    for (const [name, text] of Object.entries({ ...goodFiles, ...bad.files }))
      await writeFile(join(folder, name), text);
    await bad.prepare?.(folder);

    const { exitCode, stdout, stderr } = await holdfast(folder, bad.arguments ?? ['run', 'a.tune.yaml']);

    const value = JSON.parse(stdout) as { error?: Record<string, unknown> };
    const error = value.error as { code: string; message: string; line?: number; remedy?: string } | undefined;
    assert.ok(error, `no error in ${stdout}${stderr}`);
    assert.match(error.message, bad.says);
    if (bad.remedy) assert.match(`${error.message} ${error.remedy ?? ''}`, bad.remedy);
    if (bad.line) assert.equal(error.line, bad.line, error.message);
    assert.equal(exitCode, bad.exitCode ?? 2, error.message);
    assert.doesNotMatch(stderr, /\n\s+at .*:\d+:\d+/, 'a stack trace is no message');
    await assertNoHalfWrittenRun(folder);
  });
}
