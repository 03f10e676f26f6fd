/** From the losses of single tokens to the means a step reports. */
import { type Batch, ignoredLabel } from '../batch.ts';
import { penaltyFactor, type RegularizeSettings, regularizedMask } from '../methods/regularize.ts';
import type { StepCounts } from './batchValues.ts';
import type { StepMetrics } from './tuningModel.ts';

/** The step's losses, summed on the host in f64 in the order of the tokens. */
export class LossSums {
  readonly #regularize: RegularizeSettings | undefined;
  #task = { sum: 0, tokens: 0 };
  #replay = { sum: 0, tokens: 0 };
  #divergence = 0;
  #hasReplay = false;

  constructor(regularize: RegularizeSettings | undefined) {
    this.#regularize = regularize;
  }

  add(batch: Batch, outputs: Record<string, Float32Array>): void {
    const { crossEntropy, divergence } = outputs;
    for (const [i, label] of batch.labels.entries()) {
      const isReplay = batch.kinds[Math.floor(i / batch.length)] === 1;
      this.#hasReplay ||= isReplay;
      if (label === ignoredLabel) continue;
      const kind = isReplay ? this.#replay : this.#task;
      kind.sum += crossEntropy![i]!;
      kind.tokens += 1;
    }
    if (this.#regularize && divergence) {
      const mask = regularizedMask(batch, this.#regularize);
      for (const [i, bit] of mask.entries()) if (bit) this.#divergence += divergence[i]!;
    }
  }

  means(counts: StepCounts): Omit<StepMetrics, 'gradientNorm'> {
    const [task, replay] = [this.#task, this.#replay];
    const crossEntropy = (task.sum + replay.sum) / counts.targets;
    const divergence = counts.regularized > 0 ? this.#divergence / counts.regularized : 0;
    return {
      loss: task.sum / task.tokens,
      ...(this.#hasReplay ? { replayLoss: replay.sum / replay.tokens } : {}),
      objective: crossEntropy + (this.#regularize ? penaltyFactor(this.#regularize) * divergence : 0),
      penalties: this.#regularize ? { 'penalty.kl': divergence } : {},
    };
  }
}
