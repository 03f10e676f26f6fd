import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { RunResult } from '../../src/protocol/result.ts';
import { isOver, statusOf } from '../../src/runs/status.ts';
import type { FakeTrainerOptions } from '../protocol/fakeTrainerOptions.ts';
import { ended, ownHome, queueRun, recipeText, type TestProject, testProject, until } from '../runs/testStore.ts';
import { holdfast, start } from './commandLine.ts';

ownHome();

const runFolders = (project: TestProject): string[] =>
  existsSync(project.store.runsFolder)
    ? readdirSync(project.store.runsFolder).filter(name => !name.startsWith('.'))
    : [];

test('run --json puts exactly one JSON value on stdout: the result, with verdicts', async () => {
  const project = testProject();
  const { code, stdout } = await holdfast(project, ['run', 'test.tune.yaml', '--variant', 'replay', '--json']);
  const result = JSON.parse(stdout) as RunResult;
  assert.equal(code, 0);
  assert.deepEqual(
    [result.status, result.variant, result.steps, result.trainedShare, result.stepZero?.ok],
    ['finished', 'replay', 20, 1, true],
  );
  assert.deepEqual(Object.keys(result.forgetting), ['general', 'arithmetic']);
  assert.deepEqual(Object.keys(result.learning), ['eval']);
  const { general } = result.forgetting;
  assert.ok(general && general.low <= general.value && general.value <= general.high && general.replayed);
  assert.equal(result.kl.direction, 'KL(base || tuned)');
  assert.ok(existsSync(result.folder));
});

test('people get progress on stderr and the verdict in words on stdout', async () => {
  const verdicts = { general: 'forgot', arithmetic: 'kept' } as const;
  const { code, stdout, stderr } = await holdfast(testProject(), ['run', 'test.tune.yaml', '--variant', 'plain'], {
    verdicts,
  });
  assert.equal(code, 0);
  assert.match(stderr, /plain {2}━+ {2}20\/20 {2}loss \d\.\d+ {2}\d\.\dk tok\/s/);
  assert.match(stdout, /Forgetting: forgot/);
  assert.match(stdout, /✗ general \(200 texts\): \+0\.\d+ nats\/token \[.*\], more than your budget of 0\.05/);
});

test('a recipe that nothing watches is run, and says so loudly', async () => {
  const project = testProject('model: holdfast-tiny\ndata: { train: data/train.jsonl }\ntrain: { max_steps: 2 }\n');
  const { code, stdout, stderr } = await holdfast(project, ['run', 'test.tune.yaml']);
  assert.equal(code, 0);
  assert.match(stderr, /test\.tune\.yaml:1:1 warning: .*forget/);
  assert.match(stdout, /Nothing watches for forgetting/);
});

test('--fail-on forgot turns the verdict into exit code 1', async () => {
  const project = testProject();
  const words = ['run', 'test.tune.yaml', '--fail-on', 'forgot'];
  assert.equal((await holdfast(project, words, { verdicts: { general: 'forgot' } })).code, 1);
  assert.equal((await holdfast(project, words, { verdicts: { general: 'kept', arithmetic: 'kept' } })).code, 0);
});

test('--set and --name change the run, and say which key is wrong', async () => {
  const project = testProject();
  const words = ['run', 'test.tune.yaml', '--set', 'train.max_steps=7', '--name', 'seven', '--json'];
  const result = JSON.parse((await holdfast(project, words)).stdout) as RunResult;
  assert.deepEqual([result.name, result.steps], ['seven', 7]);
  const wrong = await holdfast(project, ['run', 'test.tune.yaml', '--set', 'train.max_stepz=7']);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /max_stepz[\s\S]*max_steps/);
});

test('a run that is refused leaves nothing in the project: no store, and no runner that would write there', async () => {
  const project = testProject();
  const missing = await holdfast(project, ['run', 'test.tune.yaml', '--set', 'data.train=data/absent.jsonl']);
  assert.equal(missing.code, 2);
  assert.match(missing.stderr, /absent\.jsonl/);
  assert.ok(!existsSync(project.store.folder));
});

test('whatever is said to be queued can be read: a name that is too long is refused, a long command line or branch is cut', async () => {
  const project = testProject();
  const git = (...words: string[]) => execFileSync('git', ['-C', project.folder, ...words]);
  git('init', '-q', '-b', `${'a'.repeat(150)}/${'b'.repeat(150)}`);
  git('-c', 'user.name=n', '-c', 'user.email=n@example.org', 'commit', '-q', '--allow-empty', '-m', 'first');
  const named = await holdfast(project, ['run', 'test.tune.yaml', '--detach', '--name', 'n'.repeat(2000)]);
  assert.equal(named.code, 2);
  assert.match(named.stderr, /at most 256 characters, not 2000\n.*--note/);
  assert.deepEqual(runFolders(project), []);
  const prompts = `retain.prompts=${JSON.stringify(['p'.repeat(4000), 'q'.repeat(4000)])}`;
  const seeds = Array.from({ length: 150 }, (_, seed) => ['--set', `train.seed=${seed}`]).flat();
  const words = ['run', 'test.tune.yaml', '--detach', '--json', '--set', prompts, ...seeds];
  const { code, stdout, stderr } = await holdfast(project, words);
  assert.equal(code, 0, stderr);
  const run = project.store.run(JSON.parse(stdout).id);
  assert.equal((await ended(run)).status, 'finished');
  assert.equal((await run.request())?.recipe.train.seed, 149);
});

test('a failed run ends with exit code 1 and its reason', async () => {
  const { code, stdout } = await holdfast(testProject(), ['run', 'test.tune.yaml', '--json'], {
    dieAtStep: 3,
    exitCode: 7,
    says: 'it broke',
  });
  const result = JSON.parse(stdout) as RunResult;
  assert.equal(code, 1);
  assert.deepEqual([result.status, result.error?.code], ['failed', 'trainer-exit']);
  assert.match(result.error?.message ?? '', /exit code 7.*it broke/);
});

for (const [trainer, expected] of [
  [{ failed: { code: 'bad-row', message: 'Row 2 has no text', file: 'train.jsonl', line: 2 } }, 2],
  [{ failed: { code: 'disk-full', message: 'The disk is full' } }, 3],
  [{ failed: { code: 'check-mask', message: 'The check "mask" failed' } }, 1],
] as [FakeTrainerOptions, number][]) {
  test(`a trainer that fails with ${trainer.failed?.code} gives exit code ${expected}`, async () => {
    const { code, stdout } = await holdfast(testProject(), ['run', 'test.tune.yaml', '--json'], trainer);
    assert.equal(code, expected);
    assert.equal((JSON.parse(stdout) as RunResult).error?.code, trainer.failed?.code);
  });
}

test('Ctrl-C stops and saves: exit code 130, the result says stopped', async () => {
  const project = testProject();
  const { child, done } = start(project, ['run', 'test.tune.yaml', '--json'], { steps: 100_000, rate: 100 });
  const run = await until('a run', () => runFolders(project).map(id => project.store.run(id))[0]);
  await until(
    'steps',
    async () => existsSync(run.journalFile) && readFileSync(run.journalFile, 'utf8').includes('"step":3,'),
  );
  child.kill('SIGINT');
  const { code, stdout } = await done;
  assert.equal(code, 130);
  const result = JSON.parse(stdout) as RunResult;
  assert.equal(result.status, 'stopped');
  assert.ok(result.steps >= 3);
});

test('Ctrl-C leaves a run whose runner is frozen, too: it is woken, and what was trained is saved', async () => {
  const project = testProject();
  const { child, done } = start(project, ['run', 'test.tune.yaml'], { steps: 100_000, rate: 50 });
  const run = await until('a run', () => runFolders(project).map(id => project.store.run(id))[0]);
  const { runner } = await until('a step', async () => {
    const { step, process } = await statusOf(run);
    return step > 0 ? process : null;
  });
  process.kill(runner.identity.pid, 'SIGSTOP');
  child.kill('SIGINT');
  const { code, stderr } = await done;
  assert.equal(code, 130, stderr);
  assert.match(stderr, /no sign of life for \d+ s: waking it, else ending it/);
  assert.match((await ended(run)).reason, /stopped, and saved at step \d+/);
});

test('a terminal that is killed takes its run with it: the runner stops and saves', async () => {
  const project = testProject();
  const { child } = start(project, ['run', 'test.tune.yaml'], { steps: 100_000, rate: 100 });
  const run = await until('a run', () => runFolders(project).map(id => project.store.run(id))[0]);
  await until('running', async () => (await statusOf(run)).status === 'running');
  child.kill('SIGKILL');
  assert.equal((await ended(run)).status, 'stopped');
});

test('--detach returns at once; ls, logs -f, stop and show find the run', async () => {
  const project = testProject();
  const detached = await holdfast(project, ['run', 'test.tune.yaml', '-d', '--json'], { steps: 100_000, rate: 200 });
  const { id } = JSON.parse(detached.stdout) as { id: string };
  const run = project.store.run(id);
  await until('running', async () => (await statusOf(run)).status === 'running');
  const listed = JSON.parse((await holdfast(project, ['ls', '--json'])).stdout) as { id: string; status: string }[];
  assert.deepEqual(
    listed.map(entry => [entry.id, entry.status]),
    [[id, 'running']],
  );
  const following = start(project, ['logs', '-f', 'last']);
  await until(
    'a step in the log',
    async () => isOver((await statusOf(run)).status) || readFileSync(run.journalFile, 'utf8').includes('"step":2,'),
  );
  assert.equal((await holdfast(project, ['stop', id.slice(-4)])).code, 0);
  const log = await following.done;
  assert.match(log.stdout, /step 1 {2}loss [\s\S]*ended: stopped/);
  const shown = JSON.parse((await holdfast(project, ['show', 'last', '--json'])).stdout);
  assert.deepEqual([shown.id, shown.status, shown.settings['train.max_steps']], [id, 'stopped', '20']);
});

test('compare runs every arm in turn, prints the table, and a failed arm says why', async () => {
  const project = testProject();
  const trainer = { byVariant: { replay: { failed: { code: 'bad-row', message: 'Row 2 has no text' } } } };
  const { code, stdout } = await holdfast(project, ['compare', 'test.tune.yaml', '--json'], trainer);
  const results = JSON.parse(stdout) as RunResult[];
  assert.deepEqual(
    results.map(({ variant, status }) => [variant, status]),
    [
      ['plain', 'finished'],
      ['plain-third-rate', 'finished'],
      ['replay', 'failed'],
      ['regularized', 'finished'],
      ['narrow', 'finished'],
    ],
  );
  assert.equal(results[2]?.error?.message, 'Row 2 has no text');
  assert.equal(code, 2);
});

test('Ctrl-C in a comparison stops the arm under way and starts no other', async () => {
  const project = testProject();
  const { child, done } = start(project, ['compare', 'test.tune.yaml', '--json'], { steps: 100_000, rate: 100 });
  const running = await until('an arm under way', async () => {
    for (const id of runFolders(project)) {
      const run = project.store.run(id);
      if ((await statusOf(run)).status === 'running') return run;
    }
    return null;
  });
  await until(
    'steps',
    () => existsSync(running.journalFile) && readFileSync(running.journalFile, 'utf8').includes('"step":3,'),
  );
  child.kill('SIGINT');
  const { code, stdout } = await done;
  assert.equal(code, 130);
  const results = JSON.parse(stdout) as RunResult[];
  assert.deepEqual([...new Set(results.map(({ status }) => status))], ['stopped']);
  assert.deepEqual(
    results.map(({ steps }) => steps > 0),
    [true, false, false, false, false],
  );
  const shown = await holdfast(project, ['show', results[4]?.id ?? '']);
  assert.match(shown.stdout, /Forgetting: nothing measured/, 'the recipe has probes, so something does watch');
});

test('compare --report writes Markdown with its pictures beside it', async () => {
  const project = testProject();
  const words = ['compare', 'test.tune.yaml', '--variants', 'plain,narrow', '--report', 'out/my report.md'];
  const { code, stdout } = await holdfast(project, words);
  assert.equal(code, 0);
  assert.match(stdout, /variant +learned eval +forgot general/);
  const report = readFileSync(join(project.folder, 'out/my report.md'), 'utf8');
  const pictures = [...report.matchAll(/!\[[^\]]*\]\(([^)\s]+)\)/g)].map(([, path]) => path ?? '');
  assert.ok(pictures.length >= 4);
  for (const path of pictures)
    assert.match(readFileSync(join(project.folder, 'out', decodeURIComponent(path)), 'utf8'), /^<svg/);
});

test('compare refuses a report that cannot be written before anything trains', async () => {
  const project = testProject();
  writeFileSync(join(project.folder, 'file'), '');
  for (const [report, expected] of [
    ['data', 2],
    ['file/report.md', 3],
  ] as const) {
    const { code, stderr } = await holdfast(project, ['compare', 'test.tune.yaml', '--report', report]);
    assert.equal(code, expected, stderr);
    assert.ok(stderr.includes(join(project.folder, report)), stderr);
  }
  assert.deepEqual(runFolders(project), []);
});

test('check prints problems with their place, or the first batch with its loss mask and the estimate', async () => {
  const project = testProject();
  const good = await holdfast(project, ['check', 'test.tune.yaml']);
  assert.equal(good.code, 0);
  assert.match(
    good.stdout,
    /train\.max_steps = 20[\s\S]*Question\? ⟦Answer\.⟧[\s\S]*Estimate: 286 MB, 0\.20 s a step, 40 s in all/,
  );
  assert.deepEqual(runFolders(project), []);
  writeFileSync(project.recipeFile, recipeText.replace('max_steps', 'max_stepz'));
  const bad = await holdfast(project, ['check', 'test.tune.yaml']);
  assert.deepEqual([bad.code, bad.stdout.split('\n')[0]], [2, 'test.tune.yaml:10:10 error: Unknown key max_stepz']);
});

test('eval judges a model against its base without a run', async () => {
  const project = testProject();
  const words = ['eval', 'holdfast-tiny', '--base', 'holdfast-tiny', '--probes', 'general=data/general.txt'];
  const { code, stdout } = await holdfast(project, [...words, '--budget', 'general=0.05nats', '--json']);
  assert.equal(code, 0);
  assert.deepEqual(Object.keys(JSON.parse(stdout).forgetting), ['general']);
  assert.deepEqual(runFolders(project), []);
  const own = ['eval', 'holdfast-tiny', '--base', 'holdfast-tiny', '--auto', '--budget', 'auto=0.05nats'];
  const judged = await holdfast(project, own);
  assert.equal(judged.code, 0);
  assert.match(
    judged.stdout,
    /auto \(\d+ of the base's own texts\): .*\. The base wrote them itself.*KL\(base ‖ tuned\)/,
  );
  const stray = await holdfast(project, [...words, '--budget', 'genral=0.05nats', '--fail-on', 'forgot']);
  assert.equal(stray.code, 2, 'a budget of no set would let everything pass');
  assert.match(stray.stderr, /genral/);
});

test('doctor names what is missing with its remedy', async () => {
  const { code, stdout } = await holdfast(testProject(), ['doctor', '--json']);
  const findings = JSON.parse(stdout) as { what: string; state: string; remedy?: string }[];
  const runtime = findings.find(({ what }) => what === 'runtime');
  assert.deepEqual([code, runtime?.state], [3, 'no'], 'the test engine has no onnxruntime');
  assert.match(runtime?.remedy ?? '', /npm ci/);
});

test('help is one JSON value where that is asked for', async () => {
  const project = testProject();
  for (const [words, says] of [
    [['help', '--json'], /usage: holdfast COMMAND/],
    [['run', '--help', '--json'], /--fail-on forgot/],
  ] as const) {
    const { code, stdout, stderr } = await holdfast(project, [...words]);
    assert.equal(code, 0, stderr);
    assert.match((JSON.parse(stdout) as { help: string }).help, says);
  }
});

test('ls names the folders that it cannot list, with the command that says why', async () => {
  const project = testProject();
  const run = await queueRun(project);
  writeFileSync(run.runJson, '{"v": 1');
  const { code, stdout, stderr } = await holdfast(project, ['ls', '--json']);
  assert.deepEqual([code, JSON.parse(stdout)], [0, []]);
  assert.match(stderr, new RegExp(`cannot be read: ${run.id}\\. Why: holdfast show ${run.id}`));
});

test('what a trainer prints is not followed, and the command that does is named', async () => {
  const project = testProject();
  const run = await queueRun(project);
  const { code, stderr } = await holdfast(project, ['logs', run.id, '--printed', '-f']);
  assert.equal(code, 2);
  assert.ok(stderr.includes(`tail -f ${run.trainerLog}`), stderr);
});

test('help, --version and wrong use', async () => {
  const project = testProject();
  assert.match((await holdfast(project, ['help'])).stdout, /usage: holdfast COMMAND/);
  assert.match((await holdfast(project, ['help', 'run'])).stdout, /--fail-on forgot/);
  assert.match((await holdfast(project, ['--version'])).stdout, /^holdfast \d+\.\d+\.\d+\n$/);
  for (const words of [
    [],
    ['fly'],
    ['run'],
    ['run', 'a', 'b'],
    ['run', 'test.tune.yaml', '--bogus'],
    ['run', 'test.tune.yaml', '--variant', 'wild'],
    ['show', 'nothing'],
  ]) {
    const { code, stdout, stderr } = await holdfast(project, words);
    assert.deepEqual([code, stdout], [2, ''], words.join(' '));
    assert.match(stderr, /\S/);
  }
});

test('two terminals: the second run waits visibly and then runs', async () => {
  const project = testProject();
  const first = start(project, ['run', 'test.tune.yaml', '--json'], { steps: 100_000, rate: 100 });
  const running = await until('a run', () => runFolders(project).map(id => project.store.run(id))[0]);
  await until('running', async () => (await statusOf(running)).status === 'running');
  const second = start(project, ['run', 'test.tune.yaml', '--set', 'train.max_steps=3', '--json']);
  let words = '';
  second.child.stderr.on('data', chunk => {
    words += chunk;
  });
  await until('the wait is shown', () => words.includes(`waits for ${running.id}`));
  first.child.kill('SIGINT');
  assert.equal((await first.done).code, 130);
  const waited = await until('the second run', () =>
    runFolders(project)
      .map(id => project.store.run(id))
      .find(run => run.id !== running.id),
  );
  // The runner's environment is the first one's: the endless trainer again, so this one is stopped too.
  await until('its turn', async () => (await statusOf(waited)).status === 'running');
  second.child.kill('SIGINT');
  assert.equal((await second.done).code, 130);
});

test('runs go to HOLDFAST_RUNS_FOLDER when it is set, and nothing is written beside the recipe', async () => {
  const project = testProject();
  const elsewhere = join(testProject().folder, 'elsewhere');
  mkdirSync(elsewhere);
  const env = { HOLDFAST_RUNS_FOLDER: elsewhere };
  assert.equal((await holdfast(project, ['run', 'test.tune.yaml'], {}, env)).code, 0);
  assert.ok(!existsSync(project.store.folder));
  const listed = await holdfast(project, ['ls', '--json'], {}, env);
  assert.equal(JSON.parse(listed.stdout).length, 1);
});
