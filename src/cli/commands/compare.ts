/** `holdfast compare`: the ways to run one recipe, one after the other, and what each kept and learned. */
import { basename } from 'node:path';
import type { RunResult } from '../../protocol/result.ts';
import { parseRecipe } from '../../recipe/parse.ts';
import type { ResolvedRecipe } from '../../recipe/schema.ts';
import { comparisonArms } from '../../recipe/variants.ts';
import { readRecipe, resolveText } from '../../runs/createRun.ts';
import { loadRun } from '../../runs/loadRun.ts';
import { RunIndex } from '../../runs/runIndex.ts';
import { RunsError } from '../../runs/runsError.ts';
import { type Command, flag, list, onlyPositional, text } from '../command.ts';
import { storeForRecipe, storeHere } from '../machine.ts';
import type { Output } from '../output.ts';
import { noteWarnings } from '../problems.ts';
import { armsOptions, runArms, showArms } from '../runArms.ts';
import { checkReportPlace } from '../writeReport.ts';

export const compare: Command = {
  name: 'compare',
  summary: 'Run plain, replay, regularized, narrow, and plain at a third of the rate; tell what each kept.',
  usage: 'RECIPE|GROUP [--variants LIST] [--set KEY=VALUE …] [--report FILE.md] [--detach] [--json]',
  options: {
    variants: { type: 'string', value: 'LIST', help: 'Some of the arms, by name, with commas between.' },
    ...armsOptions,
  },
  async run({ positionals, values, output }) {
    const given = onlyPositional(compare, positionals, 'RECIPE or GROUP');
    const report = text(values, 'report');
    if (isGroup(given)) return compareGroup(given, report, output);
    const store = storeForRecipe(given);
    const recipeText = await readRecipe(given);
    noteWarnings(given, recipeText, output);
    const arms = armsOf(given, recipeText, list(values, 'set'), text(values, 'variants'));
    return runArms({
      kind: 'compare',
      recipeFile: given,
      recipeText,
      store,
      arms,
      report,
      detached: flag(values, 'detach'),
      output,
    });
  },
};

const isGroup = (given: string): boolean => /^(compare|sweep)-[0-9a-f]{8}$/.test(given);

/** The table of runs that were compared or swept before, or are still under way. */
async function compareGroup(group: string, report: string | undefined, output: Output): Promise<number> {
  if (report) await checkReportPlace(report);
  const store = storeHere();
  const index = await RunIndex.open(store, { mayWrite: true });
  const found = (await index.refresh()).filter(run => run.group === group).sort((a, b) => a.createdAt - b.createdAt);
  if (found.length === 0) {
    const remedy = 'The group of a run stands in holdfast ls --json.';
    throw new RunsError('unknown-run', `No run in ${store.folder} belongs to ${group}`, { remedy });
  }
  const results: RunResult[] = [];
  for (const { id } of found) results.push((await loadRun(store.run(id))).result);
  return showArms(
    results,
    found.map(({ id }) => store.run(id)),
    report,
    output,
  );
}

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
