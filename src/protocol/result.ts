/** The result of a run as the command line prints it and the report and panels read it. Documented in docs/cli.md. */
import type { Budget } from '../recipe/schema.ts';
import type { Accuracy, Estimate, StepZeroCheck, Verdict } from './trainer.ts';

export type RunStatus = 'queued' | 'running' | 'paused' | 'finished' | 'stopped' | 'failed' | 'lost' | 'stale';

export interface ErrorReport {
  code: string;
  message: string;
  file?: string;
  line?: number;
  remedy?: string;
}

export interface SetResult extends Estimate {
  replayed: boolean;
  accuracy?: Accuracy;
  budget?: Budget;
  verdict?: Verdict;
  itemsNeeded?: number;
}

export interface RunResult {
  id: string;
  folder: string;
  name: string;
  recipe: string;
  variant: string;
  status: RunStatus;
  steps: number;
  seconds: number;
  tokens: number;
  trainedShare: number | null;
  tokensPerSecond: number | null;
  peakMemoryBytes: number | null;
  loss: { first: number | null; last: number | null };
  learning: Record<string, Estimate>;
  forgetting: Record<string, SetResult>;
  kl: Record<string, number | string | null>;
  /** The run's verdict is that of its worst set; null without a budget. */
  verdict: Verdict | null;
  stepZero: { ok: boolean; checks: Partial<Record<StepZeroCheck, 'ok' | 'failed' | 'skipped'>> } | null;
  runtime: { name: string; provider: string; reason: string } | null;
  /** Fingerprint: results that differ in it are not compared. */
  comparison: string | null;
  /** Of a run that was resumed or forked: where its newest attempt took up, and what came of the steps it did again. */
  resumed?: {
    attempt: number;
    fromStep: number;
    checkpoint: string;
    redoneSteps: number;
    /** Of their losses: 0 is identical to the last bit, null a loss that was not finite. */
    largestDifference: number | null;
  };
  /** The run it was forked from. */
  parent?: { run: string; step: number };
  warnings: string[];
  /** The rule of `stop_if` that ended it. */
  stopRule?: string;
  /** How the trainer's process ended, once it has: `code` is null when a signal ended it. */
  exit?: { code: number | null; signal: string | null; stderr: string[] };
  error?: ErrorReport;
}
