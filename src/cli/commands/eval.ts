/** `holdfast eval`: judges a model folder against its base on probe sets, without a run. */
import { join } from 'node:path';
import { worstVerdict } from '../../domain/statistics.ts';
import { setSentence, verdictNote, verdictWord } from '../../domain/words.ts';
import { exitCodes } from '../../protocol/exitCode.ts';
import { autoSet } from '../../recipe/autoSet.ts';
import type { Budget } from '../../recipe/schema.ts';
import { resolvePaths } from '../../runs/allowedRoots.ts';
import { chooseEngine } from '../../runs/chooseEngine.ts';
import { resolveText } from '../../runs/createRun.ts';
import { RunsError } from '../../runs/runsError.ts';
import { storeOf } from '../../runs/store.ts';
import { runTrainerJob } from '../../runs/trainerJob.ts';
import { type Command, flag, jsonOption, list, onlyPositional, text, wrongUse } from '../command.ts';
import { thisMachine } from '../machine.ts';
import { Interruptions } from '../watchRun.ts';

export const evaluate: Command = {
  name: 'eval',
  summary: 'Judge a model folder against its base on probe sets.',
  usage:
    'MODEL --base BASE --probes NAME=FILE … [--auto] [--budget NAME=0.05nats|3points …] [--engine auto|node|torch] [--fail-on forgot] [--json]',
  options: {
    base: { type: 'string', value: 'BASE', help: 'What forgetting is measured against.' },
    probes: {
      type: 'string',
      multiple: true,
      value: 'NAME=FILE',
      help: 'A probe set: txt, or jsonl of text, choice or pairs.',
    },
    auto: { type: 'boolean', help: 'Also, or only, by texts that the base writes itself: needs no data.' },
    budget: { type: 'string', multiple: true, value: 'NAME=N', help: 'Its budget: 0.05nats or 3points.' },
    engine: { type: 'string', value: 'NAME', help: 'What scores: auto (default), node or torch.' },
    'fail-on': { type: 'string', value: 'forgot', help: 'Exit code 1 when the verdict is "forgot".' },
    ...jsonOption,
  },
  async run({ positionals, values, output }) {
    const model = onlyPositional(evaluate, positionals, 'MODEL');
    const base = text(values, 'base');
    if (!base) throw wrongUse(evaluate, '--base is missing');
    const probes = pairs(list(values, 'probes'), '--probes');
    const isAuto = flag(values, 'auto');
    if (Object.keys(probes).length === 0 && !isAuto) throw wrongUse(evaluate, '--probes is missing, or --auto');
    const budgets = Object.entries(pairs(list(values, 'budget'), '--budget'));
    const stray = budgets.find(([name]) => !(name in probes) && !(isAuto && name === autoSet));
    if (stray) throw wrongUse(evaluate, `--budget ${stray[0]}: no --probes has this name`);
    const budgetOf = (name: string) => {
      const budget = budgets.find(([key]) => key === name)?.[1];
      return budget && { budget: parseBudget(budget) };
    };
    const recipeFile = join(process.cwd(), 'eval.tune.yaml');
    const recipeText = JSON.stringify({
      model,
      // Nothing is trained; a recipe needs the key all the same.
      data: { train: 'nothing' },
      engine: text(values, 'engine') ?? 'auto',
      retain: {
        base,
        probes: Object.fromEntries(Object.entries(probes).map(([name, file]) => [name, { file, ...budgetOf(name) }])),
        ...(isAuto && { auto: { ...budgetOf(autoSet) } }),
      },
    });
    const recipe = resolveText(recipeFile, recipeText, { variant: 'plain' });
    const machine = await thisMachine();
    const paths = resolvePaths(recipe, { ...machine, recipeFile, storeRoot: storeOf(process.cwd()).root }, [
      'data.train',
    ]);
    const abort = new AbortController();
    const interruptions = new Interruptions();
    interruptions.direct(async () => abort.abort());
    const events = await runTrainerJob({
      ...machine,
      ...(await chooseEngine(recipe, paths, { ...machine, recipeFile })),
      job: 'evaluate',
      recipe,
      paths,
      trusted: true,
      signal: abort.signal,
    }).finally(() => interruptions.end());
    const evaluated = events.findLast(event => event.type === 'evaluated');
    if (!evaluated) throw new RunsError('trainer-exit', 'The trainer scored nothing');
    const { forgetting, kl } = evaluated;
    const verdict = worstVerdict(Object.values(forgetting).map(set => set.verdict));
    output.answer({ model, base, verdict, forgetting, kl });
    output.line(`${model} against ${base}: ${verdictWord(verdict)}`);
    for (const [name, set] of Object.entries(forgetting)) output.line(`  ${setSentence(name, set)}`);
    output.line(verdictNote(true, null));
    return text(values, 'fail-on') === 'forgot' && verdict === 'forgot' ? exitCodes.failed : exitCodes.done;
  },
};

function pairs(given: string[], option: string): Record<string, string> {
  return Object.fromEntries(
    given.map(pair => {
      const at = pair.indexOf('=');
      if (at < 1 || at === pair.length - 1) throw wrongUse(evaluate, `${option} takes NAME=VALUE, not "${pair}"`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

function parseBudget(given: string): Budget {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(nats|points)$/.exec(given) ?? [];
  if (!number) throw wrongUse(evaluate, `--budget takes 0.05nats or 3points, not "${given}"`);
  return unit === 'nats' ? { nats: Number(number) } : { points: Number(number) };
}
