/**
 * The wire between one page and the host. Decodes what the page says, numbers what it is told, sends at most one
 * message a frame, fewer when each carries much, and waits while too many are unacknowledged. Points are never queued here: they are read from the
 * series when there is room. Knows no run and no panel.
 */
import * as vscode from 'vscode';
import { joinChanges, type RunChanges } from '../../domain/runChanges.ts';
import {
  type Buckets,
  type FromPage,
  fromPageSchema,
  type NewPoints,
  type PageState,
  type ToPage,
} from '../../protocol/panel.ts';

type SubscribedSeries = Extract<FromPage, { type: 'subscribe' }>['series'][number];
export type PageCommand = Extract<FromPage, { type: 'command' }>;
type Unnumbered<T> = T extends { seq: number } ? Omit<T, 'seq'> : never;

/** Where a page's series come from. A cursor is the number of points already handed over. */
export interface SeriesSource {
  buckets(wanted: SubscribedSeries): { buckets: Buckets; cursor: number } | undefined;
  since(run: string, name: string, cursor: number): { points: NewPoints; cursor: number } | undefined;
}

export interface PageBackend {
  readonly series: SeriesSource;
  state(): PageState | Promise<PageState>;
  /** Throws when the command cannot be obeyed; the page is told why. */
  command(command: PageCommand): Promise<void>;
}

const frameMs = 16;
/** Eyes follow no more of a curve that grows by hundreds of points a moment. */
const crowdedMs = 125;
const crowd = 64;
/** A crowd comes in bursts: one that a frame missed does not end it. */
const crowdLastsMs = 1000;
const mostInFlight = 4;

export class PageChannel implements vscode.Disposable {
  readonly #webview: vscode.Webview;
  readonly #backend: PageBackend;
  readonly #log: vscode.LogOutputChannel;
  readonly #listener: vscode.Disposable;

  #seq = 0;
  #acknowledged = 0;
  #isReady = false;
  #isStateDue = false;
  #subscription: { request: number; series: SubscribedSeries[]; cursors: number[]; isAnswered: boolean } | undefined;
  #changes = new Map<string, RunChanges>();
  #timer: NodeJS.Timeout | undefined;
  #lastFlush = 0;
  #lastCrowd = 0;
  /** How many messages of each kind were sent, and how far the page has drawn. For tests. */
  readonly sent: Partial<Record<ToPage['type'], number>> = {};
  get drawn(): number {
    return this.#acknowledged;
  }

  constructor(webview: vscode.Webview, backend: PageBackend, log: vscode.LogOutputChannel) {
    this.#webview = webview;
    this.#backend = backend;
    this.#log = log;
    this.#listener = webview.onDidReceiveMessage(message => this.#receive(message));
  }

  /** The page shows something else now: everything is sent again. */
  stateChanged(): void {
    this.#isStateDue = true;
    this.#schedule();
  }

  runChanged(id: string, changes: RunChanges): void {
    this.#changes.set(id, joinChanges(this.#changes.get(id), changes));
    this.#schedule();
  }

  pointsArrived(): void {
    this.#schedule();
  }

  /** What was drawn of the series no longer holds: the subscription is answered anew. */
  seriesReplaced(): void {
    if (this.#subscription) this.#subscription.isAnswered = false;
    this.#schedule();
  }

  dispose(): void {
    clearTimeout(this.#timer);
    this.#isReady = false;
    this.#listener.dispose();
  }

  async #receive(raw: unknown): Promise<void> {
    const decoded = fromPageSchema.safeParse(raw);
    if (!decoded.success) {
      this.#log.warn(`A page sent a message that is not understood: ${decoded.error.message}`);
      return this.#post({
        type: 'refused',
        request: 'unknown',
        message: vscode.l10n.t('This message is not understood.'),
      });
    }
    const message = decoded.data;
    try {
      await this.#obey(message);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#log.error(`A page asked for ${JSON.stringify(message)}`, error instanceof Error ? error : reason);
      this.#post({
        type: 'refused',
        request: message.type === 'command' ? message.command : message.type,
        message: reason,
      });
    }
  }

  #obey(message: FromPage): void | Promise<void> {
    switch (message.type) {
      case 'ready':
        return this.#greet();
      case 'subscribe':
        return this.#subscribe(message);
      case 'ack':
        this.#acknowledged = Math.max(this.#acknowledged, Math.min(message.seq, this.#seq));
        return this.#schedule();
      case 'command':
        return this.#backend.command(message);
      case 'problem':
        return this.#log.error(`A page reports: ${message.message}`);
      default:
        message satisfies never;
    }
  }

  /** A page that was loaded anew has drawn nothing and will never acknowledge what its predecessor was sent. */
  #greet(): void {
    this.#isReady = true;
    this.#acknowledged = this.#seq;
    this.#subscription = undefined;
    this.stateChanged();
  }

  #subscribe({ request, series }: Extract<FromPage, { type: 'subscribe' }>): void {
    this.#subscription = { request, series, cursors: series.map(() => 0), isAnswered: false };
    this.#schedule();
  }

  #schedule(): void {
    if (!this.#isReady || this.#timer || !this.#hasNews()) return;
    const now = Date.now();
    const pace = Math.abs(now - this.#lastCrowd) < crowdLastsMs ? crowdedMs : frameMs;
    const wait = Math.min(pace, Math.max(0, this.#lastFlush + pace - now));
    this.#timer = setTimeout(() => void this.#flush(), wait);
  }

  #hasNews(): boolean {
    return this.#isStateDue || this.#changes.size > 0 || this.#subscription !== undefined;
  }

  async #flush(): Promise<void> {
    try {
      if (this.#seq - this.#acknowledged >= mostInFlight) return;
      const message = await this.#next();
      if (!message || !this.#isReady) return;
      this.#lastFlush = Date.now();
      this.#post(message);
      queueMicrotask(() => this.#schedule());
    } catch (error) {
      this.#log.error('A page could not be told its state', error instanceof Error ? error : String(error));
    } finally {
      this.#timer = undefined;
    }
  }

  /** One message a frame: first what the page is, then how it changed, then what it draws. */
  async #next(): Promise<Unnumbered<ToPage> | undefined> {
    if (this.#isStateDue) {
      this.#isStateDue = false;
      // A state is taken at once, whatever it waits for: what changed before is in it, and would be told twice.
      this.#changes.clear();
      return { type: 'state', state: await this.#stateOrAgain(), strings: pageStrings() };
    }
    const [change] = this.#changes;
    if (change) {
      this.#changes.delete(change[0]);
      return { type: 'run', id: change[0], ...change[1] };
    }
    return this.#nextSeries();
  }

  /** A state that could not be made stays due: the next news asks for it again. */
  async #stateOrAgain(): Promise<PageState> {
    try {
      return await this.#backend.state();
    } catch (error) {
      this.#isStateDue = true;
      throw error;
    }
  }

  #nextSeries(): Unnumbered<ToPage> | undefined {
    const subscription = this.#subscription;
    if (!subscription) return undefined;
    if (!subscription.isAnswered) {
      subscription.isAnswered = true;
      const answers = subscription.series.map(wanted => this.#backend.series.buckets(wanted));
      subscription.cursors = answers.map(answer => answer?.cursor ?? 0);
      const series = answers.flatMap(answer => (answer ? [answer.buckets] : []));
      return { type: 'buckets', request: subscription.request, series };
    }
    const points = subscription.series.flatMap((wanted, index) => {
      const news = this.#backend.series.since(wanted.run, wanted.name, subscription.cursors[index] ?? 0);
      if (!news) return [];
      subscription.cursors[index] = news.cursor;
      return news.points.steps.length > 0 ? [news.points] : [];
    });
    if (points.reduce((sum, { steps }) => sum + steps.length, 0) > crowd) this.#lastCrowd = Date.now();
    return points.length > 0 ? { type: 'points', points } : undefined;
  }

  #post(message: Unnumbered<ToPage>): void {
    this.#seq += 1;
    this.sent[message.type] = (this.sent[message.type] ?? 0) + 1;
    void this.#webview.postMessage({ ...message, seq: this.#seq } as ToPage);
  }
}

/** The translations as the editor loaded them, by English text; empty in English. */
function pageStrings(): Record<string, string> {
  return { ...vscode.l10n.bundle };
}
