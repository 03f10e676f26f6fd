/** A whole step of model M beside torch eager and torch.compile. */
import { armTable, inTurns, ourArm, timeRatios, torchArm, type Work } from './arms.ts';
import { type Measure, times } from './measure.ts';
import type { Part } from './part.ts';

export const fullStep: Part = async ({ workplace, threads, rounds }) => {
  const work: Work = { folder: workplace.M, rows: 8, length: 128, threads, steps: 6, warmup: 4 };
  const ours = await ourArm('ours', work);
  const [eager, compiled] = [await torchArm('eager', work, 'eager'), await torchArm('compiled', work, 'compile')];
  const arms = [ours, ...(eager ? [eager] : []), ...(compiled ? [compiled] : [])];
  const results = await inTurns(arms, rounds);
  const beside = (name: string, must: number, goal: number): Measure[] => {
    const place = arms.findIndex(arm => arm.name === name);
    if (place < 0) return [];
    const values = timeRatios(results[place]!, results[0]!);
    return [{ name: `full step, M, speed to torch ${name}`, values, text: times, must, goal, limit: 'at least' }];
  };
  return {
    measures: [...beside('eager', 1, 1.4), ...beside('compiled', 0.9, 1.1)],
    details: armTable(arms, results, work),
  };
};
