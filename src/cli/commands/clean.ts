/** `holdfast clean`: checkpoints of runs that are over, by the rule the user names. */
import { type Cleaning, clean as cleanRun, type KeepRule, planCleaning } from '../../runs/cleanRun.ts';
import { type Command, flag, jsonOption, text, type Values, wrongUse } from '../command.ts';
import { findRuns } from '../findRun.ts';
import { storeHere } from '../machine.ts';
import { bytes } from '../table.ts';

export const clean: Command = {
  name: 'clean',
  summary: 'Remove checkpoints of runs that are over.',
  usage: 'RUN… [--keep best,last,STEPS] [--asked] [--dry-run] [--json]',
  options: {
    keep: {
      type: 'string',
      value: 'LIST',
      help: 'best, last, and a number of steps: multiples of it. Default: best,last.',
    },
    asked: { type: 'boolean', help: 'Those that were asked for with holdfast checkpoint may go too.' },
    'dry-run': { type: 'boolean', short: 'n', help: 'Only say what would go.' },
    ...jsonOption,
  },
  async run({ positionals, values, output }) {
    const rule = { ...ruleOf(values), withAsked: flag(values, 'asked') };
    const isDry = flag(values, 'dry-run');
    const plans: Cleaning[] = [];
    for (const run of await findRuns(clean, positionals)) plans.push(await planCleaning(run, rule));
    for (const plan of plans) {
      if (!isDry) await cleanRun(storeHere(), plan);
      for (const { name, bytes: size } of plan.goes) output.line(`${plan.run.id}  ${name}  ${bytes(size)}`);
    }
    const goes = plans.flatMap(plan => plan.goes);
    const size = goes.reduce((sum, checkpoint) => sum + checkpoint.bytes, 0);
    output.line(`${goes.length} checkpoints ${isDry ? 'would go' : 'are gone'}, ${bytes(size)}.`);
    const asked = plans.flatMap(plan => plan.stays).filter(checkpoint => checkpoint.asked).length;
    if (asked > 0 && !rule.withAsked) output.line(`${asked} that were asked for stay; --asked lets them go too.`);
    output.answer(
      plans.map(({ run, goes, stays }) => ({
        id: run.id,
        removed: isDry ? [] : goes.map(({ name }) => name),
        ...(isDry && { wouldRemove: goes.map(({ name }) => name) }),
        kept: stays.map(({ name }) => name),
        bytes: goes.reduce((sum, checkpoint) => sum + checkpoint.bytes, 0),
      })),
    );
    return 0;
  },
};

function ruleOf(values: Values): KeepRule {
  const words = (text(values, 'keep') ?? 'best,last').split(',').map(word => word.trim());
  const keep: ('best' | 'last')[] = [];
  let keepEvery: number | undefined;
  for (const word of words) {
    if (word === 'best' || word === 'last') keep.push(word);
    else if (/^[1-9]\d{0,8}$/.test(word)) keepEvery = Number(word);
    else throw wrongUse(clean, `--keep knows best, last and a number of steps, not "${word}"`);
  }
  return { keep, ...(keepEvery && { keepEvery }) };
}
