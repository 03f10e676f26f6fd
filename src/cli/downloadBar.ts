/** How much of a download has arrived. Knows nothing of what is downloaded. */
import type { Output } from './output.ts';
import { bytes } from './table.ts';

const redrawMs = 100;

/** One line that redraws in a terminal, a line at every tenth elsewhere. */
export class DownloadBar {
  readonly #output: Output;
  readonly #total: number;
  #startedAt = 0;
  #done = 0;
  #drawnAt = 0;
  #tenth = 0;

  constructor(output: Output, total: number) {
    this.#output = output;
    this.#total = total;
  }

  add(count: number): void {
    this.#startedAt ||= Date.now();
    this.#done += count;
    if (this.#output.isTerminal) {
      if (Date.now() - this.#drawnAt >= redrawMs) this.#draw();
      return;
    }
    const tenth = Math.floor((10 * this.#done) / this.#total);
    if (tenth > this.#tenth) this.#output.note(this.#line());
    this.#tenth = tenth;
  }

  end(): void {
    if (!this.#output.isTerminal || this.#done === 0) return;
    this.#draw();
    this.#output.draw('\n');
  }

  #draw(): void {
    this.#drawnAt = Date.now();
    this.#output.draw(`\r\x1b[2K${this.#line()}`);
  }

  #line(): string {
    const perSecond = (1000 * this.#done) / Math.max(1, Date.now() - this.#startedAt);
    return `${bytes(this.#done)} of ${bytes(this.#total)}  ${bytes(perSecond)}/s`;
  }
}
