/**
 * What is known of a run before the first record of its own journal: its request and, of a fork, the curve of its parent
 * up to where it left it.
 */
import { basename, dirname, join } from 'node:path';
import { type RunIdentity, RunState } from '../domain/runState.ts';
import { flattenSettings } from '../recipe/resolve.ts';
import { readJournal } from './journal.ts';
import { RunFolder, type RunRequest } from './runFolder.ts';

/** A fork of a fork of a …: more is a circle that somebody forged. */
const mostGenerations = 32;

export async function openState(
  run: RunFolder,
  request: RunRequest,
  identity = identityFor(run, request),
  generations = mostGenerations,
): Promise<RunState> {
  const state = new RunState(identity);
  const { parent } = request;
  if (!parent) return state;
  const folder = new RunFolder(parent.run, join(dirname(run.folder), parent.run));
  state.inherit(generations > 0 ? await stateOf(folder, generations - 1) : null, parent.step);
  return state;
}

/** `null` when the run is gone or cannot be read: the curve of its fork then begins where the fork does. */
async function stateOf(run: RunFolder, generations: number): Promise<RunState | null> {
  try {
    const request = await run.request();
    if (!request) return null;
    const state = await openState(run, request, undefined, generations);
    for await (const { records } of readJournal(run)) for (const record of records) state.apply(record);
    return state;
  } catch {
    return null;
  }
}

/** What `run.json` tells a state. */
export function identityFor(run: RunFolder, request: RunRequest): RunIdentity {
  return {
    id: run.id,
    folder: run.folder,
    name: request.name,
    recipe: basename(request.recipeFile),
    variant: request.variant,
    settings: flattenSettings(request.recipe),
    ...(request.parent && { parent: { run: request.parent.run, step: request.parent.step } }),
  };
}
