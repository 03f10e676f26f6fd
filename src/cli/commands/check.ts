/** `holdfast check`: problems, resolved defaults, the first batch with its loss mask, memory and time. Makes no run. */
import { resolve } from 'node:path';
import { durationText } from '../../domain/words.ts';
import { exitCodes } from '../../protocol/exitCode.ts';
import type { EstimateEvent, FirstBatchEvent, PreparedEvent } from '../../protocol/trainer.ts';
import { parseRecipe } from '../../recipe/parse.ts';
import { flattenSettings } from '../../recipe/resolve.ts';
import { resolvePaths } from '../../runs/allowedRoots.ts';
import { chooseEngine } from '../../runs/chooseEngine.ts';
import { readRecipe, resolveText } from '../../runs/createRun.ts';
import { runTrainerJob } from '../../runs/trainerJob.ts';
import { type Command, jsonOption, list, onlyPositional, text } from '../command.ts';
import { storeForRecipe, thisMachine } from '../machine.ts';
import type { Output } from '../output.ts';
import { problemText } from '../problems.ts';
import { bytes } from '../table.ts';
import { variantOption } from './run.ts';

export const check: Command = {
  name: 'check',
  summary: 'Problems of a recipe, resolved defaults, the first batch with its loss mask, memory and time.',
  usage: 'RECIPE [--variant NAME] [--set KEY=VALUE …] [--json]',
  options: {
    variant: { type: 'string', value: 'NAME', help: 'Default: as-written.' },
    set: { type: 'string', multiple: true, value: 'KEY=VALUE', help: 'A key of the recipe.' },
    ...jsonOption,
  },
  async run({ positionals, values, output }) {
    const recipeFile = resolve(onlyPositional(check, positionals, 'RECIPE'));
    const store = storeForRecipe(recipeFile);
    const recipeText = await readRecipe(recipeFile);
    const { problems } = parseRecipe(recipeText, recipeFile);
    for (const problem of problems) output.line(problemText(recipeFile, problem));
    if (problems.some(({ severity }) => severity === 'error')) {
      output.answer({ ok: false, problems });
      return exitCodes.wrongUse;
    }
    const variant = variantOption(check, text(values, 'variant'));
    const recipe = resolveText(recipeFile, recipeText, { variant, overrides: list(values, 'set') });
    const machine = await thisMachine();
    const paths = resolvePaths(recipe, { ...machine, recipeFile, storeRoot: store.root });
    // Nothing of the recipe's command is started.
    const asked = {
      ...machine,
      ...(await chooseEngine(recipe, paths, { ...machine, recipeFile, agreedCommand: recipe.command })),
    };
    const events = await runTrainerJob({ ...asked, job: 'check', recipe, paths, trusted: true });
    const prepared = events.find(event => event.type === 'prepared') ?? null;
    const firstBatch = events.find(event => event.type === 'firstBatch') ?? null;
    const estimate = events.findLast(event => event.type === 'estimate') ?? null;
    const settings = flattenSettings(recipe);
    output.answer({ ok: true, problems, settings, prepared, firstBatch, estimate });
    for (const [key, value] of Object.entries(settings)) output.line(`${key} = ${value}`);
    if (prepared) describePrepared(prepared, output);
    if (firstBatch) describeBatch(firstBatch, output);
    if (estimate) describeEstimate(estimate, output);
    return exitCodes.done;
  },
};

function describePrepared(
  { data, probes, trained, trainedShare, runtime, warnings }: PreparedEvent,
  output: Output,
): void {
  const replay = data.replayRows > 0 ? `, ${data.replayRows} replay rows` : '';
  const dropped = data.droppedRows > 0 ? `, ${data.droppedRows} dropped` : '';
  output.line(`\nData: ${data.trainRows} rows${replay}${dropped}`);
  for (const [name, { kind, items, replayed }] of Object.entries(probes)) {
    output.line(`Probe set ${name}: ${items} items (${kind})${replayed ? ', its distribution is also replayed' : ''}`);
  }
  output.line(`Trains: ${trained}, ${(100 * trainedShare).toFixed(1)} % of the weights`);
  output.line(`Runtime: ${runtime.name} on ${runtime.provider}: ${runtime.reason}`);
  for (const warning of warnings) output.line(`warning: ${warning}`);
}

/** Supervised text stands in brackets: what the loss is taken on. */
function describeBatch({ rows, supervisedShare }: FirstBatchEvent, output: Output): void {
  output.line(`\nFirst batch, ${(100 * supervisedShare).toFixed(0)} % of its tokens supervised (in ⟦ ⟧):`);
  for (const { kind, pieces } of rows) {
    const shown = pieces.map(piece => (piece.supervised ? `⟦${piece.text}⟧` : piece.text)).join('');
    output.line(`  ${kind === 'replay' ? 'replay ' : ''}${JSON.stringify(shown)}`);
  }
}

function describeEstimate(
  { basis, memoryBytes, freeBytes, secondsPerStep, seconds }: EstimateEvent,
  output: Output,
): void {
  const free = freeBytes === undefined ? '' : ` of ${bytes(freeBytes)} free`;
  const source = basis === 'computed' ? ' (computed from the graph and the speed of this machine)' : '';
  const time = `${secondsPerStep.toFixed(2)} s a step, ${durationText(seconds)} in all`;
  output.line(`\nEstimate: ${bytes(memoryBytes)}${free}, ${time}${source}`);
}
