import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { RunResult } from '../../src/protocol/result.ts';
import type { FakeTrainerOptions } from '../protocol/fakeTrainerOptions.ts';
import { ended, ownHome, recipeText, testProject } from '../runs/testStore.ts';
import { holdfast } from './commandLine.ts';

ownHome();

const swept = testProject(`${recipeText}sweep: { method.replay.share: [0.1, 0.3], train.seed: [1, 2] }\n`);
const labels = ['share=0.1 seed=1', 'share=0.1 seed=2', 'share=0.3 seed=1', 'share=0.3 seed=2'];

test('sweep --dry-run lists the runs and makes none', async () => {
  const { code, stdout } = await holdfast(swept, ['sweep', 'test.tune.yaml', '--dry-run']);
  assert.equal(code, 0);
  assert.equal(stdout, `${labels.join('\n')}\n\n4 runs. Nothing was made.\n`);
  const { stdout: json } = await holdfast(swept, ['sweep', 'test.tune.yaml', '--dry-run', '--json']);
  const arms = JSON.parse(json) as { variant: string; settings: Record<string, string> }[];
  assert.deepEqual(arms.map(({ variant, settings }) => [variant, settings['train.seed']]).at(-1), [labels[3], '2']);
  assert.ok(!existsSync(swept.store.folder));
});

test('sweep runs all combinations as one group, writes the report, and the group is compared again later', async () => {
  const { code, stdout, stderr } = await holdfast(
    swept,
    ['sweep', 'test.tune.yaml', '--report', 'report.md', '--json'],
    {
      steps: 5,
      rate: 0,
    },
  );
  assert.equal(code, 0, stderr);
  const results = JSON.parse(stdout) as RunResult[];
  assert.deepEqual(
    results.map(({ variant, status }) => [variant, status]),
    labels.map(label => [label, 'finished']),
  );
  assert.match(readFileSync(join(swept.folder, 'report.md'), 'utf8'), /share=0\.3 seed=2/);
  const groups = new Set(
    readdirSync(swept.store.runsFolder).map(
      id => JSON.parse(readFileSync(join(swept.store.runsFolder, id, 'run.json'), 'utf8')).group as string,
    ),
  );
  assert.equal(groups.size, 1);
  const [group] = groups;
  assert.match(group ?? '', /^sweep-[0-9a-f]{8}$/);
  const again = await holdfast(swept, ['compare', group!, '--json']);
  assert.deepEqual([again.code, JSON.parse(again.stdout)], [0, results]);
  const table = (await holdfast(swept, ['compare', group!])).stdout;
  assert.match(table, /variant +learned eval[\s\S]*share=0\.3 seed=2/);
  assert.match(table, /over seeds +seeds +learned eval.*kept\n.*\nshare=0\.1 +2 +\+\d.* \d of 2\nshare=0\.3 +2 /);
});

test('an arm that breaks the budget stops early when the recipe says so, and the others go on', async () => {
  const project = testProject(
    `${recipeText}sweep: { train.seed: [1, 2] }\nstop_if: forgetting is forgot for 2 evals\n`,
  );
  const forgets = { verdicts: { general: 'forgot', arithmetic: 'kept' } } as const;
  const keeps = { verdicts: { general: 'kept', arithmetic: 'kept' } } as const;
  const trainer: FakeTrainerOptions = { byVariant: { 'seed=1': { ...forgets, steps: 100_000 }, 'seed=2': keeps } };
  const { code, stdout } = await holdfast(project, ['sweep', 'test.tune.yaml', '--json'], trainer);
  const results = JSON.parse(stdout) as RunResult[];
  assert.deepEqual(
    results.map(({ status, stopRule }) => [status, stopRule]),
    [
      ['stopped', 'forgetting is forgot for 2 evals'],
      ['finished', undefined],
    ],
  );
  assert.equal(code, 0, 'a rule of the recipe is no interruption');
});

test('sweep --detach leaves the runs in the queue and says how to see them', async () => {
  const project = testProject(`${recipeText}sweep: { train.seed: [1, 2] }\n`);
  const { code, stdout } = await holdfast(project, ['sweep', 'test.tune.yaml', '--detach', '--json'], {
    steps: 2,
    rate: 0,
  });
  const { group, runs } = JSON.parse(stdout) as { group: string; runs: { id: string; status: string }[] };
  assert.equal(code, 0);
  assert.match(group, /^sweep-/);
  for (const { id } of runs) assert.equal((await ended(project.store.run(id))).status, 'finished');
});

test('a group whose arms wait or train is compared as far as it has come: nothing has failed', async () => {
  const project = testProject(`${recipeText}sweep: { train.seed: [1, 2] }\n`);
  await holdfast(project, ['queue', 'hold']);
  const { stdout } = await holdfast(project, ['sweep', 'test.tune.yaml', '--detach', '--json'], { steps: 2 });
  const { group } = JSON.parse(stdout) as { group: string };
  const compared = await holdfast(project, ['compare', group, '--json']);
  assert.equal(compared.code, 0, compared.stderr);
  assert.deepEqual(
    (JSON.parse(compared.stdout) as { status: string }[]).map(({ status }) => status),
    ['queued', 'queued'],
  );
});

test('a recipe without a sweep, and one with a bad sweep, are refused with their place before anything starts', async () => {
  const none = await holdfast(testProject(), ['sweep', 'test.tune.yaml', '--json']);
  assert.equal(none.code, 2);
  assert.equal(JSON.parse(none.stdout).error.code, 'no-sweep');
  const bad = testProject(`${recipeText}sweep:\n  train.sead: [1]\n`);
  const { code, stdout } = await holdfast(bad, ['sweep', 'test.tune.yaml', '--json']);
  const { error } = JSON.parse(stdout);
  assert.equal(code, 2);
  assert.deepEqual(
    [error.line, error.remedy],
    [bad.recipeFile && recipeText.split('\n').length + 1, 'Did you mean train.seed?'],
  );
  assert.ok(!existsSync(bad.store.folder));
});

test('a group that nobody knows is said to be unknown', async () => {
  const { code, stdout } = await holdfast(swept, ['compare', 'sweep-00000000', '--json']);
  assert.deepEqual([code, JSON.parse(stdout).error.code], [2, 'unknown-run']);
});
