/** How long a run still takes, from the times of its latest steps; evaluations between steps count. Knows no clock. */

const remembered = 64;
const fewestSteps = 3;

export interface Tick {
  step: number;
  t: number;
}

export class StepClock {
  #ticks: Tick[];

  constructor(ticks: readonly Tick[] = []) {
    this.#ticks = [...ticks];
  }

  get ticks(): readonly Tick[] {
    return this.#ticks;
  }

  tick(step: number, t: number): void {
    if (step <= (this.#ticks.at(-1)?.step ?? -1)) this.restart();
    this.#ticks.push({ step, t });
    if (this.#ticks.length > remembered) this.#ticks.shift();
  }

  restart(): void {
    this.#ticks = [];
  }

  /** Null until enough steps are done, and after the last: how long what follows it takes is not known. */
  secondsLeft(step: number, steps: number | null): number | null {
    const [first, last] = [this.#ticks[0], this.#ticks.at(-1)];
    if (steps === null || step >= steps) return null;
    if (!first || !last || last.step - first.step < fewestSteps) return null;
    const perStep = (last.t - first.t) / (last.step - first.step) / 1000;
    return (steps - step) * perStep;
  }
}
