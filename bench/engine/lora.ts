/** LoRA of rank 8 on every map of the 135 M shape, 256 tokens a step, beside PEFT. */
import { everyMap, lora } from '../estimate/shapes.ts';
import { armTable, inTurns, ourArm, peakOf, timeRatios, torchArm, type Work } from './arms.ts';
import { gibibytes, times } from './measure.ts';
import type { Part } from './part.ts';

export const loraStep: Part = async ({ workplace, threads, rounds }) => {
  const work: Work = { folder: workplace['135M'], rows: 1, length: 256, threads, steps: 3, warmup: 2 };
  const ours = await ourArm('ours', work, { adapter: lora(everyMap) });
  const peft = await torchArm('PEFT', work, 'peft');
  const arms = [ours, ...(peft ? [peft] : [])];
  const results = await inTurns(arms, rounds);
  const [own, theirs] = results;
  const speed = theirs ? timeRatios(theirs, own!) : [];
  return {
    measures: [
      ...(peft
        ? [
            {
              name: 'LoRA, 135 M, speed to PEFT',
              values: speed,
              text: times,
              must: 1,
              goal: 1.3,
              limit: 'at least' as const,
            },
          ]
        : []),
      {
        name: 'LoRA, 135 M, peak memory of the process',
        values: [peakOf(own!)],
        text: gibibytes,
        must: 3 * 2 ** 30,
        goal: 1.5 * 2 ** 30,
        limit: 'at most',
      },
    ],
    details: armTable(arms, results, work),
  };
};
