/**
 * What a page is told of a run that it shows already: the parts that changed, and of lists that grow at their end only
 * what is new, for after hours of training they are long. Pure.
 */
import type { GrownLists, RunView } from '../protocol/panel.ts';

export interface RunChanges {
  changes: Partial<RunView>;
  grown: GrownLists;
}

const growing = ['samples', 'marks'] as const satisfies (keyof GrownLists)[];
const isGrowing = (key: keyof RunView): key is keyof GrownLists => (growing as readonly string[]).includes(key);

/** `null` when nothing changed: parts that are the very same, or that read the same, did not. */
export function changesOf(before: RunView, after: RunView): RunChanges | null {
  const found: RunChanges = { changes: {}, grown: {} };
  for (const key of Object.keys(after) as (keyof RunView)[]) {
    if (before[key] === after[key]) continue;
    if (isGrowing(key) && beginsWith(after[key], before[key])) {
      if (after[key].length > before[key].length) grow(found.grown, key, after[key].slice(before[key].length));
    } else if (JSON.stringify(before[key]) !== JSON.stringify(after[key])) {
      Object.assign(found.changes, { [key]: after[key] });
    }
  }
  return isNothing(found) ? null : found;
}

/** One after the other as one. */
export function joinChanges(earlier: RunChanges | undefined, later: RunChanges): RunChanges {
  if (!earlier) return later;
  const joined: RunChanges = { changes: { ...earlier.changes, ...later.changes }, grown: {} };
  for (const key of growing) {
    const before = later.changes[key] ? [] : (earlier.grown[key] ?? []);
    const news = [...before, ...(later.grown[key] ?? [])];
    if (news.length > 0) grow(joined.grown, key, news);
  }
  return joined;
}

/** What came to a list comes behind what it was changed to. */
export function applyChanges(
  run: RunView,
  { changes, grown }: { changes: Partial<RunView>; grown?: GrownLists },
): RunView {
  const changed = { ...run, ...changes };
  const lists = growing.flatMap(key => (grown?.[key] ? [[key, [...changed[key], ...grown[key]]]] : []));
  return { ...changed, ...Object.fromEntries(lists) };
}

function beginsWith(list: readonly unknown[], beginning: readonly unknown[]): boolean {
  return list.length >= beginning.length && beginning.every((entry, at) => entry === list[at]);
}

const grow = (lists: GrownLists, key: keyof GrownLists, news: readonly unknown[]): void => {
  Object.assign(lists, { [key]: news });
};

const isNothing = ({ changes, grown }: RunChanges): boolean =>
  Object.keys(changes).length === 0 && Object.keys(grown).length === 0;
