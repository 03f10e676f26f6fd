/**
 * The runner program: takes a store's queue in turn and leaves when it is empty. Detached from whoever started it.
 * usage: node runner.cjs --store FOLDER [--grace-ms N] [--heartbeat-ms N] [--poll-ms N] [--hello-ms N] [--silence-ms N]
 *        --after-input waits for the end of stdin first: whoever starts it is still making the run
 */
import { finished } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { errorReport } from '../runs/runsError.ts';
import { workQueue } from './queue.ts';
import { defaultSettings, type RunnerSettings } from './settings.ts';

async function main(): Promise<void> {
  const number = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      store: { type: 'string' },
      'grace-ms': number,
      'heartbeat-ms': number,
      'poll-ms': number,
      'hello-ms': number,
      'silence-ms': number,
      'after-input': { type: 'boolean' },
    },
  });
  if (!values.store) throw new Error('--store FOLDER is missing');
  const settings: RunnerSettings = {
    ...defaultSettings,
    heartbeatMs: Number(values['heartbeat-ms'] ?? defaultSettings.heartbeatMs),
    pollMs: Number(values['poll-ms'] ?? defaultSettings.pollMs),
    limits: {
      ...(values['grace-ms'] && { graceMs: Number(values['grace-ms']) }),
      ...(values['hello-ms'] && { helloMs: Number(values['hello-ms']) }),
      ...(values['silence-ms'] && { silenceMs: Number(values['silence-ms']) }),
    },
  };
  const leave = new AbortController();
  // A terminal that closes is not our end; a machine that shuts down is.
  process.on('SIGHUP', () => {});
  process.on('SIGINT', () => leave.abort());
  process.on('SIGTERM', () => leave.abort());
  if (values['after-input']) await endOfInput();
  await workQueue(values.store, settings, leave.signal);
}

/** What starts trainers is loaded meanwhile. */
async function endOfInput(): Promise<void> {
  await Promise.all([import('execa'), finished(process.stdin.resume()).catch(() => {})]);
}

main().catch(error => {
  const { code, message, remedy } = errorReport(error);
  process.stderr.write(`${new Date().toISOString()} runner: ${message} [${code}]${remedy ? ` ${remedy}` : ''}\n`);
  process.exitCode = 3;
});
