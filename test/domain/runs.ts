/** Journals of made-up runs for tests: records in order, stamped like the runner stamps them. */
import { RunState } from '../../src/domain/runState.ts';
import type { JournalEvent, JournalRecord } from '../../src/protocol/journal.ts';
import type { RunView } from '../../src/protocol/panel.ts';
import type { RunStatus } from '../../src/protocol/result.ts';
import type { EvaluatedEvent, PreparedEvent, SetScore } from '../../src/protocol/trainer.ts';

export class FakeJournal {
  readonly state: RunState;
  seq = 0;
  t = 1_000_000;
  attempt = 1;

  constructor(identity: Partial<RunState['identity']> = {}) {
    this.state = new RunState({
      id: 'run-a',
      folder: '/runs/run-a',
      name: 'tone',
      recipe: 'tone.tune.yaml',
      variant: 'plain',
      settings: { model: 'm', 'train.seed': '1', variant: identity.variant ?? 'plain' },
      ...identity,
    });
  }

  record(event: JournalEvent, more: Partial<JournalRecord> = {}): JournalRecord {
    const record = { v: 1, attempt: this.attempt, seq: this.seq, t: this.t, ...event, ...more } as JournalRecord;
    this.seq += 1;
    this.t += 100;
    return record;
  }

  say(...events: JournalEvent[]): this {
    for (const event of events) this.state.apply(this.record(event));
    return this;
  }

  steps(from: number, to: number, loss: (step: number) => number | null = step => 3 / step): this {
    for (let step = from; step <= to; step++) {
      const metrics = { loss: loss(step), tokens: 100, tokensPerSecond: 1000 };
      this.say({ type: 'step', step, metrics });
    }
    return this;
  }

  view(status: RunStatus = 'running'): RunView {
    return this.state.view({ status });
  }
}

export const prepared = (more: Partial<PreparedEvent> = {}): PreparedEvent => ({
  type: 'prepared',
  fingerprints: {
    comparison: 'c1',
    cacheKey: 'k',
    data: {},
    probes: { general: 'g1', sums: 's1' },
    tokenizer: 't1',
    model: 'm1',
  },
  runtime: { name: 'onnxruntime', provider: 'cpu', reason: 'no GPU found' },
  parameters: 1000,
  trainedParameters: 1000,
  trainedShare: 1,
  trained: 'everything',
  steps: 100,
  data: { trainRows: 10, replayRows: 0, droppedRows: 0, evalRows: {} },
  probes: {
    general: { kind: 'text', items: 300, replayed: false },
    sums: { kind: 'choice', items: 200, replayed: false },
  },
  environment: {},
  warnings: [],
  ...more,
});

export const setScore = (value: number, more: Partial<SetScore> = {}): SetScore => ({
  kind: 'text',
  replayed: false,
  value,
  low: value - 0.02,
  high: value + 0.02,
  unit: 'nats/token',
  items: 300,
  base: 2,
  tuned: 2 + value,
  ...more,
});

export const accuracy = (drop: number, lost = 9, gained = 1) => ({
  base: 0.95,
  tuned: 0.95 - drop / 100,
  drop,
  low: drop - 2,
  high: drop + 2,
  lost,
  gained,
});

export function evaluated(
  step: number,
  learned: number,
  forgetting: Record<string, SetScore>,
  final = false,
): EvaluatedEvent {
  const learning = {
    eval: {
      value: learned,
      low: learned - 0.1,
      high: learned + 0.1,
      unit: 'nats/token',
      items: 200,
      base: 3,
      tuned: 3 - learned,
    },
  };
  return { type: 'evaluated', step, final, learning, forgetting, kl: { train: 0.2, general: 0.1 } };
}

export const finished = (step: number) => ({
  type: 'finished' as const,
  reason: 'completed' as const,
  step,
  seconds: 40,
  tokens: 10_000,
  peakMemoryBytes: 300 * 2 ** 20,
});
