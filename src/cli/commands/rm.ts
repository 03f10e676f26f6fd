/** `holdfast rm`: runs into the trash, out of it again, and the trash emptied. */

import { RunsError } from '../../runs/runsError.ts';
import type { Store } from '../../runs/store.ts';
import { emptyTrash, restoreRun, trashedRuns, trashRun } from '../../runs/trash.ts';
import { type Command, flag, jsonOption, wrongUse } from '../command.ts';
import { findRuns, refuseEmpty } from '../findRun.ts';
import { storeHere } from '../machine.ts';
import type { Output } from '../output.ts';
import { bytes } from '../table.ts';

export const rm: Command = {
  name: 'rm',
  summary: 'Move runs to the trash, or bring them back.',
  usage: 'RUN… | --undo [RUN…] | --trash | --empty-trash [--json]',
  options: {
    undo: { type: 'boolean', help: 'Bring back the named runs; without a name, the one deleted last.' },
    trash: { type: 'boolean', help: 'List what lies in the trash.' },
    'empty-trash': { type: 'boolean', help: 'Delete what lies in the trash for good.' },
    ...jsonOption,
  },
  async run({ positionals, values, output }) {
    const store = storeHere();
    const asked = ['undo', 'trash', 'empty-trash'].filter(name => flag(values, name));
    if (asked.length > 1) throw wrongUse(rm, `--${asked[0]} and --${asked[1]} exclude each other`);
    if (asked[0] !== 'undo' && asked[0] && positionals.length > 0) throw wrongUse(rm, `--${asked[0]} takes no RUN`);
    if (flag(values, 'trash')) return list(store, output);
    if (flag(values, 'empty-trash')) return empty(store, output);
    if (flag(values, 'undo')) return undo(store, positionals, output);
    const runs = await findRuns(rm, positionals);
    for (const run of runs) {
      await trashRun(store, run);
      output.line(`${run.id} is in the trash. Bring it back with: holdfast rm --undo ${run.id}`);
    }
    output.answer({ deleted: runs.map(({ id }) => id) });
    return 0;
  },
};

async function list(store: Store, output: Output): Promise<number> {
  const runs = await trashedRuns(store);
  for (const run of runs) output.line(`${run.id}  ${bytes(run.bytes)}`);
  if (runs.length === 0) output.line('The trash is empty.');
  output.answer(runs);
  return 0;
}

async function empty(store: Store, output: Output): Promise<number> {
  const runs = await emptyTrash(store);
  const freed = runs.reduce((sum, run) => sum + run.bytes, 0);
  output.line(`${runs.length} runs are deleted for good, ${bytes(freed)} are free.`);
  output.answer({ deleted: runs.map(({ id }) => id), bytes: freed });
  return 0;
}

async function undo(store: Store, names: string[], output: Output): Promise<number> {
  const trashed = await trashedRuns(store);
  const ids = names.length > 0 ? names.map(name => named(name, trashed)) : [lastDeleted(trashed)];
  for (const id of ids) {
    await restoreRun(store, id);
    output.line(`${id} is back.`);
  }
  output.answer({ restored: ids });
  return 0;
}

type Trashed = readonly { id: string; deletedAt: number }[];

function named(name: string, trashed: Trashed): string {
  refuseEmpty(name);
  const found = trashed.filter(({ id }) => id === name || id.includes(name));
  const [only, ...more] = found.some(({ id }) => id === name) ? found.filter(({ id }) => id === name) : found;
  if (only && more.length === 0) return only.id;
  const message = only ? `"${name}" fits ${found.length} deleted runs` : `The trash holds no run "${name}"`;
  throw new RunsError('unknown-run', message, { remedy: 'See holdfast rm --trash.' });
}

function lastDeleted(trashed: Trashed): string {
  const [last] = trashed.toSorted((a, b) => b.deletedAt - a.deletedAt);
  if (last) return last.id;
  throw new RunsError('unknown-run', 'The trash is empty', { remedy: 'There is nothing to bring back.' });
}
