/** The first batch as text with its loss mask: what will really be learned, replay rows marked. */
import type { FirstBatchEvent } from '../protocol/trainer.ts';
import type { RowPlan } from './data/rowPlan.ts';
import type { Row } from './data/rows.ts';
import type { Tokenizer } from './tokenizer/tokenizer.ts';

type Piece = FirstBatchEvent['rows'][number]['pieces'][number];

export function firstBatch(plan: RowPlan, tokenizer: Tokenizer): FirstBatchEvent {
  const { task, replay } = plan.at(1);
  const rows = [
    ...task.map(row => ({ kind: 'task' as const, row })),
    ...replay.map(row => ({ kind: 'replay' as const, row })),
  ];
  let supervised = 0;
  let tokens = 0;
  for (const { ids, targets } of rows.flatMap(({ row }) => row)) {
    tokens += ids.length;
    for (let t = 1; t < ids.length; t++) supervised += targets[t]!;
  }
  return {
    type: 'firstBatch',
    rows: rows.map(({ kind, row }) => ({ kind, pieces: piecesOf(row, tokenizer) })),
    supervisedShare: supervised / tokens,
  };
}

/** Neighbouring tokens of one kind are one piece. The first token of a document is never predicted. */
function piecesOf(row: Row, tokenizer: Tokenizer): Piece[] {
  const pieces: Piece[] = [];
  for (const { ids, targets } of row) {
    for (let from = 0; from < ids.length; ) {
      const isSupervised = (t: number): boolean => t > 0 && targets[t] === 1;
      let to = from + 1;
      while (to < ids.length && isSupervised(to) === isSupervised(from)) to++;
      pieces.push({ text: tokenizer.decode([...ids.subarray(from, to)]), supervised: isSupervised(from) });
      from = to;
    }
  }
  return pieces;
}
