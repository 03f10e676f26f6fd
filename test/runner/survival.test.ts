import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sendControl } from '../../src/runs/control.ts';
import { statusOf } from '../../src/runs/status.ts';
import { isGone, parentThatLaunches } from '../runs/launchingParent.ts';
import { ended, ownHome, queueRun, quick, testProject, until } from '../runs/testStore.ts';

ownHome();

for (const [what, kill] of [
  ['SIGTERM to the group of whoever launched it', (pid: number) => process.kill(-pid, 'SIGTERM')],
  ['SIGKILL of whoever launched it', (pid: number) => process.kill(pid, 'SIGKILL')],
] as const) {
  test(`a runner survives ${what}`, async () => {
    const project = testProject();
    const run = await queueRun(project, { steps: 100_000, rate: 100 });
    const parent = await parentThatLaunches(project.folder, quick);
    await until('running', async () => (await statusOf(run)).step > 0);
    kill(parent);
    await until('the parent is gone', () => isGone(parent));
    const { step } = await statusOf(run);
    await until('more steps', async () => (await statusOf(run)).step > step);
    await sendControl(run, 'stop');
    assert.equal((await ended(run)).status, 'stopped');
  });
}
