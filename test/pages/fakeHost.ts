/**
 * Runs inside a test page in place of VS Code: offers `acquireVsCodeApi`, speaks panel.ts, keeps the page's state over a
 * reload. Tests steer it through `window.fakeHost`.
 */
import type { FromPage, PageState, ToPage } from '../../src/protocol/panel.ts';
import {
  type FakeRun,
  fakeBuckets,
  fakeCheck,
  fakeComparison,
  fakePoints,
  fakeRun,
  hoursOfRun,
  resumedRun,
} from './fakeRuns.ts';
import { fillEverywhere } from './fillState.ts';

type WithoutSeq<T> = T extends unknown ? Omit<T, 'seq'> : never;
type Subscribed = Extract<FromPage, { type: 'subscribe' }>['series'];

const memory = 'fake-vscode-state';

export class FakeHost {
  readonly sent: FromPage[] = [];
  runs: FakeRun[] = [];
  seq = 0;
  subscribed: Subscribed = [];
  state: PageState;
  strings: Record<string, string> = {};
  /** Longest and latest cost of drawing a frame's lanes, in ms, as the page measures it. */
  readonly frames: number[] = [];

  constructor(scenario: string) {
    this.state = this.#scenario(scenario);
    new PerformanceObserver(list => {
      for (const entry of list.getEntries()) this.frames.push(entry.duration);
    }).observe({ entryTypes: ['measure'] });
  }

  post(message: WithoutSeq<ToPage>): void {
    this.seq += 1;
    window.postMessage({ ...message, seq: this.seq }, '*');
  }

  /** The first run takes steps, as a live run would. */
  advance(steps: number): void {
    const fake = this.runs[0]!;
    const from = fake.view.step + 1;
    const to = fake.view.step + steps;
    fake.view.step = to;
    const names = this.subscribed.filter(series => series.run === fake.view.id).map(series => series.name);
    this.post({ type: 'points', points: fakePoints(fake, names, from, to) });
    this.post({
      type: 'run',
      id: fake.view.id,
      changes: { step: to, statusText: `running, step ${to} of ${fake.view.steps}`, secondsLeft: 12 },
    });
  }

  finish(): void {
    const fake = fakeRun({ arm: 'replay', steps: 200 });
    this.runs = [fake];
    const { evaluation, verdict, result, status, statusText, marks, step } = fake.view;
    const changes = { evaluation, verdict, result, status, statusText, marks, step, secondsLeft: null };
    this.post({ type: 'run', id: fake.view.id, changes });
  }

  fillEverywhere(strings: readonly string[], states: number): ReturnType<typeof fillEverywhere> {
    return fillEverywhere(this, strings, states);
  }

  receive(message: FromPage): void {
    this.sent.push(message);
    if (message.type === 'ready') this.post({ type: 'state', state: this.state, strings: this.strings });
    if (message.type === 'subscribe') {
      this.subscribed = message.series;
      const series = message.series.flatMap(wanted => {
        const fake = this.runs.find(run => run.view.id === wanted.run);
        return fake ? [fakeBuckets(fake, wanted)] : [];
      });
      this.post({ type: 'buckets', request: message.request, series });
    }
  }

  #scenario(name: string): PageState {
    const [page, kind = 'finished'] = name.split('-') as [PageState['page'], string?];
    if (page === 'check') return { page, check: fakeCheck(), busy: kind === 'busy' };
    if (page === 'compare') {
      this.runs = (['plain', 'replay', 'regularized', 'narrow'] as const).map(arm => fakeRun({ arm }));
      const refusals = kind === 'refused' ? ['new-town measured other probe sets: its runs are not compared.'] : [];
      return { page, comparison: fakeComparison(this.runs, refusals) };
    }
    if (kind === 'none') return { page, run: null };
    this.runs = [this.#run(kind)];
    return { page, run: this.runs[0]!.view };
  }

  #run(kind: string): FakeRun {
    if (kind === 'live') return fakeRun({ arm: 'replay', at: 84 });
    if (kind === 'long') return fakeRun({ arm: 'replay', steps: 100_000 });
    if (kind === 'hours') return hoursOfRun();
    if (kind === 'regularized') return fakeRun({ arm: 'regularized', at: 160 });
    if (kind === 'plain') return fakeRun({ arm: 'plain' });
    if (kind === 'resumed') return resumedRun();
    if (kind === 'starting') {
      const fake = fakeRun({ at: 0 });
      Object.assign(fake.view, {
        evaluation: null,
        samples: [],
        catalogue: [],
        stepZero: null,
        verdict: { overall: null, lines: [], note: '' },
        statusText: 'running, base scores 40 %',
        progress: { phase: 'base scores', fraction: 0.4 },
      });
      return fake;
    }
    if (kind === 'failed') {
      const fake = fakeRun({ at: 60 });
      fake.view.status = 'failed';
      fake.view.statusText = 'failed at step 60';
      fake.view.error = {
        code: 'loss-not-finite',
        message: 'The loss became NaN at step 60.',
        file: 'support-tone.tune.yaml',
        line: 19,
        remedy: 'Lower train.learning_rate, or set train.max_grad_norm.',
      };
      return fake;
    }
    return fakeRun({ arm: 'replay' });
  }
}

declare global {
  interface Window {
    fakeHost: FakeHost;
    acquireVsCodeApi: unknown;
  }
}

const host = new FakeHost(document.body.dataset.scenario ?? 'run');
window.fakeHost = host;
window.acquireVsCodeApi = () => ({
  postMessage: (message: FromPage) => host.receive(message),
  getState: () => JSON.parse(sessionStorage.getItem(memory) ?? 'null') ?? undefined,
  setState: (state: unknown) => sessionStorage.setItem(memory, JSON.stringify(state)),
});
