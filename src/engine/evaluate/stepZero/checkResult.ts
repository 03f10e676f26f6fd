/** What a step-0 check is given and what it answers. */
import type { Batch } from '../../batch.ts';
import type { Row } from '../../data/rows.ts';

export interface MadeBatch {
  batch: Batch;
  /** What the batch was made of. */
  rows: Row[];
}

export interface FirstStep {
  /** The micro-batches of the first step. */
  batches: MadeBatch[];
  /** Rows that the base should know (of a probe set): a task may rightly be foreign to it. */
  familiar?: MadeBatch;
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
