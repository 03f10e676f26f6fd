/** `holdfast show`: one run with its result, samples and settings. */
import { statusText } from '../../domain/words.ts';
import { loadRun } from '../../runs/loadRun.ts';
import { type Command, flag, jsonOption, onlyPositional } from '../command.ts';
import { findRun } from '../findRun.ts';
import { resultText } from '../resultText.ts';

export const show: Command = {
  name: 'show',
  summary: 'One run: result, verdict, answers to the prompts, settings.',
  usage: 'RUN [--settings] [--json]',
  options: { settings: { type: 'boolean', help: 'Every setting, defaults written out.' }, ...jsonOption },
  async run({ positionals, values, output }) {
    const { state, status, result } = await loadRun(await findRun(onlyPositional(show, positionals, 'RUN')));
    output.answer({ ...result, settings: state.identity.settings, samples: state.samples });
    const { step, steps, progress } = state;
    const line = statusText({
      status: status.status,
      reason: status.reason,
      step,
      steps,
      progress,
      verdict: result.verdict,
    });
    output.line(`${result.id}: ${line}`);
    output.line(resultText(result));
    const last = Math.max(0, ...state.samples.map(sample => sample.step));
    for (const { prompt, base, tuned } of state.samples.filter(sample => sample.step === last)) {
      output.line(`\n${JSON.stringify(prompt)}\n  base:  ${base.trim()}\n  tuned: ${tuned.trim()}`);
    }
    if (flag(values, 'settings')) {
      output.line();
      for (const [key, value] of Object.entries(state.identity.settings)) output.line(`${key} = ${value}`);
    }
    return 0;
  },
};
