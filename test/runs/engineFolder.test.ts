import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { resolveText } from '../../src/runs/createRun.ts';
import { checkEngine, engineVersion, installEngine } from '../../src/runs/engineFolder.ts';
import { launchRunner } from '../../src/runs/launch.ts';
import { chooseNode } from '../../src/runs/nodePath.ts';
import { runTrainerJob } from '../../src/runs/trainerJob.ts';
import type { FakeTrainerOptions } from '../protocol/fakeTrainerOptions.ts';
import { fakeTrainer } from '../protocol/fakeTrainerProgram.ts';
import { ownHome, queueRun, recipeText, temporaryFolder, testEngine, testProject } from './testStore.ts';

const home = ownHome();

function packageFolder(program = '// v1'): string {
  const folder = temporaryFolder('package');
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  put('package.json', '{"name": "holdfast", "version": "9.8.7"}');
  for (const name of ['runner', 'trainer', 'command', 'cli']) put(`dist/${name}.cjs`, program);
  put('models/holdfast-tiny/config.json', '{}');
  put('node_modules/onnxruntime-common/package.json', '{}');
  put('node_modules/onnxruntime-node/package.json', '{}');
  for (const platform of ['linux', 'win32', 'darwin']) {
    for (const arch of ['x64', 'arm64']) put(`node_modules/onnxruntime-node/bin/napi-v6/${platform}/${arch}/lib`, '');
  }
  return folder;
}

test('an engine is copied once, with the binaries of this machine alone', async () => {
  const source = packageFolder();
  const folder = await installEngine(source);
  assert.match(folder, /engines[\\/]9\.8\.7-[0-9a-f]{8}$/);
  assert.ok(folder.startsWith(home));
  checkEngine(folder);
  assert.equal(engineVersion(folder), '9.8.7');
  assert.ok(existsSync(join(folder, 'models', 'holdfast-tiny', 'config.json')));
  const binaries = join(folder, 'node_modules', 'onnxruntime-node', 'bin', 'napi-v6');
  assert.deepEqual(readdirSync(binaries), [process.platform]);
  assert.deepEqual(readdirSync(join(binaries, process.platform)), [process.arch]);
  assert.equal(await installEngine(source), folder);
  assert.notEqual(await installEngine(packageFolder('// v2')), folder, 'another build is another engine');
});

test('two windows that install at once end with one whole engine', async () => {
  const source = packageFolder('// twice');
  const folders = await Promise.all([installEngine(source), installEngine(source)]);
  assert.equal(folders[0], folders[1]);
  assert.deepEqual(
    readdirSync(dirname(folders[0]!)).filter(name => name.includes('tmp')),
    [],
  );
});

test('an engine folder that lacks a program is named with its remedy', () => {
  assert.throws(() => checkEngine(temporaryFolder('empty')), {
    code: 'engine-incomplete',
    message: /runner\.cjs, trainer\.cjs, command\.cjs, cli\.cjs/,
  });
});

test('nothing is started in a workspace that is not trusted', async () => {
  const project = testProject();
  const run = await queueRun(project);
  const node = await chooseNode();
  const launch = launchRunner({ store: project.store, engineFolder: testEngine(), node, trusted: false });
  await assert.rejects(launch, { code: 'not-trusted' });
  await assert.rejects(job('check', {}, { trusted: false }), { code: 'not-trusted' });
  assert.ok(!existsSync(run.processJson));
});

test('a one-shot job gives its events and leaves nothing', async () => {
  const events = await job('check');
  assert.deepEqual(events.filter(({ type }) => type === 'firstBatch' || type === 'estimate').length, 2);
});

test('a one-shot job that fails throws the trainer’s own words, with their place', async () => {
  const failed = { code: 'bad-row', message: 'Row 3 has no text', file: 'train.jsonl', line: 3, remedy: 'Add a text.' };
  await assert.rejects(job('check', { failed }), failed);
  await assert.rejects(job('check', { protocol: 7 }), { code: 'trainer-protocol' });
});

test('a one-shot job that is aborted ends, even when the trainer hangs', async () => {
  const abort = new AbortController();
  const waiting = job(
    'check',
    { hangs: 'after start', ignoresSignals: true },
    { signal: abort.signal, onEvent: () => abort.abort() },
  );
  await assert.rejects(waiting, { code: 'stopped' });
});

async function job(
  kind: 'check' | 'evaluate',
  trainer: FakeTrainerOptions = {},
  more: Partial<Parameters<typeof runTrainerJob>[0]> = {},
) {
  const recipe = resolveText('/x/test.tune.yaml', recipeText, { variant: 'plain' });
  return runTrainerJob({
    job: kind,
    recipe,
    paths: {},
    engineFolder: testEngine(),
    node: await chooseNode(),
    trusted: true,
    trainer: fakeTrainer(trainer),
    limits: { graceMs: 200 },
    ...more,
  });
}
