/** `holdfast run`: one run of a recipe, in the foreground or detached. */
import { shownCommand } from '../../domain/shownCommand.ts';
import { exitCodeOf, exitCodes } from '../../protocol/exitCode.ts';
import type { JournalRecord } from '../../protocol/journal.ts';
import type { RunResult } from '../../protocol/result.ts';
import { type VariantName, variantNames } from '../../recipe/schema.ts';
import { acceptRun, makeRun, readRecipe, resolveText } from '../../runs/createRun.ts';
import { launchWhile } from '../../runs/launch.ts';
import { resultOf } from '../../runs/loadRun.ts';
import { openState } from '../../runs/openState.ts';
import { ownIdentity } from '../../runs/processIdentity.ts';
import type { RunFolder } from '../../runs/runFolder.ts';
import type { Store } from '../../runs/store.ts';
import { isAgreed } from '../agreement.ts';
import { type Command, flag, jsonOption, list, onlyPositional, text, wrongUse } from '../command.ts';
import { storeForRecipe, thisMachine } from '../machine.ts';
import { type Output, visible } from '../output.ts';
import { noteWarnings } from '../problems.ts';
import { Progress } from '../progress.ts';
import { resultText } from '../resultText.ts';
import { tellHold } from '../serveQueue.ts';
import { Interruptions, watchRun } from '../watchRun.ts';

export const run: Command = {
  name: 'run',
  summary: 'Fine-tune as a recipe says, and judge what was forgotten.',
  usage:
    'RECIPE [--variant NAME] [--set KEY=VALUE …] [--name NAME] [--detach] [--fail-on forgot] [--allow-command] [--json] [-- PROGRAM …]',
  takesProgram: true,
  options: {
    variant: { type: 'string', value: 'NAME', help: `${variantNames.join(', ')}. Default: as-written.` },
    set: {
      type: 'string',
      multiple: true,
      value: 'KEY=VALUE',
      help: 'A key of the recipe, as train.learning_rate=3e-4.',
    },
    name: { type: 'string', value: 'NAME', help: 'Name of the run.' },
    detach: { type: 'boolean', short: 'd', help: 'Return at once; the run goes on.' },
    'fail-on': { type: 'string', value: 'forgot', help: 'Exit code 1 when the verdict is "forgot".' },
    'allow-command': { type: 'boolean', help: "Start the program of the recipe's command without asking." },
    ...jsonOption,
  },
  async run({ positionals, values, program, output }) {
    const recipeFile = onlyPositional(run, positionals, 'RECIPE');
    const failOn = text(values, 'fail-on');
    if (failOn !== undefined && failOn !== 'forgot') throw wrongUse(run, `--fail-on knows "forgot", not "${failOn}"`);
    const store = storeForRecipe(recipeFile);
    const recipeText = await readRecipe(recipeFile);
    noteWarnings(recipeFile, recipeText, output);
    const machine = await thisMachine();
    const detached = flag(values, 'detach');
    const variant = variantOption(run, text(values, 'variant') ?? (program && 'plain'));
    const overrides = list(values, 'set');
    const name = text(values, 'name');
    const resolved = { ...resolveText(recipeFile, recipeText, { variant, overrides, name }), ...commandOf(program) };
    const isAllowed = program !== undefined || flag(values, 'allow-command');
    const agreedCommand = await agreeTo(resolved.command, isAllowed);
    const owner = detached ? undefined : await ownIdentity();
    const asked = { ...machine, recipeFile, recipeText, store, variant, resolved, agreedCommand, owner };
    const accepted = await acceptRun(asked);
    const folder = await launchWhile({ ...machine, store, trusted: true }, () => makeRun(accepted));
    if (detached) return queued(store, folder, output);
    return watchToResult(store, folder, output, { failOnForgot: failOn === 'forgot' });
  },
};

const commandOf = (program: string[] | undefined) => (program ? { command: program } : {});

/** A program that stands in a recipe is started only when it was seen. */
async function agreeTo(command: string[] | undefined, isAllowed: boolean): Promise<string[] | undefined> {
  if (!command || isAllowed) return command;
  if (!process.stdin.isTTY) return undefined;
  return (await isAgreed(`This recipe starts a program of its own:\n  ${visible(shownCommand(command))}\nStart it?`))
    ? command
    : undefined;
}

/** Shows an attempt to its end and prints what came of it; the exit code. */
export async function watchToResult(
  store: Store,
  folder: RunFolder,
  output: Output,
  { failOnForgot, attempt }: { failOnForgot: boolean; attempt?: number },
): Promise<number> {
  const interruptions = new Interruptions();
  try {
    const result = await watchToEnd(store, folder, output, interruptions, { attempt });
    output.answer(result);
    if (result.status === 'failed' || result.status === 'lost') output.error(result.error ?? unexplained);
    else output.line(resultText(result));
    return exitCodeFor(result, failOnForgot);
  } finally {
    interruptions.end();
  }
}

export const unexplained = { code: 'run-lost', message: 'The run ended without a word' };

export function variantOption(command: Command, given: string | undefined): VariantName {
  const name = given ?? 'as-written';
  const found = variantNames.find(known => known === name);
  if (!found) throw wrongUse(command, `There is no variant "${name}"; there are ${variantNames.join(', ')}`);
  return found;
}

/** Follows the run, shows its progress, and gives its result. */
export async function watchToEnd(
  store: Store,
  folder: RunFolder,
  output: Output,
  interruptions: Interruptions,
  { behind = [], attempt = 1 }: { behind?: RunFolder[]; attempt?: number } = {},
): Promise<RunResult> {
  const request = await folder.request();
  if (!request) throw new Error(`${folder.runJson} is gone`);
  const progress = new Progress(output, request.variant);
  const state = await openState(folder, request);
  const onRecord = (record: JournalRecord) => {
    state.apply(record);
    // Of earlier attempts everybody has been told.
    if (record.attempt >= attempt) progress.apply(record);
  };
  const status = await watchRun({ store, run: folder, progress, interruptions, behind, onRecord });
  return resultOf(state, status);
}

export function exitCodeFor(result: RunResult, failOnForgot: boolean): number {
  if (result.status === 'stopped') return exitCodes.stopped;
  if (result.status !== 'finished') return exitCodeOf((result.error ?? unexplained).code);
  return failOnForgot && result.verdict === 'forgot' ? exitCodes.failed : exitCodes.done;
}

export async function queued(store: Store, folder: RunFolder, output: Output): Promise<number> {
  output.line(`${folder.id} is queued. Follow it with: holdfast logs -f ${folder.id}`);
  const hold = await tellHold(store, output);
  output.answer({ id: folder.id, folder: folder.folder, status: 'queued', ...hold });
  return exitCodes.done;
}
