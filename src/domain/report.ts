/**
 * A comparison as Markdown, ready for a pull request: what was compared, the table, verdicts in words, every probe set,
 * what keeping cost, what was set differently, and what the numbers do not say. Knows no files.
 */
import type { ComparisonView, RunView } from '../protocol/panel.ts';
import type { SetResult } from '../protocol/result.ts';
import { deltaBetween, learningOf, runLabels } from './comparison.ts';
import {
  durationText,
  formatInterval,
  formatNumber,
  formatSigned,
  inEnglish,
  type Translate,
  verdictWord,
} from './words.ts';

export interface ReportOptions {
  title: string;
  /** What was compared, in one sentence; default: the recipe and its model. */
  about?: string;
  /** As the Markdown file sees them. */
  pictures?: { path: string; alt: string }[];
  translate?: Translate;
}

export function markdownReport(comparison: ComparisonView, options: ReportOptions): string {
  const { title, pictures = [], translate: t = inEnglish } = options;
  const { runs } = comparison;
  const labels = runLabels(runs);
  const label = (run: RunView): string => labels[run.id] ?? run.id;
  const sets = [...new Set(runs.flatMap(({ result }) => Object.keys(result?.forgetting ?? {})))];
  const sections = [
    `# ${inline(title)}`,
    inline(options.about ?? aboutRuns(runs, t)),
    `## ${t('Result')}`,
    summaryTable(runs, sets, label, t),
    legendOf(runs, t),
    list(comparison.refusals.map(text => `**${t('Left out')}** ${inline(text)}`)),
    pictures
      .filter(({ path }) => /plane/.test(path))
      .map(picture)
      .join('\n\n'),
    `## ${t('Verdicts in words')}`,
    runs.map(run => verdictLines(run, label(run), t)).join('\n\n'),
    ...sets.flatMap(set => [
      `## ${inline(t('Probe set {0}', set))}`,
      setTable(runs, set, label, t),
      replayNote(runs, set, label, t),
    ]),
    pictures
      .filter(({ path }) => !/plane/.test(path))
      .map(picture)
      .join('\n\n'),
    `## ${t('What keeping cost')}`,
    costTable(runs, label, t),
    `## ${t('Settings that differ')}`,
    differingTable(comparison, label, t),
    `## ${t('What these numbers do not say')}`,
    list(honestNotes(runs, label, t)),
  ];
  return `${sections.filter(Boolean).join('\n\n')}\n`;
}

function aboutRuns(runs: RunView[], t: Translate): string {
  const recipes = [...new Set(runs.map(({ recipe }) => recipe))].join(', ');
  const models = [...new Set(runs.map(({ settings }) => settings.model ?? '?'))].join(', ');
  const seeds = [...new Set(runs.map(({ settings }) => settings['train.seed'] ?? '?'))].join(', ');
  return t('{0} runs of {1} on the model {2}, seed {3}.', runs.length, recipes, models, seeds);
}

function summaryTable(runs: RunView[], sets: string[], label: (run: RunView) => string, t: Translate): string {
  const head = [t('run'), t('learning (nats/token)'), ...sets.map(set => t('forgetting: {0}', set)), t('verdict')];
  const rows = runs.map(run => {
    const learning = learningOf(run);
    const cells = sets.map(set => setCell(run.result?.forgetting[set]));
    const verdict = run.result?.verdict ?? null;
    const end = run.status === 'finished' ? verdictWord(verdict, t) : run.statusText;
    return [label(run), learning ? formatInterval(learning) : '–', ...cells, end];
  });
  return table(head, rows);
}

/** In the unit of the budget, with its verdict. */
function setCell(set: SetResult | undefined): string {
  if (!set) return '–';
  const isPoints = set.budget !== undefined && 'points' in set.budget;
  const measured = isPoints && set.accuracy ? `${formatInterval(asDrop(set.accuracy))} points` : formatInterval(set);
  return `${measured}${set.replayed ? ' ®' : ''}${set.verdict ? `, ${set.verdict}` : ''}`;
}

const asDrop = ({ drop, low, high }: { drop: number; low: number; high: number }) => ({ value: drop, low, high });

function legendOf(runs: RunView[], t: Translate): string {
  const isReplayed = runs.some(({ result }) =>
    Object.values(result?.forgetting ?? {}).some(({ replayed }) => replayed),
  );
  return [
    t('Learning: drop of the loss on held-out task rows, more is better.'),
    t('Forgetting: rise of the loss on a probe set in nats per token, or drop of accuracy in points; up is worse.'),
    t('In brackets the 95 % interval over items.'),
    isReplayed ? t('®: the same kind of text was also replayed, so the set wins by construction.') : '',
  ]
    .filter(Boolean)
    .join(' ');
}

function verdictLines(run: RunView, label: string, t: Translate): string {
  const word = run.status === 'finished' ? verdictWord(run.verdict.overall, t) : run.statusText;
  const lines = run.verdict.lines.map(({ text }) => `- ${inline(text)}`);
  return [`**${inline(label)}**: ${inline(word)}`, ...lines].join('\n');
}

function setTable(runs: RunView[], set: string, label: (run: RunView) => string, t: Translate): string {
  const scored = runs.filter(({ result }) => result?.forgetting[set]);
  const plain = scored.find(({ variant }) => variant === 'plain');
  const head = [
    t('run'),
    t('items'),
    t('forgetting (nats/token)'),
    t('against plain'),
    t('accuracy'),
    t('right → wrong'),
    t('wrong → right'),
    t('KL to the base'),
    t('verdict'),
  ];
  const rows = scored.map(run => {
    const score = run.result!.forgetting[set]!;
    const { accuracy, items, itemsNeeded, verdict } = score;
    const kl = run.result!.kl[set];
    const needed = itemsNeeded === undefined ? '' : t(' (about {0} items needed)', itemsNeeded);
    return [
      label(run),
      String(items),
      formatInterval(score),
      plain && plain !== run ? deltaText(score, plain.result!.forgetting[set]!, t) : '–',
      accuracy ? `${percent(accuracy.base)} → ${percent(accuracy.tuned)}` : '–',
      accuracy ? String(accuracy.lost) : '–',
      accuracy ? String(accuracy.gained) : '–',
      typeof kl === 'number' ? formatNumber(kl) : '–',
      verdict ? verdictWord(verdict, t) + needed : t('no budget'),
    ];
  });
  return table(head, rows);
}

function deltaText(score: SetResult, plain: SetResult, t: Translate): string {
  const { value, beyondNoise } = deltaBetween(score, plain);
  const text = formatSigned(value, Math.max(score.high - score.low, plain.high - plain.low) / 2 || undefined);
  return beyondNoise ? text : t('{0} (within noise)', text);
}

const percent = (share: number): string => `${formatNumber(100 * share, 10)} %`;

function replayNote(runs: RunView[], set: string, label: (run: RunView) => string, t: Translate): string {
  const replayed = runs.filter(({ result }) => result?.forgetting[set]?.replayed).map(label);
  return replayed.length > 0
    ? t('Replayed in: {0}. There the set wins by construction.', inline(replayed.join(', ')))
    : '';
}

function costTable(runs: RunView[], label: (run: RunView) => string, t: Translate): string {
  const measured = runs.filter(({ result }) => result && result.steps > 0);
  const plain = measured.find(({ variant }) => variant === 'plain')?.result;
  const times = (value: number | null | undefined, base: number | null | undefined): string =>
    value && base && plain ? ` (${formatNumber(value / base, 1)}×)` : '';
  const head = [t('run'), t('trains'), t('steps'), t('tokens'), t('time'), t('tokens/s'), t('peak memory')];
  const rows = measured.map(run => {
    const { trainedShare, steps, tokens, seconds, tokensPerSecond, peakMemoryBytes } = run.result!;
    return [
      label(run),
      trainedShare === null ? '–' : percent(trainedShare),
      String(steps),
      String(tokens) + times(tokens, plain?.tokens),
      durationText(seconds, t) + times(seconds, plain?.seconds),
      tokensPerSecond === null ? '–' : String(Math.round(tokensPerSecond)),
      peakMemoryBytes === null
        ? '–'
        : `${Math.round(peakMemoryBytes / 2 ** 20)} MiB${times(peakMemoryBytes, plain?.peakMemoryBytes)}`,
    ];
  });
  return measured.length > 0 ? table(head, rows) : t('No run has taken a step.');
}

function differingTable({ differing, runs }: ComparisonView, label: (run: RunView) => string, t: Translate): string {
  const keys = Object.keys(differing);
  if (keys.length === 0) return t('None.');
  return table(
    [t('setting'), ...runs.map(label)],
    keys.map(key => [key, ...runs.map(({ id }) => differing[key]?.[id] || '–')]),
  );
}

function honestNotes(runs: RunView[], label: (run: RunView) => string, t: Translate): string[] {
  const seeds = new Set(runs.map(({ settings }) => settings['train.seed']));
  const scores = runs.flatMap(({ result }) => Object.values(result?.forgetting ?? {}));
  const methods = [...new Set(scores.flatMap(({ method, accuracy }) => [method, accuracy?.method]))];
  const failed = runs.filter(({ status }) => status === 'failed' || status === 'lost');
  const warnings = runs.flatMap(run => (run.result?.warnings ?? []).map(text => `${label(run)}: ${text}`));
  const failedChecks = runs.filter(({ result }) => result?.stepZero && !result.stepZero.ok);
  return [
    seeds.size === 1 ? t('One seed: no claim about the methods. Another seed may order these runs differently.') : '',
    t(
      'The intervals are over items ({0}); they do not hold the spread between seeds.',
      methods.filter(Boolean).join('; ') || '95 %',
    ),
    t('Nothing is said of abilities that no probe set stands for.'),
    ...failed.map(run => t('{0} did not finish: {1}', label(run), run.error?.message ?? run.statusText)),
    ...failedChecks.map(run =>
      t('{0} failed a check before its first step; its numbers are not to be trusted.', label(run)),
    ),
    ...warnings,
  ]
    .filter(Boolean)
    .map(inline);
}

const list = (items: string[]): string => items.map(item => `- ${item}`).join('\n');

const picture = ({ path, alt }: { path: string; alt: string }): string =>
  `![${inline(alt).replaceAll(']', '\\]')}](${encodeURI(path).replaceAll('(', '%28').replaceAll(')', '%29')})`;

function table(head: string[], rows: string[][]): string {
  const row = (cells: string[]): string => `| ${cells.map(cell).join(' | ')} |`;
  return [row(head), `|${' --- |'.repeat(head.length)}`, ...rows.map(row)].join('\n');
}

const cell = (text: string): string => inline(text).replaceAll('|', '\\|');

/** One line, and nothing that Markdown or HTML would take for its own: names come from files of others. */
function inline(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/[\\`*]|\](?=[([:])|(?<!\w)_|_(?!\w)|^[#>+-]+(?=\s)/g, '\\$&')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;');
}
