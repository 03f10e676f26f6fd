/** Which checkpoints of a run stay. Knows no files. */

export interface CheckpointAt {
  attempt: number;
  step: number;
  /** The user asked for it while the run went on. */
  asked?: boolean;
}

export interface RetentionRule {
  keep: readonly ('best' | 'last' | 'all')[];
  /** Multiples of this stay too. */
  keepEvery?: number;
  bestStep: number | null;
  /** Those that were asked for may go as well: the user says so. */
  withAsked?: boolean;
}

/**
 * What may go of the checkpoints of one curve. The newest stays whatever the rule says, and so does what the user asked for;
 * of two of one step (a resume came to it again) the newer attempt's stands for both.
 */
export function expendable<C extends CheckpointAt>(checkpoints: readonly C[], rule: RetentionRule): C[] {
  if (rule.keep.includes('all')) return [];
  const sorted = [...checkpoints].sort((a, b) => a.step - b.step || a.attempt - b.attempt);
  const isLast = (index: number): boolean => index === sorted.length - 1;
  const isCounted = ({ step }: C): boolean =>
    (rule.keep.includes('best') && step === rule.bestStep) ||
    (rule.keepEvery !== undefined && step % rule.keepEvery === 0);
  return sorted.filter((checkpoint, index) => {
    if (isLast(index) || (checkpoint.asked && !rule.withAsked)) return false;
    const isDoubled = sorted[index + 1]?.step === checkpoint.step;
    return isDoubled || !isCounted(checkpoint);
  });
}
