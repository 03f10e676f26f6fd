/** A run by its id, by the beginning or a part of it, or by `last`. */
import type { RunFolder } from '../runs/runFolder.ts';
import { RunsError } from '../runs/runsError.ts';
import { type Command, wrongUse } from './command.ts';
import { storeHere } from './machine.ts';

/** Each once, in the order they were named. */
export async function findRuns(command: Command, names: readonly string[]): Promise<RunFolder[]> {
  if (names.length === 0) throw wrongUse(command, 'RUN is missing');
  const runs = new Map<string, RunFolder>();
  for (const name of names) {
    const run = await findRun(name);
    runs.set(run.id, run);
  }
  return [...runs.values()];
}

export async function findRun(name: string): Promise<RunFolder> {
  refuseEmpty(name);
  const store = storeHere();
  const ids = await store.runIds();
  if (ids.length === 0) {
    const remedy = 'Go to the folder of the recipe, or start a run with: holdfast run RECIPE';
    throw new RunsError('unknown-run', `There are no runs in ${store.folder}`, { remedy });
  }
  if (name === 'last') return store.run(ids[0]!);
  if (ids.includes(name)) return store.run(name);
  const found = ids.filter(id => id.includes(name));
  if (found.length === 1) return store.run(found[0]!);
  const remedy = 'See holdfast ls; "last" is the newest one.';
  if (found.length === 0)
    throw new RunsError('unknown-run', `No run in ${store.folder} is named "${name}"`, { remedy });
  throw new RunsError('unknown-run', `"${name}" fits ${found.length} runs: ${found.slice(0, 5).join(', ')}`, {
    remedy,
  });
}

/** A variable of a script that was never set is part of every id: nobody means whichever run there happens to be. */
export function refuseEmpty(name: string): void {
  if (name.trim() !== '') return;
  throw new RunsError('wrong-use', 'RUN is empty', {
    remedy: 'Name a run. See holdfast ls; "last" is the newest one.',
  });
}
