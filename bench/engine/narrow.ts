/** How much of a full step's time remains where only a part of model M trains. */
import { armTable, inTurns, ourArm, timeRatios, type Work } from './arms.ts';
import { times } from './measure.ts';
import type { Part } from './part.ts';

const parts = [
  { name: 'attention alone', tune: ['attention'], must: 0.78, goal: 0.73 },
  { name: 'gate and up', tune: ['gate_proj', 'up_proj'], must: 0.88, goal: 0.83 },
  { name: 'bottom half frozen', tune: [{ last_layers: 3 }], must: 0.7, goal: 0.6 },
];

export const narrowSteps: Part = async ({ workplace, threads, rounds }) => {
  const work: Work = { folder: workplace.M, rows: 8, length: 128, threads, steps: 6, warmup: 3 };
  const arms = [await ourArm('full', work)];
  for (const { name, tune } of parts) arms.push(await ourArm(name, work, { method: { narrow: { tune } } }));
  const results = await inTurns(arms, rounds);
  const measures = parts.map(({ name, must, goal }, i) => ({
    ...{ name: `${name}, M: time to full`, values: timeRatios(results[i + 1]!, results[0]!) },
    ...{ text: times, must, goal, limit: 'at most' as const },
  }));
  return { measures, details: armTable(arms, results, work) };
};
