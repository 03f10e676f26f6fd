/** Runs of one group, queued together: followed one after the other to their ends, then one table for all. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { overSeeds } from '../domain/overSeeds.ts';
import { exitCodes } from '../protocol/exitCode.ts';
import type { RunResult } from '../protocol/result.ts';
import { flattenSettings } from '../recipe/resolve.ts';
import type { ResolvedRecipe } from '../recipe/schema.ts';
import { createRun } from '../runs/createRun.ts';
import { launchRunner } from '../runs/launch.ts';
import { ownIdentity } from '../runs/processIdentity.ts';
import type { RunFolder } from '../runs/runFolder.ts';
import { folderGone, isOver } from '../runs/status.ts';
import type { Store } from '../runs/store.ts';
import { type Command, jsonOption } from './command.ts';
import { exitCodeFor, watchToEnd } from './commands/run.ts';
import { comparisonText } from './comparisonText.ts';
import { thisMachine } from './machine.ts';
import type { Output } from './output.ts';
import { seedsText } from './seedsText.ts';
import { tellHold } from './serveQueue.ts';
import { Interruptions } from './watchRun.ts';
import { checkReportPlace, writeReport } from './writeReport.ts';

/** Of every command that runs a group. */
export const armsOptions = {
  set: { type: 'string', multiple: true, value: 'KEY=VALUE', help: 'A key of the recipe, for all runs.' },
  report: { type: 'string', value: 'FILE.md', help: 'Write table and charts as Markdown, SVG beside it.' },
  detach: { type: 'boolean', short: 'd', help: 'Return at once; the runs go on.' },
  ...jsonOption,
} satisfies Command['options'];

export interface Arms {
  kind: 'compare' | 'sweep';
  recipeFile: string;
  recipeText: string;
  store: Store;
  arms: ResolvedRecipe[];
  /** A Markdown file to write at the end. */
  report?: string;
  detached: boolean;
  output: Output;
}

/** Resolves to the exit code. */
export async function runArms({ kind, arms, report, detached, output, ...recipe }: Arms): Promise<number> {
  if (report) await checkReportPlace(report);
  const { store } = recipe;
  const machine = await thisMachine();
  const group = `${kind}-${randomBytes(4).toString('hex')}`;
  const owner = detached ? undefined : await ownIdentity();
  const runs: RunFolder[] = [];
  for (const resolved of arms) {
    runs.push(await createRun({ ...machine, ...recipe, variant: 'as-written', resolved, group, owner }));
  }
  await launchRunner({ ...machine, store, trusted: true });
  if (detached) return leave(store, group, runs, output);
  const results = await watchAll(store, runs, output);
  const watched = runs.filter(({ id }) => results.some(result => result.id === id));
  return showArms(results, watched, report, output);
}

export async function showArms(
  results: RunResult[],
  runs: RunFolder[],
  report: string | undefined,
  output: Output,
): Promise<number> {
  output.line();
  const settings = await Promise.all(runs.map(settingsOf));
  const groups = overSeeds(results.map((result, place) => ({ result, settings: settings[place]! })));
  output.line(comparisonText(results, groups.length > 0));
  if (groups.length > 0) output.line(`\n${seedsText(groups)}`);
  if (report) {
    await writeReport(report, runs.filter(isThere));
    output.line(`\nReport: ${report}`);
  }
  output.answer(results);
  return overallExitCode(results);
}

/** While others train an arm may be deleted. */
const isThere = (run: RunFolder): boolean => existsSync(run.runJson);

async function settingsOf(run: RunFolder): Promise<Record<string, string>> {
  const request = await run.request();
  return request ? flattenSettings(request.recipe) : {};
}

/** Of those that nobody has deleted before their turn came. */
async function watchAll(store: Store, runs: RunFolder[], output: Output): Promise<RunResult[]> {
  const interruptions = new Interruptions();
  const results: RunResult[] = [];
  try {
    for (const [place, run] of runs.entries()) {
      if (!isThere(run)) {
        output.note(`${run.id} is left out: ${folderGone}`);
        continue;
      }
      results.push(await watchToEnd(store, run, output, interruptions, { behind: runs.slice(place + 1) }));
    }
  } finally {
    interruptions.end();
  }
  return results;
}

async function leave(store: Store, group: string, runs: RunFolder[], output: Output): Promise<number> {
  output.line(`${runs.length} runs are queued as ${group}. See holdfast queue; later: holdfast compare ${group}`);
  const hold = await tellHold(store, output);
  output.answer({ group, runs: runs.map(({ id, folder }) => ({ id, folder, status: 'queued' })), ...hold });
  return exitCodes.done;
}

/** Stopped beats failed beats done. An arm that a rule of the recipe stopped has done what it was to do. */
/** An arm that is still under way has not failed. */
function overallExitCode(results: RunResult[]): number {
  const codes = results
    .filter(({ status }) => isOver(status))
    .map(result => (result.stopRule ? exitCodes.done : exitCodeFor(result, false)));
  if (codes.includes(exitCodes.stopped)) return exitCodes.stopped;
  return codes.find(code => code !== exitCodes.done) ?? exitCodes.done;
}
