/** `holdfast ls`: the runs of this project, newest first. */
import { worstVerdict } from '../../domain/statistics.ts';
import { formatSigned } from '../../domain/words.ts';
import { isUnserved } from '../../runs/queueCare.ts';
import { RunIndex } from '../../runs/runIndex.ts';
import { searchRuns } from '../../runs/runSearch.ts';
import type { RunSummary } from '../../runs/runSummary.ts';
import { tagOf } from '../../runs/userChoices.ts';
import { type Command, flag, jsonOption, list, text, wrongUse } from '../command.ts';
import { storeHere } from '../machine.ts';
import { noRunnerLives } from '../serveQueue.ts';
import { bytes, table } from '../table.ts';

export const ls: Command = {
  name: 'ls',
  summary: 'List the runs of this project.',
  usage: '[--search WORDS] [--tag TAG …] [--all] [--sizes] [--json]',
  options: {
    search: {
      type: 'string',
      value: 'WORDS',
      help: 'All of them, in name, recipe, variant, status, verdict or notes.',
    },
    tag: { type: 'string', multiple: true, value: 'TAG', help: 'Those that have a tag that begins so.' },
    all: { type: 'boolean', help: 'Hidden runs too.' },
    sizes: { type: 'boolean', help: 'What each run and checkpoint takes on the disk.' },
    ...jsonOption,
  },
  async run({ positionals, values, output }) {
    if (positionals.length > 0) throw wrongUse(ls, `It takes no "${positionals[0]}"; words are looked for by --search`);
    const store = storeHere();
    const index = await RunIndex.open(store, { mayWrite: true });
    const tags = list(values, 'tag').map(tag => `#${tagOf(tag)}`);
    const matches = searchRuns([text(values, 'search') ?? '', ...tags].join(' '));
    const all = await index.refresh();
    const runs = all.filter(run => (flag(values, 'all') || !run.hidden) && matches(run));
    output.answer(runs);
    if (all.length === 0) output.line(`No runs in ${store.folder}. Start one with: holdfast run RECIPE`);
    else if (runs.length === 0) output.line(`None of ${all.length} runs in ${store.folder} is listed by these words.`);
    else if (flag(values, 'sizes')) output.line(sizesTable(runs));
    else output.line(table(columns, runs.map(row)));
    const unlisted = (await store.runIds()).filter(id => !all.some(run => run.id === id));
    if (unlisted.length > 0) output.note(unreadable(unlisted));
    if (all.some(({ status }) => status === 'queued') && (await isUnserved(store))) output.note(noRunnerLives);
    return 0;
  },
};

const mostNamed = 5;

function unreadable(ids: readonly string[]): string {
  const more = ids.length > mostNamed ? ` and ${ids.length - mostNamed} more` : '';
  return `Not listed, because its run.json is not there or cannot be read: ${ids.slice(0, mostNamed).join(', ')}${more}. Why: holdfast show ${ids[0]}`;
}

function sizesTable(runs: readonly RunSummary[]): string {
  const rows = runs.flatMap(run => [
    [run.id, bytes(run.bytes)],
    ...run.checkpoints.map(({ folder, bytes: size }) => [`  ${folder}`, bytes(size)]),
  ]);
  const total = runs.reduce((sum, run) => sum + run.bytes, 0);
  return table([{ title: 'run' }, { title: 'size', right: true }], [...rows, [`${runs.length} runs`, bytes(total)]]);
}

const columns = [
  { title: 'run' },
  { title: 'variant' },
  { title: 'status' },
  { title: 'step', right: true },
  { title: 'loss', right: true },
  { title: 'verdict' },
  { title: 'worst set' },
  { title: 'said of it' },
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
    saidOf(run),
  ];
}

/** "★ my best #good": what the user says, where he says something. */
function saidOf({ name, named, star, tags, hidden, foreign }: RunSummary): string {
  const words = [
    star && '★',
    named && name,
    ...tags.map(tag => `#${tag}`),
    hidden && '(hidden)',
    foreign && '(imported)',
  ];
  return words.filter(Boolean).join(' ');
}

/** By verdict, then by loss: a set that was kept never hides one that was forgotten. */
function worstFirst(a: RunSummary['sets'][string], b: RunSummary['sets'][string]): number {
  const worse = worstVerdict([a.verdict, b.verdict]);
  if (a.verdict !== b.verdict && worse) return a.verdict === worse ? -1 : 1;
  return b.value - a.value;
}
