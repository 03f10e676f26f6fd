/**
 * How the list of runs is cut into groups: what runs, what waits, then one group a recipe, by months where there are
 * many. Made once a change, so that a row is found without looking at all runs. Knows nothing of how rows are drawn.
 */
import * as vscode from 'vscode';
import { isLive, type RunEntry } from './runsModel.ts';

export interface RunGroup {
  id: string;
  label: string;
  /** Of a group by recipe. */
  recipeFile?: string;
  /** All of them, also those below `months`. Those with a star come first. */
  runs: RunEntry[];
  months: RunGroup[];
  parent?: RunGroup;
}

/** More rows than this are slow to draw and hopeless to read. */
export const mostRows = 200;

export class RunGroups {
  readonly roots: RunGroup[];
  /** Those that somebody wanted to see, hidden or not matching ones left out. */
  readonly count: number;
  readonly #groups = new Map<string, RunGroup>();
  readonly #groupOf = new Map<string, RunGroup>();
  readonly #starred: ReadonlySet<string>;

  /** `inQueueOrder`: those that wait, the first first. */
  constructor(runs: readonly RunEntry[], inQueueOrder: (waiting: RunEntry[]) => RunEntry[] = waiting => waiting) {
    const roots = new Map<string, RunGroup>();
    for (const run of runs) {
      const key = keyOf(run);
      const root = roots.get(key.id) ?? { ...key, runs: [], months: [] };
      roots.set(key.id, root);
      root.runs.push(run);
    }
    this.count = runs.length;
    this.#starred = new Set(runs.filter(({ star }) => star).map(({ id }) => id));
    const queue = roots.get('queued');
    if (queue) queue.runs = inQueueOrder(queue.runs);
    this.roots = [...roots.values()].sort((a, b) => rank(a) - rank(b));
    for (const root of this.roots) this.#settle(root);
  }

  group(id: string): RunGroup | undefined {
    return this.#groups.get(id);
  }

  /** The innermost group of a run. */
  groupOf(run: string): RunGroup | undefined {
    return this.#groupOf.get(run);
  }

  /** A run that stands elsewhere, or is in no list, has another place. */
  placeOf(run: string): string {
    return `${this.#groupOf.get(run)?.id} ${this.#starred.has(run)}`;
  }

  #settle(group: RunGroup): void {
    this.#groups.set(group.id, group);
    if (group.recipeFile && group.runs.length > mostRows) group.months = monthsOf(group);
    for (const month of group.months) this.#settle(month);
    if (group.id !== 'queued') group.runs = starredFirst(group.runs);
    if (group.months.length === 0) for (const run of group.runs) this.#groupOf.set(run.id, group);
  }
}

function keyOf(run: RunEntry): Pick<RunGroup, 'id' | 'label' | 'recipeFile'> {
  if (run.status === 'queued') return { id: 'queued', label: vscode.l10n.t('Queued') };
  if (isLive(run)) return { id: 'running', label: vscode.l10n.t('Running') };
  const { recipeFile, recipe } = run;
  return { id: `recipe:${recipeFile}`, label: recipe.replace(/\.tune\.ya?ml$/, ''), recipeFile };
}

const rank = ({ id }: RunGroup): number => (id === 'running' ? 0 : id === 'queued' ? 1 : 2);

const starredFirst = (runs: RunEntry[]): RunEntry[] => [
  ...runs.filter(({ star }) => star),
  ...runs.filter(({ star }) => !star),
];

function monthsOf(parent: RunGroup): RunGroup[] {
  const months = new Map<string, RunGroup>();
  const words = new Intl.DateTimeFormat(vscode.env.language, { month: 'long', year: 'numeric' });
  for (const run of parent.runs) {
    const date = new Date(run.createdAt);
    const id = `${parent.id}/${date.getFullYear()}-${date.getMonth() + 1}`;
    const month = months.get(id) ?? { id, label: words.format(date), runs: [], months: [], parent };
    months.set(id, month);
    month.runs.push(run);
  }
  return [...months.values()];
}
