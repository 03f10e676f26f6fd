import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryFolder } from '../runs/testStore.ts';
import { holdfast as commandLine, type Outcome } from './commandLine.ts';
import { commit, type SmallHub, type SmallHubOptions, smallHub } from './smallHub.ts';

const name = 'org/small-model';
const files = {
  'config.json': Buffer.from('{"architectures": ["LlamaForCausalLM"]}'),
  'tokenizer.json': Buffer.from('{}'),
  'model.safetensors': randomBytes(300_000),
  'pytorch_model.bin': randomBytes(5000),
  'onnx/model.safetensors': randomBytes(2000),
  'README.md': Buffer.from('a model'),
};
const brought = ['config.json', 'model.safetensors', 'tokenizer.json'];

/** Without this user's own tokens. */
const holdfast = (words: string[], env: NodeJS.ProcessEnv): Promise<Outcome> =>
  commandLine({ folder: process.cwd() }, words, {}, { HF_TOKEN: undefined, HUGGING_FACE_HUB_TOKEN: undefined, ...env });

interface Place {
  hub: SmallHub;
  folder: string;
  download(...words: string[]): Promise<Outcome>;
  env: NodeJS.ProcessEnv;
}

async function place(t: TestContext, options: Partial<SmallHubOptions> = {}): Promise<Place> {
  const hub = await smallHub(name, { files, ...options });
  t.after(() => hub.close());
  const home = temporaryFolder('hub');
  const env: NodeJS.ProcessEnv = { HF_HOME: home, HF_ENDPOINT: hub.endpoint, HF_HUB_CACHE: '' };
  const folder = join(home, 'hub', 'models--org--small-model');
  return { hub, folder, env, download: (...words) => holdfast(['download', name, ...words], env) };
}

const snapshotOf = (folder: string) => join(folder, 'snapshots', commit);

function assertWhole(folder: string): void {
  assert.deepEqual(readdirSync(snapshotOf(folder)).sort(), brought);
  for (const file of brought) {
    assert.deepEqual(readFileSync(join(snapshotOf(folder), file)), files[file as keyof typeof files]);
    assert.ok(lstatSync(join(snapshotOf(folder), file)).isSymbolicLink(), 'as Python keeps it');
  }
  assert.equal(readFileSync(join(folder, 'refs', 'main'), 'utf8'), commit);
}

test('a model comes into the cache as Python keeps it: its weights, its tokenizer, and nothing else', async t => {
  const { folder, download } = await place(t);
  const { code, stdout, stderr } = await download('--yes', '--json');
  assert.equal(code, 0, stderr);
  assertWhole(folder);
  const { bytes, ...answer } = JSON.parse(stdout);
  assert.deepEqual(answer, { name, revision: 'main', commit, folder: snapshotOf(folder), downloaded: bytes });
  assert.equal(
    bytes,
    brought.reduce((sum, file) => sum + files[file as keyof typeof files].length, 0),
  );
});

test('nothing is downloaded without a yes, and nothing again that is here', async t => {
  const { hub, folder, download } = await place(t);
  const asked = await download();
  assert.deepEqual([asked.code, existsSync(folder)], [2, false]);
  assert.match(asked.stderr, /3 files, .* are to come[\s\S]*no terminal to ask on[\s\S]*--yes/);
  await download('--yes');
  const before = hub.askedStorage.length;
  const again = await download();
  assert.deepEqual([again.code, hub.askedStorage.length], [0, before], again.stderr);
});

test('a connection that breaks is taken up where it was', async t => {
  const { hub, folder, download } = await place(t, { cutAfter: 100_000 });
  const { code, stderr } = await download('--yes');
  assert.equal(code, 0, stderr);
  assertWhole(folder);
  const [first, ...later] = hub.askedStorage.map(({ range }) => Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0));
  assert.deepEqual([first, later.length], [0, 1]);
  assert.ok(later[0]! > 0 && later[0]! <= 100_000, `from byte ${later[0]}`);
});

for (const knowsRanges of [true, false]) {
  const server = knowsRanges ? 'by a server that knows ranges' : 'from its beginning by a server that knows no ranges';
  test(`a download that was killed is taken up, ${server}`, async t => {
    const { hub, folder, download } = await place(t, { knowsRanges });
    const weights = files['model.safetensors'];
    const blob = createHash('sha256').update(weights).digest('hex');
    mkdirSync(join(folder, 'blobs'), { recursive: true });
    writeFileSync(join(folder, 'blobs', `${blob}.incomplete`), weights.subarray(0, 150_000));
    const { code, stderr } = await download('--yes');
    assert.equal(code, 0, stderr);
    assertWhole(folder);
    assert.deepEqual(
      hub.askedStorage.map(({ range }) => range),
      ['bytes=150000-'],
    );
    assert.match(stderr, /293 KB; 147 KB are to come\.[\s\S]*147 KB of 147 KB/);
  });
}

test('a file that arrives damaged is removed, and the model is not there', async t => {
  const { folder, download } = await place(t, { damaged: true });
  const { code, stderr } = await download('--yes');
  assert.equal(code, 3, stderr);
  assert.match(stderr, /model\.safetensors of org\/small-model arrived damaged and was removed/);
  assert.deepEqual([existsSync(snapshotOf(folder)), existsSync(join(folder, 'refs'))], [false, false]);
  assert.ok(!readdirSync(join(folder, 'blobs')).some(name => name.endsWith('.incomplete')));
});

test('a token opens a gated model, and goes to the Hub alone', async t => {
  const token = 'hf_only_for_the_hub';
  const { hub, folder, env, download } = await place(t, { token, isGated: true });
  const without = await download('--yes');
  assert.deepEqual([without.code, existsSync(folder)], [3, false]);
  assert.match(without.stderr, /accept its conditions at .*org\/small-model.*HF_TOKEN/);
  const { code, stderr, stdout } = await holdfast(['download', name, '--yes'], { ...env, HF_TOKEN: token });
  assert.equal(code, 0, stderr);
  assert.deepEqual([...new Set(hub.askedStorage.map(({ authorization }) => authorization))], [undefined]);
  assert.ok(!`${stdout}${stderr}`.includes(token));
});

test('what cannot be had is said in words, with the remedy', async t => {
  const { env } = await place(t);
  const pickled = await place(t, {
    files: { 'config.json': files['config.json'], 'pytorch_model.bin': randomBytes(10) },
  });
  const cases: [string[], NodeJS.ProcessEnv, number, RegExp][] = [
    [['org/other'], env, 2, /There is no model org\/other \(main\).*\n.*spelling/],
    [['../../etc'], env, 2, /no name of a model.*\n.*org\/model/],
    [[name], pickled.env, 2, /only as pickles/],
    [[name], { ...env, HF_HUB_OFFLINE: '1' }, 3, /HF_HUB_OFFLINE is set.*\n.*Unset/],
    [[name], { ...env, HF_ENDPOINT: 'http://127.0.0.1:9' }, 3, /cannot be reached.*\n.*HF_ENDPOINT/],
  ];
  for (const [words, variables, code, says] of cases) {
    const outcome = await holdfast(['download', ...words, '--yes'], variables);
    assert.equal(outcome.code, code, outcome.stderr);
    assert.match(outcome.stderr, says);
  }
});
