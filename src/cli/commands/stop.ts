/** `holdfast stop`: asks a run to save and leave. */
import { endOrphan } from '../../runs/orphans.ts';
import { isOver, statusOf } from '../../runs/status.ts';
import { stopRun } from '../../runs/stopRun.ts';
import { type Command, flag, jsonOption, onlyPositional } from '../command.ts';
import { findRun } from '../findRun.ts';
import { storeHere } from '../machine.ts';

export const stop: Command = {
  name: 'stop',
  summary: 'Ask a run to finish its step, save and leave.',
  usage: 'RUN [--now] [--json]',
  options: { now: { type: 'boolean', help: 'At once, without saving.' }, ...jsonOption },
  async run({ positionals, values, output }) {
    const run = await findRun(onlyPositional(stop, positionals, 'RUN'));
    const before = await statusOf(run);
    if (isOver(before.status)) {
      const ended = await endOrphan(run, flag(values, 'now') ? 0 : undefined);
      if (ended) output.line('What its runner had left behind is ended.');
      output.line(`${run.id} is over already: ${before.reason || before.status}`);
      output.answer({ id: run.id, status: before.status, asked: false });
      return 0;
    }
    const onSilent = (reason: string) => output.note(`${reason}: waking it, else ending it`);
    await stopRun({ store: storeHere(), run, now: flag(values, 'now'), onSilent });
    output.line(before.status === 'queued' ? `${run.id} will not start` : `${run.id} is asked to stop`);
    output.answer({ id: run.id, status: before.status, asked: true });
    return 0;
  },
};
