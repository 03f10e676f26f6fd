/** A run as a whole, from its folder: request, journal folded into a state, status, result. */
import type { RunState } from '../domain/runState.ts';
import type { ErrorReport, RunResult } from '../protocol/result.ts';
import { type JournalDamage, readJournal } from './journal.ts';
import { identityFor, openState } from './openState.ts';
import type { RunFolder, RunRequest } from './runFolder.ts';
import { RunsError } from './runsError.ts';
import { folderGone, type StatusOfRun, statusOf } from './status.ts';

export interface LoadedRun {
  request: RunRequest;
  state: RunState;
  status: StatusOfRun;
  result: RunResult;
  damage: JournalDamage;
}

export async function loadRun(run: RunFolder): Promise<LoadedRun> {
  const request = await run.request();
  if (!request) {
    throw new RunsError('unknown-run', `${run.folder} holds no run`, { file: run.runJson, remedy: 'See holdfast ls.' });
  }
  const status = await statusOf(run);
  const user = await run.user().catch(() => null);
  const identity = identityFor(run, request);
  const state = await openState(run, request, { ...identity, name: user?.name ?? identity.name });
  let damage: JournalDamage = { badLines: 0, gaps: 0, unknown: 0 };
  for await (const batch of readJournal(run)) {
    for (const record of batch.records) state.apply(record);
    damage = batch.damage;
  }
  return { request, state, status, result: resultOf(state, status, damage), damage };
}

/** The exit record knows more than the journal of runs that ended before or outside of their trainer. */
export function resultOf(state: RunState, status: StatusOfRun, damage?: JournalDamage): RunResult {
  const result = state.result(status.status);
  const isLost = status.status === 'lost' && (!status.exit || status.exit.outcome === 'lost');
  const exit = isLost ? null : status.exit;
  const error = exit?.error ?? result.error;
  const warnings = [...result.warnings];
  if (damage && damage.badLines > 0) warnings.push(`${damage.badLines} lines of the journal are damaged and left out.`);
  if (damage && damage.unknown > 0) {
    warnings.push(`${damage.unknown} records come from a newer Holdfast and are left out.`);
  }
  return {
    ...result,
    warnings,
    ...(exit && { exit: { code: exit.code, signal: exit.signal, stderr: exit.stderr } }),
    ...(error && { error }),
    ...(isLost && { error: lost(result.id, status) }),
  };
}

/** A copy of another machine's run is only looked at. */
function lost(id: string, { reason, exit }: StatusOfRun): ErrorReport {
  const wayBack = `What lies in the trash is brought back with: holdfast rm --undo ${id}`;
  const remedy = exit ? undefined : reason === folderGone ? wayBack : `Go on with it: holdfast resume ${id}`;
  return { code: 'run-lost', message: `The run is lost: ${reason}`, ...(remedy && { remedy }) };
}
