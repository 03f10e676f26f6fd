/** `holdfast ls`: the runs of this project, newest first. */
import { worstVerdict } from '../../domain/statistics.ts';
import { formatSigned } from '../../domain/words.ts';
import { RunIndex } from '../../runs/runIndex.ts';
import type { RunSummary } from '../../runs/runSummary.ts';
import { type Command, flag, jsonOption } from '../command.ts';
import { storeHere } from '../machine.ts';
import { table } from '../table.ts';

export const ls: Command = {
  name: 'ls',
  summary: 'List the runs of this project.',
  usage: '[--all] [--json]',
  options: { all: { type: 'boolean', help: 'Hidden runs too.' }, ...jsonOption },
  async run({ values, output }) {
    const store = storeHere();
    const index = await RunIndex.open(store, { mayWrite: true });
    const runs = (await index.refresh()).filter(({ hidden }) => flag(values, 'all') || !hidden);
    output.answer(runs);
    if (runs.length === 0) output.line(`No runs in ${store.folder}. Start one with: holdfast run RECIPE`);
    else output.line(table(columns, runs.map(row)));
    return 0;
  },
};

const columns = [
  { title: 'run' },
  { title: 'variant' },
  { title: 'status' },
  { title: 'step', right: true },
  { title: 'loss', right: true },
  { title: 'verdict' },
  { title: 'worst set' },
];

function row(run: RunSummary): string[] {
  const steps = run.steps === null ? String(run.step) : `${run.step}/${run.steps}`;
  const [name, worst] = Object.entries(run.sets).sort(([, a], [, b]) => worstFirst(a, b))[0] ?? [];
  return [
    run.id,
    run.variant,
    run.status,
    steps,
    run.loss?.toFixed(3) ?? '',
    run.verdict ?? '',
    name && worst ? `${name} ${formatSigned(worst.value)} ${worst.unit}` : '',
  ];
}

/** By verdict, then by loss: a set that was kept never hides one that was forgotten. */
function worstFirst(a: RunSummary['sets'][string], b: RunSummary['sets'][string]): number {
  const worse = worstVerdict([a.verdict, b.verdict]);
  if (a.verdict !== b.verdict && worse) return a.verdict === worse ? -1 : 1;
  return b.value - a.value;
}
