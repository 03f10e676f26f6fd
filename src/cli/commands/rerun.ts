/** `holdfast rerun`: a run once more, with what it ran with or with what its recipe says now. */
import { acceptRun, makeRun } from '../../runs/createRun.ts';
import { engineVersion } from '../../runs/engineFolder.ts';
import { launchWhile } from '../../runs/launch.ts';
import { ownIdentity } from '../../runs/processIdentity.ts';
import { asItIs, asItRan, type ChangesSince, changesSince, refuseForeign } from '../../runs/rerun.ts';
import type { RunRequest } from '../../runs/runFolder.ts';
import { RunsError } from '../../runs/runsError.ts';
import { type Command, flag, jsonOption, onlyPositional, type Values, wrongUse } from '../command.ts';
import { findRun } from '../findRun.ts';
import { storeHere, thisMachine } from '../machine.ts';
import { queued, watchToResult } from './run.ts';

export const rerun: Command = {
  name: 'rerun',
  summary: 'Run again what a run was made of; says what has changed since.',
  usage: 'RUN [--as-it-ran | --as-it-is] [--detach] [--json]',
  options: {
    'as-it-ran': { type: 'boolean', help: 'With the recipe text and the settings of then.' },
    'as-it-is': { type: 'boolean', help: 'With the recipe as it is now.' },
    detach: { type: 'boolean', short: 'd', help: 'Return at once; the run goes on.' },
    ...jsonOption,
  },
  async run({ positionals, values, output }) {
    const past = await findRun(onlyPositional(rerun, positionals, 'RUN'));
    const store = storeHere();
    const request = await past.request();
    if (!request) throw new RunsError('unknown-run', `${past.folder} holds no run`, { file: past.runJson });
    await refuseForeign(store, request);
    const machine = await thisMachine();
    const changes = await changesSince(past, request, engineVersion(machine.engineFolder));
    for (const what of words(changes)) output.note(what);
    const again = choose(values, request, changes);
    const isDetached = flag(values, 'detach');
    const owner = isDetached ? undefined : await ownIdentity();
    const accepted = await acceptRun({ ...machine, store, ...again, owner });
    const run = await launchWhile({ ...machine, store, trusted: true }, () => makeRun(accepted));
    return isDetached ? queued(store, run, output) : watchToResult(store, run, output, { failOnForgot: false });
  },
};

/** Nothing is chosen for the user where it makes a difference. */
function choose(values: Values, request: RunRequest, { isRecipeChanged, recipeText }: ChangesSince) {
  const [ran, is] = [flag(values, 'as-it-ran'), flag(values, 'as-it-is')];
  if (ran && is) throw wrongUse(rerun, '--as-it-ran and --as-it-is exclude each other');
  if (!isRecipeChanged || ran) return asItRan(request);
  const file = request.recipeFile;
  if (recipeText === null) {
    throw new RunsError('file-missing', `${file} is gone`, { file, remedy: 'The run kept its text: --as-it-ran.' });
  }
  if (is) return asItIs(request, recipeText);
  const remedy = 'Choose: --as-it-ran or --as-it-is.';
  throw new RunsError('recipe-changed', `${file} has changed since the run`, { file, remedy });
}

function words({ data, engine }: ChangesSince): string[] {
  const files = data.map(file => `${file} has changed since, or is gone.`);
  return engine ? [...files, `It ran with Holdfast ${engine.before}; now it is ${engine.now}.`] : files;
}
