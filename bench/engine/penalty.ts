/**
 * What KL to the base costs on the 135 M shape, beside the same tuning without it: the base from a full copy where
 * everything trains, and by swap where a part does.
 */
import { kl } from '../estimate/shapes.ts';
import { armTable, inTurns, type OurParts, ourArm, peakOf, timeRatios, type Work } from './arms.ts';
import { times } from './measure.ts';
import type { Part } from './part.ts';

type Narrow = NonNullable<OurParts['method']>['narrow'];

export const byCopy: Part = beside('copy', undefined, { must: 1.25, goal: 1.25 });
export const bySwap: Part = beside('swap', { tune: [{ last_layers: 15 }] }, { must: 1.06, goal: 1.06 });

function beside(teacher: 'copy' | 'swap', narrow: Narrow, memory: { must: number; goal: number }): Part {
  return async ({ workplace, threads, rounds }) => {
    const work: Work = { folder: workplace['135M'], rows: 1, length: 256, threads, steps: 1, warmup: 2 };
    const plain = await ourArm('plain', work, { method: { narrow } });
    const penalized = await ourArm(`KL by ${teacher}`, work, { method: { narrow, ...kl(teacher) } });
    const arms = [plain, penalized];
    const results = await inTurns(arms, rounds);
    const [without, withIt] = results as [(typeof results)[0], (typeof results)[0]];
    const share = `${((100 * plain.trainedParameters) / plain.parameters).toFixed(0)} % trained`;
    const ratios = timeRatios(withIt, without);
    const bytes = [peakOf(withIt) / peakOf(without)];
    const name = (what: string) => `KL by ${teacher}, 135 M, ${share}: ${what} to plain`;
    return {
      measures: [
        { name: name('time'), values: ratios, text: times, must: 1.4, goal: 1.33, limit: 'at most' },
        { name: name('memory'), values: bytes, text: times, ...memory, limit: 'at most' },
      ],
      details: armTable(arms, results, work),
    };
  };
}
