/**
 * A run's progress for people: one bar that redraws in a terminal, a line at every tenth elsewhere. Knows records, and
 * nothing of where they come from.
 */
import { StepClock } from '../domain/stepClock.ts';
import { formatSigned, timeLeftText } from '../domain/words.ts';
import type { JournalRecord } from '../protocol/journal.ts';
import type { EvaluatedEvent } from '../protocol/trainer.ts';
import { type Output, visible } from './output.ts';
import { bytes } from './table.ts';

const redrawMs = 100;
const barWidth = 20;
const lastColumn = 1;

export class Progress {
  readonly #output: Output;
  readonly #label: string;
  #step = 0;
  #steps: number | null = null;
  #loss: number | null = null;
  #tokensPerSecond: number | null = null;
  #memory: number | null = null;
  #forgetting = '';
  #phase = 'starting';
  readonly #clock = new StepClock();
  #drawnAt = 0;
  #tenth = 0;
  #isDrawn = false;

  constructor(output: Output, label: string) {
    this.#output = output;
    this.#label = label;
  }

  apply(record: JournalRecord): void {
    switch (record.type) {
      case 'prepared':
        this.#steps = record.steps;
        for (const warning of record.warnings) this.say(`warning: ${warning}`);
        break;
      case 'progress':
        this.#inPhase(record.phase, record.fraction);
        break;
      case 'step':
        this.#step = record.step;
        this.#clock.tick(record.step, record.t);
        this.#loss = record.metrics.loss ?? null;
        this.#tokensPerSecond = record.metrics.tokensPerSecond ?? null;
        this.#phase = '';
        break;
      case 'resources':
        this.#memory = record.metrics.memoryBytes ?? this.#memory;
        break;
      case 'evaluated':
        if (record.step > 0) this.#forgetting = forgettingText(record);
        this.#phase = '';
        break;
      case 'handled':
        if (record.command === 'stop') this.#phase = 'stopping';
        break;
    }
    this.#show();
  }

  wait(why: string): void {
    if (this.#phase === why) return;
    this.#phase = why;
    if (this.#output.isTerminal) this.#draw();
    else this.#output.note(`${this.#label}  ${why}`);
  }

  /** A line of its own above the bar. */
  say(text: string): void {
    this.#clear();
    this.#output.note(text);
  }

  /** The bar stays as it is; the next one starts below. */
  end(word: string): void {
    this.#phase = word;
    if (this.#output.isTerminal) {
      this.#draw();
      this.#output.draw('\n');
    } else this.#output.note(this.#line());
    this.#isDrawn = false;
  }

  /** Before the first step there is no tenth to show: elsewhere than in a terminal each phase is named once. */
  #inPhase(phase: string, fraction: number): void {
    const isNew = !this.#phase.startsWith(phase);
    this.#phase = fraction > 0 && fraction < 1 ? `${phase} ${Math.floor(100 * fraction)} %` : phase;
    if (isNew && !this.#output.isTerminal) this.#output.note(`${this.#label}  ${phase}`);
  }

  #show(): void {
    if (this.#output.isTerminal) {
      if (Date.now() - this.#drawnAt >= redrawMs) this.#draw();
      return;
    }
    const tenth = this.#steps ? Math.floor((10 * this.#step) / this.#steps) : 0;
    if (tenth > this.#tenth) this.#output.note(this.#line());
    this.#tenth = tenth;
  }

  #draw(): void {
    this.#drawnAt = Date.now();
    const width = Math.max(40, (process.stderr.columns ?? 120) - lastColumn);
    this.#output.draw(`\r\x1b[2K${visible(this.#line()).slice(0, width)}`);
    this.#isDrawn = true;
  }

  #clear(): void {
    if (this.#isDrawn) this.#output.draw('\r\x1b[2K');
    this.#isDrawn = false;
  }

  #line(): string {
    const share = this.#steps ? this.#step / this.#steps : 0;
    const full = Math.round(share * barWidth);
    const bar = `${'━'.repeat(full)}${'─'.repeat(barWidth - full)}`;
    const parts = [
      this.#label,
      bar,
      `${this.#step}/${this.#steps ?? '?'}`,
      this.#loss === null ? '' : `loss ${this.#loss.toFixed(3)}`,
      this.#tokensPerSecond === null ? '' : speed(this.#tokensPerSecond),
      this.#memory === null ? '' : bytes(this.#memory),
      this.#left(),
      this.#forgetting,
      this.#phase,
    ];
    return parts.filter(Boolean).join('  ');
  }

  #left(): string {
    const seconds = this.#clock.secondsLeft(this.#step, this.#steps);
    return seconds === null ? '' : timeLeftText(seconds);
  }
}

function speed(tokensPerSecond: number): string {
  const inThousands = tokensPerSecond >= 1000;
  return inThousands ? `${(tokensPerSecond / 1000).toFixed(1)}k tok/s` : `${Math.round(tokensPerSecond)} tok/s`;
}

/** In the unit of the budget: points of accuracy, or nats per token. */
function forgettingText({ forgetting }: EvaluatedEvent): string {
  const sets = Object.entries(forgetting).map(([name, { value, verdict, accuracy, budget }]) => {
    const mark = verdict === 'forgot' ? ' ✗' : verdict === 'kept' ? ' ✓' : '';
    const inPoints = accuracy && budget && 'points' in budget;
    return `${name} ${inPoints ? `${formatSigned(accuracy.drop, 1)} pt` : formatSigned(value, 0.05)}${mark}`;
  });
  return sets.length > 0 ? `forgetting: ${sets.join(', ')}` : '';
}
