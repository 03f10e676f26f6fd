/** `holdfast resume`: goes on with a run that was stopped, failed or lost, or forks a new one from its checkpoint. */
import { launchRunner } from '../../runs/launch.ts';
import { ownIdentity } from '../../runs/processIdentity.ts';
import { forkRun, type Resumed, resumeRun } from '../../runs/resumeRun.ts';
import type { RunFolder } from '../../runs/runFolder.ts';
import { RunsError } from '../../runs/runsError.ts';
import { statusOf } from '../../runs/status.ts';
import { steerRun } from '../../runs/steerRun.ts';
import { type Command, flag, jsonOption, list, onlyPositional, text, type Values, wrongUse } from '../command.ts';
import { findRun } from '../findRun.ts';
import { storeHere, thisMachine } from '../machine.ts';
import type { Output } from '../output.ts';
import { queued, watchToResult } from './run.ts';

export const resume: Command = {
  name: 'resume',
  summary: 'Go on with a run: after a pause, or from its newest good checkpoint as if it had never stopped.',
  usage:
    'RUN [--from CHECKPOINT] [--as-it-ran] [--fork [--name NAME]] [--set KEY=VALUE …] [--detach] [--fail-on forgot] [--json]',
  options: {
    from: {
      type: 'string',
      value: 'CHECKPOINT',
      help: 'Its name or step, or start. Default: the newest that verifies.',
    },
    fork: { type: 'boolean', help: 'In a new run that names this one as its parent, and may differ.' },
    set: { type: 'string', multiple: true, value: 'KEY=VALUE', help: 'With --fork: a setting that differs.' },
    name: { type: 'string', value: 'NAME', help: 'With --fork: name of the new run.' },
    'as-it-ran': { type: 'boolean', help: 'Also when the recipe file says something else by now.' },
    detach: { type: 'boolean', short: 'd', help: 'Return at once; the run goes on.' },
    'fail-on': { type: 'string', value: 'forgot', help: 'Exit code 1 when the verdict is "forgot".' },
    ...jsonOption,
  },
  async run({ positionals, values, output }) {
    const failOn = text(values, 'fail-on');
    if (failOn !== undefined && failOn !== 'forgot') {
      throw wrongUse(resume, `--fail-on knows "forgot", not "${failOn}"`);
    }
    const [from, name] = [text(values, 'from'), text(values, 'name')];
    const isFork = flag(values, 'fork');
    if (name !== undefined && !isFork) throw wrongUse(resume, '--name is for a new run: it goes with --fork');
    const run = await findRun(onlyPositional(resume, positionals, 'RUN'));
    if (!isFork && (await statusOf(run)).status === 'paused') {
      refuseChange(run, values);
      return endPause(run, output);
    }
    const store = storeHere();
    const machine = await thisMachine();
    const isDetached = flag(values, 'detach');
    const owner = isDetached ? undefined : await ownIdentity();
    const wanted = { store, run, from, overrides: list(values, 'set'), owner };
    const resumed = isFork
      ? await forkRun({ ...wanted, machine, name })
      : await resumeRun({ ...wanted, asItRan: flag(values, 'as-it-ran'), trusted: true });
    tell(resumed, run, output);
    await launchRunner({ ...machine, store, trusted: true });
    if (isDetached) return queued(store, resumed.run, output);
    return watchToResult(store, resumed.run, output, { failOnForgot: failOn === 'forgot', attempt: resumed.attempt });
  },
};

/** What is paused has its settings in memory: silently it would go on with those. */
function refuseChange(run: RunFolder, values: Values): void {
  const asked = ['from', 'set'].find(name => values[name] !== undefined);
  if (asked === undefined) return;
  throw new RunsError('run-not-over', `${run.id} is paused, and goes on as it is: --${asked} changes nothing of it`, {
    remedy: `Leave --${asked} out. With it, in a new run: --fork; or stop this one first: holdfast stop ${run.id}.`,
  });
}

async function endPause(run: RunFolder, output: Output): Promise<number> {
  const { status, reason } = await steerRun(run, 'resume');
  output.line(reason ? `${run.id} still waits: ${reason}` : `${run.id} goes on`);
  output.answer({ id: run.id, status, asked: true });
  return 0;
}

function tell({ run, attempt, checkpoint, damaged, untold }: Resumed, from: RunFolder, output: Output): void {
  for (const { name, damage } of damaged) output.note(`${name} cannot be used and is passed over: ${damage}`);
  const where = checkpoint ? `from ${checkpoint.name}` : 'from the start: there is no checkpoint';
  if (run.id === from.id) output.note(`${run.id} goes on as attempt ${attempt}, ${where}`);
  else output.note(`${run.id} begins ${where} of ${from.id}`);
  const [newest] = untold;
  if (!newest) return;
  const why = 'was saved when nobody wrote the journal any more: from there the curve would have a gap';
  output.note(`${newest.name} is newer and passed over: it ${why}. It is taken with: --from ${newest.name}`);
}
