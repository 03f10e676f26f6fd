/** What a step-0 check is given and what it answers. */
import type { Batch } from '../../batch.ts';
import type { Row } from '../../data/rows.ts';

/** The micro-batches of the first step, with the rows each was made of. */
export interface FirstStep {
  batches: { batch: Batch; rows: Row[] }[];
}

/** The tensors of the base model's files. */
export interface FileTensors {
  names: string[];
  read(name: string): Promise<Float32Array>;
}

export type CheckResult = { status: 'ok' | 'failed' | 'skipped'; detail?: string };

export const ok = (detail?: string): CheckResult => ({ status: 'ok', detail });
export const failed = (detail: string): CheckResult => ({ status: 'failed', detail });
export const skipped = (detail: string): CheckResult => ({ status: 'skipped', detail });
