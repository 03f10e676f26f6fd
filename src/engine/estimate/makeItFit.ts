/** Settings with which a run would take less memory, each with what it would take then, the smallest first. */
import type { ResolvedRecipe } from '../../recipe/schema.ts';
import { EngineError } from '../engineError.ts';
import { resized, trainingShapes } from './batchShapes.ts';
import { runSize, type SizedRun } from './runSize.ts';

export interface SmallerRun {
  /** As it is written in a recipe. */
  setting: string;
  bytes: number;
  /** The result stays the same bit for bit. */
  changesNothing: boolean;
}

type Change = { setting: string; run: SizedRun; changesNothing?: boolean };

const shortest = 32;

export function smallerRuns(run: SizedRun): SmallerRun[] {
  const now = runSize(run);
  const sized = changesOf(run).flatMap(({ setting, run, changesNothing = false }) => {
    const bytes = sizeOrNone(run);
    return bytes !== undefined && bytes < now ? [{ setting, bytes, changesNothing }] : [];
  });
  return sized.sort((a, b) => a.bytes - b.bytes);
}

/** Every change to the recipe that may help; some are none for this model. */
function changesOf(run: SizedRun): Change[] {
  const { recipe, batches } = run;
  const { adapter, method, train } = recipe;
  const changed = (setting: string, parts: Partial<ResolvedRecipe>): Change => {
    return { setting, run: { ...run, recipe: { ...recipe, ...parts } } };
  };
  const changes: Change[] = [];
  if (!train.gradient_checkpointing) {
    const recomputing = changed('train.gradient_checkpointing: true', {
      train: { ...train, gradient_checkpointing: true },
    });
    changes.push({ ...recomputing, changesNothing: true });
  }
  if (!adapter) {
    const lora: ResolvedRecipe['adapter'] = {
      ...{ type: 'lora', r: 8, alpha: 16, target_modules: ['q_proj', 'v_proj'], output: 'adapter' },
    };
    changes.push(changed('adapter: { type: lora }', { adapter: lora, method: { ...method, narrow: undefined } }));
  }
  if (!adapter && !method.narrow) {
    const narrow = { tune: ['attention'] } satisfies ResolvedRecipe['method']['narrow'];
    changes.push(changed('method.narrow: { tune: [attention] }', { method: { ...method, narrow } }));
  }
  if (method.regularize?.teacher === 'copy') {
    const regularize = { ...method.regularize, teacher: 'swap' as const };
    changes.push(changed('method.regularize.teacher: swap', { method: { ...method, regularize } }));
  }
  for (const rows of halves(Math.max(...trainingShapes(batches).map(({ rows }) => rows)), 1)) {
    if (train.batch_size % rows !== 0) continue;
    changes.push({ setting: `train.micro_batch_size: ${rows}`, run: { ...run, batches: resized(batches, { rows }) } });
  }
  for (const length of halves(train.max_length, shortest)) {
    changes.push({ setting: `train.max_length: ${length}`, run: { ...run, batches: resized(batches, { length }) } });
  }
  return changes;
}

/** 8 → 4, 2, 1 */
function halves(from: number, least: number): number[] {
  const found: number[] = [];
  for (let n = Math.floor(from / 2); n >= least; n = Math.floor(n / 2)) found.push(n);
  return found;
}

/** A change that this model cannot take is none. */
function sizeOrNone(run: SizedRun): number | undefined {
  try {
    return runSize(run);
  } catch (error) {
    if (error instanceof EngineError) return undefined;
    throw error;
  }
}
