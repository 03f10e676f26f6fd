/** `holdfast compare`: the ways to run one recipe, one after the other, and what each kept and learned. */
import { randomBytes } from 'node:crypto';
import { basename } from 'node:path';
import { exitCodes } from '../../protocol/exitCode.ts';
import type { RunResult } from '../../protocol/result.ts';
import { parseRecipe } from '../../recipe/parse.ts';
import type { ResolvedRecipe } from '../../recipe/schema.ts';
import { comparisonArms } from '../../recipe/variants.ts';
import { createRun, readRecipe, resolveText } from '../../runs/createRun.ts';
import { launchRunner } from '../../runs/launch.ts';
import { ownIdentity } from '../../runs/processIdentity.ts';
import type { RunFolder } from '../../runs/runFolder.ts';
import { RunsError } from '../../runs/runsError.ts';
import { type Command, jsonOption, list, onlyPositional, text } from '../command.ts';
import { comparisonText } from '../comparisonText.ts';
import { storeForRecipe, thisMachine } from '../machine.ts';
import { noteWarnings } from '../problems.ts';
import { Interruptions } from '../watchRun.ts';
import { checkReportPlace, writeReport } from '../writeReport.ts';
import { exitCodeFor, watchToEnd } from './run.ts';

export const compare: Command = {
  name: 'compare',
  summary: 'Run plain, replay, regularized, narrow, and plain at a third of the rate; tell what each kept.',
  usage: 'RECIPE [--variants LIST] [--set KEY=VALUE …] [--report FILE.md] [--json]',
  options: {
    variants: { type: 'string', value: 'LIST', help: 'Some of the arms, by name, with commas between.' },
    set: { type: 'string', multiple: true, value: 'KEY=VALUE', help: 'A key of the recipe, for all arms.' },
    report: { type: 'string', value: 'FILE.md', help: 'Write table and charts as Markdown, SVG beside it.' },
    ...jsonOption,
  },
  async run({ positionals, values, output }) {
    const recipeFile = onlyPositional(compare, positionals, 'RECIPE');
    const store = storeForRecipe(recipeFile);
    const recipeText = await readRecipe(recipeFile);
    noteWarnings(recipeFile, recipeText, output);
    const arms = armsOf(recipeFile, recipeText, list(values, 'set'), text(values, 'variants'));
    const report = text(values, 'report');
    if (report) await checkReportPlace(report);
    const machine = await thisMachine();
    const shared = { ...machine, recipeFile, recipeText, store, variant: 'as-written' as const };
    const group = `compare-${randomBytes(4).toString('hex')}`;
    const owner = await ownIdentity();
    const runs: RunFolder[] = [];
    for (const resolved of arms) runs.push(await createRun({ ...shared, resolved, group, owner }));
    const interruptions = new Interruptions();
    const results: RunResult[] = [];
    try {
      await launchRunner({ ...machine, store, trusted: true });
      for (const [place, run] of runs.entries()) {
        results.push(await watchToEnd(store, run, output, interruptions, { behind: runs.slice(place + 1) }));
      }
    } finally {
      interruptions.end();
    }
    output.line();
    output.line(comparisonText(results));
    if (report) {
      await writeReport(report, runs);
      output.line(`\nReport: ${report}`);
    }
    output.answer(results);
    return overallExitCode(results);
  },
};

function armsOf(
  recipeFile: string,
  recipeText: string,
  overrides: string[],
  only: string | undefined,
): ResolvedRecipe[] {
  // Refuses a recipe with errors in the words that `run` would use.
  resolveText(recipeFile, recipeText, { variant: 'as-written', overrides });
  const { recipe } = parseRecipe(recipeText, recipeFile);
  if (!recipe) throw new RunsError('recipe', 'The recipe cannot be read', { file: recipeFile });
  const arms = comparisonArms(recipe, { fileName: basename(recipeFile), overrides });
  if (only === undefined) return arms;
  const names = only
    .split(',')
    .map(name => name.trim())
    .filter(Boolean);
  const unknown = names.filter(name => !arms.some(arm => arm.variant === name));
  if (unknown.length === 0 && names.length > 0) return arms.filter(({ variant }) => names.includes(variant));
  const message = `This recipe has no arm "${unknown[0] ?? ''}"; it has ${arms.map(({ variant }) => variant).join(', ')}`;
  throw new RunsError('wrong-use', message, { remedy: 'Name some of them: --variants plain,replay' });
}

/** Stopped beats failed beats done. */
function overallExitCode(results: RunResult[]): number {
  const codes = results.map(result => exitCodeFor(result, false));
  if (codes.includes(exitCodes.stopped)) return exitCodes.stopped;
  return codes.find(code => code !== exitCodes.done) ?? exitCodes.done;
}
