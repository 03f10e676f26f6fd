/** What is asked of a run from outside: stop, checkpoint, pause, resume. The loop looks at it between steps. */
export class RunControl {
  #stopping = false;
  #abandoned = false;
  #tellStopped = (): void => {};
  /** Resolves when stopping was asked for. */
  readonly stopped: Promise<void> = new Promise(resolve => {
    this.#tellStopped = resolve;
  });
  #checkpointAsked = false;
  #wake: (() => void) | null = null;
  #paused: Promise<void> | null = null;

  /** The step under way is finished and saved. Ends a pause. */
  stop(): void {
    this.#stopping = true;
    this.#tellStopped();
    this.resume();
  }

  /** Whoever listened is gone: save and leave. */
  abandon(): void {
    this.#abandoned = true;
    this.stop();
  }

  checkpoint(): void {
    this.#checkpointAsked = true;
  }

  pause(): void {
    if (this.#stopping) return;
    this.#paused ??= new Promise(resolve => {
      this.#wake = resolve;
    });
  }

  resume(): void {
    this.#wake?.();
    this.#wake = null;
    this.#paused = null;
  }

  get isAbandoned(): boolean {
    return this.#abandoned;
  }

  get isStopping(): boolean {
    return this.#stopping;
  }

  /** Resolves at once when not paused. */
  async untilResumed(): Promise<void> {
    await this.#paused;
  }

  /** True once for each time it was asked. */
  takeCheckpointRequest(): boolean {
    const asked = this.#checkpointAsked;
    this.#checkpointAsked = false;
    return asked;
  }
}
