/**
 * `holdfast doctor --install tensorflow` on machines made of shell scripts, which answer as npm, pip, a compiler and
 * nvidia-smi would, and with small stand-ins for TensorFlow's files.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { wheels } from '../../src/runs/tensorflow/packages.ts';
import { smallZip } from '../runs/smallZip.ts';
import { ownHome, temporaryFolder, testEngine, testProject } from '../runs/testStore.ts';
import { start } from './commandLine.ts';
import { type SmallIndexOptions, smallIndex } from './smallIndex.ts';

ownHome();
testEngine();
const linux = { skip: (process.platform !== 'linux' || process.arch !== 'x64') && 'it is set up on Linux x64 alone' };

const library = 'a library '.repeat(2000);
const tensorflowWheel = smallZip({
  'tensorflow/libtensorflow_cc.so.2': library,
  'tensorflow/libtensorflow_framework.so.2': library,
  'tensorflow/include/tensorflow/c/c_api.h': 'a header',
  'tensorflow/include/external/other.h': 'not needed',
  'tensorflow/python/module.py': 'not needed',
});
const fileName = (project: string, version: string) =>
  `${project.replaceAll('-', '_')}-${version}-py3-none-manylinux2014_x86_64.whl`;

/** One wheel a project; NVIDIA's hold a library each. */
function wheelsOf(build: 'cpu' | 'cuda'): SmallIndexOptions['wheels'] {
  return Object.fromEntries(
    wheels[build].map(({ project, version }) => {
      const part = /^nvidia-(.+)-cu12$/.exec(project)?.[1]?.replaceAll('-', '_');
      const bytes = part ? smallZip({ [`nvidia/${part}/lib/lib${part}.so.12`]: 'a library' }) : tensorflowWheel;
      const files = { [fileName(project, version)]: bytes, [fileName(project, '1.0.0')]: Buffer.from('older') };
      return [project, files];
    }),
  );
}

/** It wants what is built here, and computes without it. */
const standIn = `const { statSync } = require('node:fs');
for (const file of ['deps/lib/libtensorflow_cc.so.2', 'deps/include/tensorflow/c/c_api.h', 'lib/napi-v8/tfjs_binding.node'])
  statSync(__dirname + '/' + file);
module.exports = {
  tensor2d: rows => rows,
  matMul: (a, b) => ({ dataSync: () => a.map(row => row.reduce((sum, x, i) => sum + x * b[i][0], 0)) }),
  backend: () => ({ binding: { TF_Version: 'stand-in' }, isUsingGpuDevice: false }),
};
`;

interface Machine {
  home: string;
  folder: string;
  log: string;
  doctor: (...words: string[]) => ReturnType<typeof start>;
}

interface Parts {
  index: string;
  /** Said by pip instead of a variable. */
  isPipAsked?: boolean;
  nvidia?: boolean;
  compilerFails?: boolean;
}

function machine({ index, isPipAsked = false, nvidia = false, compilerFails = false }: Parts): Machine {
  const [path, home] = [temporaryFolder('bin'), temporaryFolder('home')];
  const log = join(path, 'log');
  writeFileSync(log, '');
  writeFileSync(join(path, 'index.js'), standIn);
  const script = (name: string, text: string): void =>
    writeFileSync(join(path, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  const tfjs = 'node_modules/@tensorflow/tfjs-node-gpu';
  script(
    'npm',
    `echo "npm $*" >> '${log}'; mkdir -p ${tfjs}; cp '${path}/index.js' ${tfjs}/; echo '{ "main": "index.js" }' > ${tfjs}/package.json`,
  );
  script(
    'c++',
    `echo "c++ $*" >> '${log}'
if [ ${compilerFails} = true ]; then echo 'fatal error: no such thing' >&2; exit 1; fi
while [ "$1" != -o ]; do shift; done; echo built > "$2"`,
  );
  script('python3', `echo "$*" >> '${log}'; echo '${index}'`);
  if (nvidia) script('nvidia-smi', 'echo "NVIDIA Test, 1000 MiB"');
  const own = { PATH: `${path}:/usr/bin:/bin`, HOME: home, HOLDFAST_HOME: home, HOLDFAST_PYTHON: undefined };
  const env = { ...own, HOLDFAST_TENSORFLOW: undefined, PIP_INDEX_URL: isPipAsked ? undefined : index };
  const doctor = (...words: string[]) => start(testProject(), ['doctor', ...words], {}, env);
  return { home, folder: join(home, 'tensorflow'), log, doctor };
}

async function indexOf(t: TestContext, options: Partial<SmallIndexOptions> = {}) {
  const index = await smallIndex({ wheels: wheelsOf('cpu'), ...options });
  t.after(() => index.close());
  return index;
}

const plainly = ['--install', 'tensorflow', '--yes'];
const install = [...plainly, '--json'];
const finding = (stdout: string): { state: string; found: string } =>
  (JSON.parse(stdout) as { what: string; state: string; found: string }[]).find(({ what }) => what === 'tensorflow')!;

test(
  'it says where, what and how much, from the index that pip names, and does nothing without a yes',
  linux,
  async t => {
    const index = await indexOf(t);
    const { doctor, folder, home, log } = machine({ index: index.address, isPipAsked: true });
    const { code, stderr } = await doctor('--install', 'tensorflow').done;
    assert.equal(code, 2, stderr);
    assert.ok(stderr.includes(`Into ${folder}: TensorFlow`));
    assert.match(stderr, /for cpu, since there is no NVIDIA GPU; \d.* are fetched, 1\.4 GB needed/);
    assert.match(stderr, /tensorflow_cpu-.* from 127\.0\.0\.1[\s\S]*no terminal to ask on[\s\S]*--yes/);
    assert.match(readFileSync(log, 'utf8'), /pip/);
    assert.deepEqual(index.fetched, []);
    assert.deepEqual(
      readdirSync(home).filter(name => name.startsWith('tensorflow')),
      [],
    );
  },
);

test(
  'it is fetched, built, tried and found; a second time nothing happens; and it goes away as a whole',
  linux,
  async t => {
    const index = await indexOf(t, { isHtml: true });
    const { doctor, folder, home, log } = machine({ index: index.address });
    const first = await doctor(...install).done;
    assert.match(first.stderr, /Building the binding[\s\S]*TensorFlow stand-in computes on the CPU/, first.stderr);
    assert.equal(finding(first.stdout).state, 'ok');
    assert.match(finding(first.stdout).found, /TensorFlow stand-in on the CPU/);
    const deps = join(folder, 'node_modules/@tensorflow/tfjs-node-gpu/deps');
    assert.deepEqual(readdirSync(deps, { recursive: true }).map(String).sort(), [
      ...['include', 'include/tensorflow', 'include/tensorflow/c', 'include/tensorflow/c/c_api.h', 'lib'],
      ...['lib/libtensorflow.so', 'lib/libtensorflow_cc.so.2', 'lib/libtensorflow_framework.so'],
      'lib/libtensorflow_framework.so.2',
    ]);
    assert.equal(readFileSync(join(deps, 'lib/libtensorflow.so'), 'utf8'), library);
    const started = readFileSync(log, 'utf8');
    assert.match(started, /npm install --ignore-scripts .*@tensorflow\/tfjs-node-gpu@\d/);

    const second = await doctor(...install).done;
    assert.match(second.stderr, /is in .*tensorflow already/);
    assert.equal(readFileSync(log, 'utf8').match(/npm|c\+\+ -/g)!.length, started.match(/npm|c\+\+ -/g)!.length);
    assert.equal(index.fetched.length, 1);

    const removed = await doctor('--remove', 'tensorflow', '--yes', '--json').done;
    assert.match(finding(removed.stdout).found, /not set up/);
    assert.deepEqual(
      readdirSync(home).filter(name => name.startsWith('tensorflow')),
      [],
    );
  },
);

/** The first part of the wheel is here, and its server says no more. */
async function halfway(t: TestContext) {
  const index = await indexOf(t, { hangAfter: 1000 });
  const { doctor, folder } = machine({ index: index.address });
  const { child, done } = doctor(...install);
  t.after(() => child.kill('SIGKILL'));
  const cut = await index.hanging;
  const begun = join(`${folder}.partial`, 'wheels', `${fileName('tensorflow-cpu', wheels.cpu[0]!.version)}.incomplete`);
  while ((statSync(begun, { throwIfNoEntry: false })?.size ?? 0) < 1000) await setTimeout(20);
  return { index, doctor, folder, child, done, cut };
}

test('a connection that breaks is taken up where it was', linux, async t => {
  const { index, done, cut } = await halfway(t);
  cut();
  const { stdout, stderr } = await done;
  assert.equal(finding(stdout).state, 'ok', stderr);
  assert.deepEqual(
    index.fetched.map(({ range }) => range),
    [undefined, 'bytes=1000-'],
  );
});

test('a Holdfast that is killed on the way leaves what it has, and the next one goes on with it', linux, async t => {
  const { index, doctor, folder, child, done } = await halfway(t);
  child.kill('SIGKILL');
  await done;
  assert.ok(!existsSync(folder));
  const { stdout, stderr } = await doctor(...install).done;
  assert.equal(finding(stdout).state, 'ok', stderr);
  assert.equal(index.fetched.at(-1)!.range, 'bytes=1000-');
});

test('a wheel with another sha256 than the index says is refused and not kept', linux, async t => {
  const index = await indexOf(t, { damaged: true });
  const { doctor, folder } = machine({ index: index.address });
  const { code, stderr } = await doctor(...plainly).done;
  assert.equal(code, 3);
  assert.match(stderr, /another sha256 than the index says, and was removed/);
  assert.deepEqual(readdirSync(join(`${folder}.partial`, 'wheels')), []);
  assert.ok(!existsSync(folder));
});

test('with an NVIDIA GPU the libraries of CUDA come too, where TensorFlow looks for them', linux, async t => {
  const index = await indexOf(t, { wheels: wheelsOf('cuda') });
  const { doctor, folder } = machine({ index: index.address, nvidia: true });
  const { stderr } = await doctor(...install).done;
  assert.match(stderr, /for cuda, since there is an NVIDIA GPU, NVIDIA Test/);
  const nvidia = join(folder, 'node_modules/@tensorflow/tfjs-node-gpu/deps/nvidia');
  const parts = wheels.cuda.slice(1).map(({ project }) => project.slice(7, -5).replaceAll('-', '_'));
  assert.deepEqual(readdirSync(nvidia).sort(), parts.sort());
  assert.ok(existsSync(join(nvidia, 'cudnn/lib/libcudnn.so.12')));
});

test('a password of the index is sent to the index', linux, async t => {
  const authorization = `Basic ${Buffer.from('me:se cret').toString('base64')}`;
  const index = await indexOf(t, { authorization });
  const open = machine({ index: index.address });
  const refused = await open.doctor(...plainly).done;
  assert.equal(refused.code, 3);
  assert.match(refused.stderr, /answered with 401[\s\S]*pip config list/);
  const { doctor } = machine({ index: index.address.replace('//', '//me:se%20cret@') });
  const { stdout, stderr } = await doctor(...install).done;
  assert.equal(finding(stdout).state, 'ok', stderr);
  assert.doesNotMatch(stderr, /cret/);
});

test('a compiler that fails is named with what it said, and nothing appears', linux, async t => {
  const index = await indexOf(t);
  const { doctor, folder } = machine({ index: index.address, compilerFails: true });
  const { code, stderr } = await doctor(...plainly).done;
  assert.equal(code, 3);
  assert.match(stderr, /fatal error: no such thing[\s\S]*c\+\+ .* ended with 1/);
  assert.ok(!existsSync(folder));
});

test('words that --install and --remove do not know are refused', async () => {
  const { doctor } = machine({ index: 'http://127.0.0.1:9/' });
  const cases: [string[], RegExp][] = [
    [['--install', 'jax'], /--install knows torch and tensorflow, not "jax"/],
    [['--remove', 'torch'], /--remove knows tensorflow, not "torch"/],
    [['--install', 'torch', '--remove', 'tensorflow'], /not both/],
  ];
  for (const [words, says] of cases) {
    const { code, stderr } = await doctor(...words).done;
    assert.equal(code, 2);
    assert.match(stderr, says);
  }
});
