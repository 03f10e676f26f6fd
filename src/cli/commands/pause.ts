/** `holdfast pause`: asks a run to stand still after its step, and to keep all it has in memory. */
import { steerRun } from '../../runs/steerRun.ts';
import { type Command, jsonOption, onlyPositional } from '../command.ts';
import { findRun } from '../findRun.ts';

export const pause: Command = {
  name: 'pause',
  summary: 'Ask a run to stand still after its step; holdfast resume lets it go on.',
  usage: 'RUN [--json]',
  options: jsonOption,
  async run({ positionals, output }) {
    const run = await findRun(onlyPositional(pause, positionals, 'RUN'));
    const { status } = await steerRun(run, 'pause');
    output.line(`${run.id} is asked to pause. Go on with: holdfast resume ${run.id}`);
    output.answer({ id: run.id, status, asked: true });
    return 0;
  },
};
