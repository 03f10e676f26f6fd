/** `holdfast checkpoint`: asks a run to save after its step and to train on. */
import { steerRun } from '../../runs/steerRun.ts';
import { type Command, jsonOption, onlyPositional } from '../command.ts';
import { findRun } from '../findRun.ts';

export const checkpoint: Command = {
  name: 'checkpoint',
  summary: 'Ask a run to write a checkpoint after its step, and to train on.',
  usage: 'RUN [--json]',
  options: jsonOption,
  async run({ positionals, output }) {
    const run = await findRun(onlyPositional(checkpoint, positionals, 'RUN'));
    const { status } = await steerRun(run, 'checkpoint');
    output.line(`${run.id} is asked for a checkpoint${status === 'paused' ? ' once it goes on' : ''}`);
    output.answer({ id: run.id, status, asked: true });
    return 0;
  },
};
