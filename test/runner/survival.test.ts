import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sendControl } from '../../src/runs/control.ts';
import { chooseNode } from '../../src/runs/nodePath.ts';
import { statusOf } from '../../src/runs/status.ts';
import { bundle } from '../protocol/fakeTrainerProgram.ts';
import { ended, ownHome, queueRun, quick, testEngine, testProject, until } from '../runs/testStore.ts';

ownHome();

/** A parent in a process group of its own that launches a runner and then stays: an editor, in short. */
async function parentThatLaunches(storeRoot: string): Promise<number> {
  const program = join(storeRoot, 'parent.ts');
  const launch = new URL('../../src/runs/launch.ts', import.meta.url).pathname;
  const store = new URL('../../src/runs/store.ts', import.meta.url).pathname;
  writeFileSync(
    program,
    `import { launchRunner } from ${JSON.stringify(launch)};
     import { storeOf } from ${JSON.stringify(store)};
     void launchRunner({
       store: storeOf(${JSON.stringify(storeRoot)}),
       engineFolder: ${JSON.stringify(testEngine())},
       node: ${JSON.stringify(await chooseNode())},
       trusted: true,
       runnerArguments: ${JSON.stringify(quick)},
     }).then(() => process.stdout.write('launched'));
     setInterval(() => {}, 1000);`,
  );
  const parent = spawn(process.execPath, [bundle(program, 'parent')], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise(resolve => parent.stdout.once('data', resolve));
  return parent.pid!;
}

for (const [what, kill] of [
  ['SIGTERM to the group of whoever launched it', (pid: number) => process.kill(-pid, 'SIGTERM')],
  ['SIGKILL of whoever launched it', (pid: number) => process.kill(pid, 'SIGKILL')],
] as const) {
  test(`a runner survives ${what}`, async () => {
    const project = testProject();
    const run = await queueRun(project, { steps: 100_000, rate: 100 });
    const parent = await parentThatLaunches(project.folder);
    await until('running', async () => (await statusOf(run)).step > 0);
    kill(parent);
    await until('the parent is gone', () => {
      try {
        process.kill(parent, 0);
        return false;
      } catch {
        return true;
      }
    });
    const { step } = await statusOf(run);
    await until('more steps', async () => (await statusOf(run)).step > step);
    await sendControl(run, 'stop');
    assert.equal((await ended(run)).status, 'stopped');
  });
}
