/** What the fake trainer can be told. Everything is optional; without options it trains as the recipe says. */
import type { FailedEvent, Verdict } from '../../src/protocol/trainer.ts';

export interface FakeTrainerOptions {
  steps?: number;
  /** Steps a second; 0 = as fast as it can. Default 200. */
  rate?: number;
  /** So many steps first, as fast as it can. */
  quickSteps?: number;
  /** Steps in one go, `rate` times a second. Default 1. */
  burst?: number;
  /** More metrics of each step. */
  moreSeries?: number;
  dieAtStep?: number;
  /** At `dieAtStep`, or after a full run. */
  exitCode?: number;
  /** Dies at `dieAtStep` by this signal. */
  signal?: 'SIGKILL' | 'SIGTERM' | 'SIGSEGV';
  /** Printed on stderr at the start. */
  says?: string;
  ignoresStop?: boolean;
  ignoresSignals?: boolean;
  hangs?: 'before hello' | 'after start';
  /** Stands there, and obeys. */
  waitsBefore?: 'first step';
  /** Stands behind this step until it is told to stop; one that was resumed does not. */
  standsAt?: number;
  garbage?: 'first' | 'some' | 'many' | 'huge';
  protocol?: number;
  /** Fails in an orderly way instead of training. */
  failed?: Omit<FailedEvent, 'type'>;
  nonFiniteAtStep?: number;
  /** How long saving takes. */
  saveMs?: number;
  /** Verdicts by probe set, instead of its own. */
  verdicts?: Record<string, Verdict>;
  byVariant?: Record<string, Omit<FakeTrainerOptions, 'byVariant'>>;
}
