/**
 * What host and pages say to each other. A page speaks first (`ready`), gets the whole state in one `state` message,
 * subscribes to the series it draws, then receives changes with sequence numbers and acknowledges them. The host owns
 * the data. Pages name runs by id, never by path, and may ask only for what is listed here.
 */
import * as z from 'zod';
import type { ErrorReport, RunResult, RunStatus } from './result.ts';
import type {
  CheckedEvent,
  EstimateEvent,
  EvaluatedEvent,
  FirstBatchEvent,
  PreparedEvent,
  SampleEvent,
  SeriesEvent,
} from './trainer.ts';

const runId = z.string().regex(/^[a-z0-9-]{1,64}$/);

export const fromPageSchema = z.discriminatedUnion('type', [
  /** First message after each load of the page. */
  z.object({ type: z.literal('ready') }),
  /**
   * Replaces the page's earlier subscriptions. `from`/`to` in steps; `columns` = pixel columns of the plot. The answer
   * repeats `request`, so that a page which zoomed on meanwhile can drop it.
   */
  z.object({
    type: z.literal('subscribe'),
    request: z.number().int(),
    series: z
      .array(
        z.object({
          run: runId,
          name: z.string().max(128),
          from: z.number().optional(),
          to: z.number().optional(),
          columns: z.number().int().min(1).max(8192),
        }),
      )
      .max(1024),
  }),
  /** All messages up to this sequence number were drawn. */
  z.object({ type: z.literal('ack'), seq: z.number().int() }),
  z.object({
    type: z.literal('command'),
    command: z.enum([
      'stop',
      'pause',
      'checkpoint',
      'resume',
      'fork',
      'openRecipe',
      'revealFolder',
      'openLog',
      'compareWith',
      'openRun',
      'start',
      'exportReport',
      'restore',
    ]),
    run: runId.optional(),
    /** With `openRecipe`: the line to show, from 1. */
    line: z.number().int().min(1).optional(),
  }),
  /** An error inside the page, for the log. */
  z.object({ type: z.literal('problem'), message: z.string().max(4096) }),
]);
export type FromPage = z.infer<typeof fromPageSchema>;

/**
 * What a page keeps over a reload (`setState`). A panel's serializer finds in it what the panel showed; `view` (zoom,
 * smoothing, open tabs) is the page's own.
 */
export const pageMemorySchema = z.object({
  page: z.enum(['run', 'metrics', 'compare', 'check']),
  runs: z.array(runId).max(256),
  /** Of a check page: `CheckView.recipe` and `variant`. */
  recipe: z.string().max(4096).optional(),
  variant: z.string().max(64).optional(),
  view: z.record(z.string(), z.unknown()),
});
export type PageMemory = z.infer<typeof pageMemorySchema>;

/** What a page needs of one run besides its series. */
export interface RunView {
  id: string;
  name: string;
  recipe: string;
  variant: string;
  status: RunStatus;
  /** In words, from the host: "running, step 40 of 200", "failed: out of memory". */
  statusText: string;
  /** In words: the verdict of the worst set and one line a set. Empty before the first evaluation. */
  verdict: {
    overall: RunResult['verdict'];
    lines: { set: string; verdict: RunResult['verdict']; text: string }[];
    note: string;
  };
  step: number;
  steps: number | null;
  /** What a live run does besides stepping: loading, scoring the base, saving. `fraction` of that phase. */
  progress: { phase: string; fraction: number } | null;
  secondsLeft: number | null;
  startedAt: number | null;
  colour: number;
  /** `earlier`: what an older attempt did beyond the step at which a later one took up. */
  catalogue: (Omit<SeriesEvent, 'type'> & { earlier?: boolean })[];
  /** The newest. */
  evaluation: Omit<EvaluatedEvent, 'type'> | null;
  samples: Omit<SampleEvent, 'type'>[];
  marks: { step: number; kind: 'checkpoint' | 'stopRule' | 'resumed'; text: string }[];
  /** Where the present attempt took up, and whether what it did again came out the same, in words. */
  resumed: { fromStep: number; text: string } | null;
  /** The run it was forked from. */
  parent: { run: string; step: number } | null;
  /** What trains it, on which program, and why. `null` before it was started. */
  trainer: string | null;
  prepared: Omit<PreparedEvent, 'type'> | null;
  stepZero: Omit<CheckedEvent, 'type'> | null;
  /** Flattened resolved recipe: `train.learning_rate` → value. */
  settings: Record<string, string>;
  logTail: string[];
  result: RunResult | null;
  error: ErrorReport | null;
}

/** Lists of a run that grow at their end. */
export type GrownLists = Partial<Pick<RunView, 'samples' | 'marks'>>;

/** Min/max per pixel column over the full series: extremes are never lost. Equal lengths, ascending steps. */
export interface Buckets {
  run: string;
  name: string;
  /** A bucket's first step. When `min[i] === max[i]` it holds one value. */
  steps: number[];
  min: (number | null)[];
  max: (number | null)[];
  last: (number | null)[];
  /** Of estimates: what the 95 % intervals of a bucket cover together. */
  low?: (number | null)[];
  high?: (number | null)[];
}

export interface NewPoints {
  run: string;
  name: string;
  steps: number[];
  values: (number | null)[];
  /** Of estimates: their 95 % intervals. */
  low?: (number | null)[];
  high?: (number | null)[];
}

export interface CheckView {
  recipe: string;
  variant: string;
  problems: { severity: 'error' | 'warning'; message: string; line?: number; remedy?: string }[];
  settings: Record<string, string>;
  firstBatch: Omit<FirstBatchEvent, 'type'> | null;
  estimate: Omit<EstimateEvent, 'type'> | null;
  prepared: Omit<PreparedEvent, 'type'> | null;
}

export interface ComparisonView {
  runs: RunView[];
  /** Why some of the runs cannot be compared, in whole sentences. */
  refusals: string[];
  /** Points of the plane: learning (right is better) against forgetting (up is worse), with error crosses. */
  plane: {
    run: string;
    set: string;
    learning: { value: number; low: number; high: number };
    forgetting: { value: number; low: number; high: number };
    unit: string;
    onFront: boolean;
  }[];
  budgets: Record<string, { value: number; unit: string }>;
  /** Settings that differ: key → run id → value. */
  differing: Record<string, Record<string, string>>;
}

export type PageState =
  | { page: 'run'; run: RunView | null }
  | { page: 'metrics'; run: RunView | null }
  | { page: 'compare'; comparison: ComparisonView }
  | { page: 'check'; check: CheckView; busy: boolean };

export type ToPage =
  | { type: 'state'; seq: number; state: PageState; strings: Record<string, string> }
  /** Answer to `subscribe`, one for all its series. Replaces what was drawn of them. */
  | { type: 'buckets'; seq: number; request: number; series: Buckets[] }
  /** Points that came since; at most one message a frame. */
  | { type: 'points'; seq: number; points: NewPoints[] }
  /** Parts of a run that changed, and what came to the ends of its lists. */
  | { type: 'run'; seq: number; id: string; changes: Partial<RunView>; grown?: GrownLists }
  /** A message of the page could not be obeyed; `message` is for the user. */
  | { type: 'refused'; seq: number; request: string; message: string };
