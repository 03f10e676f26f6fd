/** `holdfast queue`: what waits for the device, in which order, and whether any of it is taken now. */
import { sendControl } from '../../runs/control.ts';
import { lockedElsewhere } from '../../runs/lock.ts';
import {
  holdQueue,
  moveRuns,
  type Queue,
  readQueue,
  releaseQueue,
  runNext,
  setOnError,
  waitingRuns,
} from '../../runs/queue.ts';
import { isUnserved } from '../../runs/queueCare.ts';
import { RunsError } from '../../runs/runsError.ts';
import { isOver, statusOf } from '../../runs/status.ts';
import type { Store } from '../../runs/store.ts';
import { type Command, flag, type Invocation, jsonOption, text, wrongUse } from '../command.ts';
import { findRun } from '../findRun.ts';
import { storeHere } from '../machine.ts';
import type { Output } from '../output.ts';
import { noRunnerLives, serveQueue } from '../serveQueue.ts';
import { table } from '../table.ts';

export const queue: Command = {
  name: 'queue',
  summary: 'What waits for the device: show it, reorder it, hold it.',
  usage:
    '[list | next RUN | move RUN --before OTHER | move RUN --last | cancel RUN|GROUP | hold | release | on-error continue|hold] [--json]',
  options: {
    before: { type: 'string', value: 'RUN', help: 'move: to stand right before this one.' },
    last: { type: 'boolean', help: 'move: behind all others.' },
    ...jsonOption,
  },
  async run(invocation) {
    const { positionals, output } = invocation;
    const [action = 'list', ...words] = positionals;
    const change = Object.hasOwn(actions, action) ? actions[action] : undefined;
    if (!change) throw wrongUse(queue, `"${action}" is nothing a queue can do`);
    const isPlaced = text(invocation.values, 'before') !== undefined || flag(invocation.values, 'last');
    if (isPlaced && action !== 'move') throw wrongUse(queue, `--before and --last belong to move, not to ${action}`);
    const store = storeHere();
    await change(store, words, invocation);
    const state = await stateOf(store);
    output.answer(state);
    show(state, store, output);
    return 0;
  },
};

type Action = (store: Store, words: string[], invocation: Invocation) => Promise<void>;

const actions: Record<string, Action> = {
  list: async (_, words) => none(words),
  next: async (store, words) => {
    await runNext(store, [await only(words, 'RUN')]);
  },
  move: async (store, words, { values }) => {
    const before = text(values, 'before');
    if ((before === undefined) === !flag(values, 'last')) throw wrongUse(queue, 'move takes --before RUN or --last');
    await moveRuns(store, [await only(words, 'RUN')], before === undefined ? null : (await findRun(before)).id);
  },
  cancel: (store, words) => cancel(store, words),
  hold: async (store, words) => {
    none(words);
    await holdQueue(store, 'held by the user');
  },
  release: async (store, words) => {
    none(words);
    const released = await releaseQueue(store);
    if ((await waitingRuns(store, released)).length === 0) return;
    await serveQueue(store);
  },
  'on-error': async (store, words) => {
    const [mode, ...more] = words;
    none(more);
    if (mode !== 'continue' && mode !== 'hold') throw wrongUse(queue, 'on-error takes continue or hold');
    await setOnError(store, mode);
  },
};

/** A run that has started is not cancelled but stopped: another word, because it saves. */
async function cancel(store: Store, words: string[]): Promise<void> {
  const [name] = words;
  none(words.slice(1));
  if (name === undefined) throw wrongUse(queue, 'RUN or GROUP is missing');
  const waiting = await waitingRuns(store, await readQueue(store));
  const ofGroup = waiting.filter(({ request }) => request.group === name).map(({ run }) => run);
  const runs = ofGroup.length > 0 ? ofGroup : [await findRun(name)];
  for (const run of runs) {
    if (!waiting.some(other => other.run.id === run.id)) {
      const remedy = `Stop it with: holdfast stop ${run.id}`;
      throw new RunsError('not-queued', `${run.id} does not wait in the queue`, { remedy });
    }
    await sendControl(run, 'stop');
  }
}

async function only(words: string[], what: string): Promise<string> {
  none(words.slice(1));
  if (words[0] === undefined) throw wrongUse(queue, `${what} is missing`);
  return (await findRun(words[0])).id;
}

function none(words: string[]): void {
  if (words.length > 0) throw wrongUse(queue, `"${words[0]}" is too much`);
}

interface QueueState extends Pick<Queue, 'held' | 'onError'> {
  /** Who on another machine keeps the queue from going on here. */
  elsewhere: string | null;
  /** False: something waits that nobody holds back, and no runner lives that would take it. */
  served: boolean;
  running: { id: string; name: string; variant: string; status: string; step: number } | null;
  waiting: { id: string; name: string; variant: string; group?: string; attempt: number }[];
}

async function stateOf(store: Store): Promise<QueueState> {
  const queue = await readQueue(store);
  const { held, onError, taken } = queue;
  const waiting: QueueState['waiting'] = [];
  for (const { run, request, resume } of await waitingRuns(store, queue)) {
    const { id, name, variant, group } = request;
    if ((await statusOf(run)).status !== 'queued') continue;
    waiting.push({ id, name, variant, ...(group && { group }), attempt: resume?.attempt ?? 1 });
  }
  const elsewhere = await lockedElsewhere(store.runnerLock);
  const running = taken === null ? null : await runningOf(store, taken);
  return { held, onError, elsewhere, served: !(await isUnserved(store)), running, waiting };
}

async function runningOf(store: Store, id: string): Promise<QueueState['running']> {
  const run = store.run(id);
  const request = await run.request().catch(() => null);
  const { status, step } = await statusOf(run);
  if (!request || status === 'queued' || isOver(status)) return null;
  return { id, name: request.name, variant: request.variant, status, step };
}

function show({ held, onError, elsewhere, served, running, waiting }: QueueState, store: Store, output: Output): void {
  const rows = waiting.map(({ id, variant, group, attempt }, place) => [
    String(place + 1),
    id,
    variant,
    [attempt > 1 ? `attempt ${attempt}` : '', group ?? ''].filter(Boolean).join(', '),
  ]);
  if (running) rows.unshift(['', running.id, running.variant, `${running.status}, step ${running.step}`]);
  if (rows.length === 0) output.line(`Nothing runs and nothing waits in ${store.folder}.`);
  else output.line(table([{ title: '#', right: true }, { title: 'run' }, { title: 'variant' }, { title: '' }], rows));
  if (held) output.line(`\nHeld${held.run ? ` after ${held.run}` : ''}: ${held.reason}\nholdfast queue release`);
  if (elsewhere) output.line(`\nNothing is taken here: ${elsewhere}.`);
  if (!served) output.line(`\n${noRunnerLives}`);
  if (onError === 'hold') output.line('\nThe queue is held when a run fails (holdfast queue on-error continue).');
}
