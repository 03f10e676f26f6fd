/**
 * The page's side of the conversation with the host: says `ready` first, takes messages in order, hands them over once
 * a frame, acknowledges what was drawn, and keeps the page's memory. Knows nothing of what is drawn.
 */
import type { FromPage, PageMemory, ToPage } from '../../src/protocol/panel.ts';
import { Sequence } from './sequence.ts';
import { useStrings } from './strings.ts';

interface EditorApi {
  postMessage(message: unknown): void;
  getState(): unknown;
  setState(state: unknown): void;
}
declare function acquireVsCodeApi(): EditorApi;

type Command = Extract<FromPage, { type: 'command' }>;
type View = PageMemory['view'];

/** Problems beyond this many are one fault repeating; the log has enough of it. */
const maxProblems = 20;

export class Channel {
  readonly #api = acquireVsCodeApi();
  readonly #sequence = new Sequence();
  readonly #receive: (message: ToPage) => void;
  #waiting: ToPage[] = [];
  #scheduled = false;
  #problems = 0;
  #memory: PageMemory;

  constructor(page: PageMemory['page'], receive: (message: ToPage) => void) {
    this.#receive = receive;
    this.#memory = { page, runs: [], view: {}, ...remembered(this.#api.getState(), page) };
    window.addEventListener('message', event => this.#arrived(event.data));
    window.addEventListener('error', event => this.problem(event.error ?? event.message));
    window.addEventListener('unhandledrejection', event => this.problem(event.reason));
  }

  /** Call once the page can draw. */
  start(): void {
    this.send({ type: 'ready' });
  }

  send(message: FromPage): void {
    this.#api.postMessage(message);
  }

  command(command: Command['command'], more: { run?: string; line?: number } = {}): void {
    this.send({ type: 'command', command, ...more });
  }

  /** What this page shows, so that the host finds it again after a reload. */
  remember(subject: Pick<PageMemory, 'runs' | 'recipe' | 'variant'>): void {
    this.#save({ ...this.#memory, ...subject });
  }

  /** The runs it showed last, before a reload too. */
  get runs(): string[] {
    return this.#memory.runs;
  }

  get view(): View {
    return this.#memory.view;
  }

  keepView(changes: View): void {
    this.#save({ ...this.#memory, view: { ...this.#memory.view, ...changes } });
  }

  problem(error: unknown): void {
    this.#problems += 1;
    if (this.#problems > maxProblems) return;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.send({ type: 'problem', message: text.slice(0, 4096) });
  }

  #save(memory: PageMemory): void {
    this.#memory = memory;
    this.#api.setState(memory);
  }

  #arrived(data: unknown): void {
    if (!isMessage(data)) return;
    const taken = this.#sequence.take(data);
    if (taken === 'gap') this.send({ type: 'ready' });
    if (taken !== 'take') return;
    this.#waiting.push(data);
    if (this.#scheduled) return;
    this.#scheduled = true;
    nextFrame(() => this.#draw());
  }

  #draw(): void {
    this.#scheduled = false;
    const messages = this.#waiting;
    this.#waiting = [];
    for (const message of messages) {
      try {
        if (message.type === 'state') useStrings(message.strings);
        this.#receive(message);
      } catch (error) {
        this.problem(error);
      }
    }
    this.send({ type: 'ack', seq: this.#sequence.last });
  }
}

/** A hidden page gets no animation frames; it must still acknowledge, or the host would wait for it. */
function nextFrame(draw: () => void): void {
  if (document.hidden) setTimeout(draw, 100);
  else requestAnimationFrame(draw);
}

function isMessage(data: unknown): data is ToPage {
  return typeof data === 'object' && data !== null && 'type' in data && 'seq' in data && typeof data.seq === 'number';
}

function remembered(state: unknown, page: PageMemory['page']): Partial<PageMemory> {
  if (typeof state !== 'object' || state === null || !('page' in state) || state.page !== page) return {};
  return state as PageMemory;
}
