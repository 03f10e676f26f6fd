/** `mask`: loss is taken on the tokens to be learned, on all of them and on no other. */
import { type Batch, ignoredLabel } from '../../batch.ts';
import type { Row } from '../../data/rows.ts';
import type { TuningModel } from '../../model/tuningModel.ts';
import { type CheckResult, type FirstStep, failed, ok } from './checkResult.ts';

export async function checkMask(model: TuningModel, { batches }: FirstStep): Promise<CheckResult> {
  let supervised = 0;
  let tokens = 0;
  for (const { batch, rows } of batches) {
    const expected = targetCells(batch, rows);
    for (let cell = 0; cell < batch.labels.length; cell++) {
      if (batch.segments[cell] !== 0) tokens += 1;
      if (expected.has(cell) === (batch.labels[cell] !== ignoredLabel)) continue;
      const place = `row ${Math.floor(cell / batch.length) + 1}, token ${(cell % batch.length) + 2}`;
      return failed(expected.has(cell) ? `${place} should be learned and is masked` : `${place} must not be learned`);
    }
    const scores = await model.score(batch, 'base');
    const stray = scores.findIndex((score, cell) => score !== 0 && !expected.has(cell));
    if (stray >= 0) return failed(`the model takes loss at cell ${stray}, which is masked`);
    supervised += expected.size;
  }
  if (supervised === 0) return failed('no token of the first batch is learned');
  return ok(`${supervised} of ${tokens} tokens are learned`);
}

/** Cells (b · T + t) that predict a target, counted from the rows themselves. */
function targetCells(batch: Batch, rows: Row[]): Set<number> {
  const cells = new Set<number>();
  for (const [b, row] of rows.entries()) {
    let first = b * batch.length;
    for (const { ids, targets } of row) {
      for (let i = 1; i < ids.length; i++) if (targets[i] === 1) cells.add(first + i - 1);
      first += ids.length;
    }
  }
  return cells;
}
