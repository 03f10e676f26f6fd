/** A parent in a process group of its own that launches a runner and then stays: an editor, in short. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chooseNode } from '../../src/runs/nodePath.ts';
import { bundle } from '../protocol/fakeTrainerProgram.ts';
import { testEngine } from './testStore.ts';

/** Resolves to its pid once it has launched. */
export async function parentThatLaunches(storeRoot: string, runnerArguments: string[]): Promise<number> {
  const program = join(storeRoot, 'parent.ts');
  const launch = new URL('../../src/runs/launch.ts', import.meta.url).pathname;
  const store = new URL('../../src/runs/store.ts', import.meta.url).pathname;
  writeFileSync(
    program,
    `import { launchRunner } from ${JSON.stringify(launch)};
     import { storeOf } from ${JSON.stringify(store)};
     const [root, engineFolder, node, runnerArguments] = process.argv.slice(2);
     void launchRunner({
       store: storeOf(root),
       engineFolder,
       node: JSON.parse(node),
       trusted: true,
       runnerArguments: JSON.parse(runnerArguments),
     }).then(() => process.stdout.write('launched'));
     setInterval(() => {}, 1000);`,
  );
  const told = [storeRoot, testEngine(), JSON.stringify(await chooseNode()), JSON.stringify(runnerArguments)];
  const parent = spawn(process.execPath, [bundle(program, 'parent'), ...told], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.once('exit', () => parent.kill('SIGKILL'));
  await new Promise(resolve => parent.stdout.once('data', resolve));
  return parent.pid!;
}

export function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}
