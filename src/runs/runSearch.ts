/** Finding runs by words: one meaning for the tree's filter and `holdfast ls --search`. */
import type { RunSummary } from './runSummary.ts';

type Searched = Pick<
  RunSummary,
  'id' | 'name' | 'recipe' | 'variant' | 'status' | 'reason' | 'verdict' | 'group' | 'tags' | 'notes' | 'star'
>;

/**
 * Every word has to occur: in name, recipe, variant, id, status, verdict, tags or notes, in upper or lower case.
 * `#word` is a tag that begins so; `starred` are those with a star.
 */
export function searchRuns(query: string): (run: Searched) => boolean {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return run => {
    if (words.length === 0) return true;
    const text = textOf(run);
    const tags = run.tags.map(tag => tag.toLowerCase());
    return words.every(word => {
      if (word.startsWith('#') && word.length > 1) return tags.some(tag => tag.startsWith(word.slice(1)));
      return text.includes(word);
    });
  };
}

function textOf(run: Searched): string {
  const { id, name, recipe, variant, status, reason, verdict, group, tags, notes, star } = run;
  const words = [id, name, recipe, variant, status, reason, verdict, group, ...tags, notes, star && 'starred'];
  return words.filter(Boolean).join('\n').toLowerCase();
}
