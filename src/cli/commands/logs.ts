/** `holdfast logs`: what happened in a run, line by line, from its journal or from what the trainer printed. */
import { pipeline } from 'node:stream/promises';
import { formatSigned } from '../../domain/words.ts';
import type { JournalRecord } from '../../protocol/journal.ts';
import { followJournal } from '../../runs/journal.ts';
import { openChecked } from '../../runs/safeFile.ts';
import { isOver, statusOf } from '../../runs/status.ts';
import { type Command, flag, jsonOption, onlyPositional, wrongUse } from '../command.ts';
import { findRun } from '../findRun.ts';
import { storeHere } from '../machine.ts';
import { visible } from '../output.ts';
import { whyQueued } from '../serveQueue.ts';
import { bytes } from '../table.ts';

export const logs: Command = {
  name: 'logs',
  summary: 'What happened in a run, line by line.',
  usage: 'RUN [-f] [--printed] [--json]',
  options: {
    follow: { type: 'boolean', short: 'f', help: 'Go on until the run is over.' },
    printed: { type: 'boolean', help: 'What the trainer printed, instead of its events.' },
    ...jsonOption,
  },
  async run({ positionals, values, output }) {
    const run = await findRun(onlyPositional(logs, positionals, 'RUN'));
    if (flag(values, 'printed')) {
      if (output.json) throw wrongUse(logs, '--printed is text and has no JSON form');
      if (flag(values, 'follow'))
        throw wrongUse(logs, `--printed shows what there is. To follow it: tail -f ${run.trainerLog}`);
      const log = await openChecked(run.trainerLog);
      if (log) await pipeline(log.createReadStream({ encoding: 'utf8' }), shown, process.stdout, { end: false });
      return 0;
    }
    const records: JournalRecord[] = [];
    let said = '';
    const isEnd = async () => {
      const { status, reason } = await statusOf(run);
      const lost = status === 'lost' ? `The run is lost: ${reason}` : said;
      const why = status === 'queued' ? await whyQueued(storeHere()) : lost;
      if (why !== said) output.note(why);
      said = why;
      return !flag(values, 'follow') || isOver(status);
    };
    for await (const record of followJournal(run, { isOver: isEnd })) {
      if (output.json) records.push(record);
      else output.line(`${new Date(record.t).toLocaleTimeString('en-GB')}  ${describe(record)}`);
    }
    output.answer(records);
    return 0;
  },
};

/** Progress bars go back to the start of their line: a terminal may, and so does each of their lines here. */
async function* shown(chunks: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const chunk of chunks) yield visible(chunk.replace(/\r+\n?/g, '\n'));
}

function describe(record: JournalRecord): string {
  switch (record.type) {
    case 'step':
      return `step ${record.step}  ${Object.entries(record.metrics)
        .map(([name, value]) => `${name} ${number(value)}`)
        .join('  ')}`;
    case 'evaluated': {
      const sets = Object.entries(record.forgetting).map(
        ([name, set]) =>
          `${name} ${formatSigned(set.value)} [${formatSigned(set.low)}, ${formatSigned(set.high)}]${set.verdict ? ` ${set.verdict}` : ''}`,
      );
      return `${record.final ? 'final evaluation' : 'evaluation'} at step ${record.step}  ${sets.join('  ')}`;
    }
    case 'checkpointed':
      return `checkpoint ${record.folder} (${bytes(record.bytes)})`;
    case 'prepared':
      return `prepared: ${record.steps} steps, ${record.trained}, ${record.runtime.name} on ${record.runtime.provider}: ${record.runtime.reason}`;
    case 'checked':
      return `checks: ${Object.entries(record.checks)
        .map(([name, check]) => `${name} ${check?.status}`)
        .join(', ')}`;
    case 'sample':
      return `sample: ${JSON.stringify(record.prompt)} → ${JSON.stringify(record.tuned)} (base: ${JSON.stringify(record.base)})`;
    case 'exited':
      return `ended: ${record.reason}`;
    default: {
      const { v: _v, attempt: _attempt, seq: _seq, t: _t, type, ...rest } = record;
      const words = Object.entries(rest).map(
        ([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
      );
      return `${type}  ${words.join('  ')}`;
    }
  }
}

const number = (value: number | null): string => (value === null ? 'not finite' : String(Number(value.toPrecision(5))));
