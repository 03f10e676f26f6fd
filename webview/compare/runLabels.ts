/** The shortest names that tell the runs apart: the variant, then with the recipe's name, then with the end of the id. Pure. */
import type { RunView } from '../../src/protocol/panel.ts';
import { variantWord } from '../shared/words.ts';

type Named = Pick<RunView, 'id' | 'name' | 'variant'>;

export function runLabels(runs: readonly Named[]): Map<string, string> {
  const levels: ((run: Named) => string)[] = [
    run => variantWord(run.variant),
    run => `${run.name} · ${variantWord(run.variant)}`,
    run => `${run.name} · ${variantWord(run.variant)} · ${run.id.slice(-4)}`,
  ];
  const level = levels.find(label => new Set(runs.map(label)).size === runs.length) ?? levels[2]!;
  return new Map(runs.map(run => [run.id, level(run)]));
}
