/** What is asked of a run from outside: stop, checkpoint, pause, resume. The loop looks at it between steps. */
export class RunControl {
  #stopping = false;
  #tellStopped = (): void => {};
  /** Resolves when stopping was asked for. */
  readonly stopped: Promise<void> = new Promise(resolve => {
    this.#tellStopped = resolve;
  });
  #checkpointAsked = false;
  #recorded: string | null = null;
  #tellRecorded = (): void => {};
  #wake: (() => void) | null = null;
  #paused: Promise<void> | null = null;

  /** The step under way is finished and saved. Ends a pause. */
  stop(): void {
    this.#stopping = true;
    this.#tellStopped();
    this.resume();
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

  get isStopping(): boolean {
    return this.#stopping;
  }

  /** The reader keeps everything up to this checkpoint. */
  recorded(checkpoint: string): void {
    this.#recorded = checkpoint;
    this.#tellRecorded();
  }

  isRecorded(checkpoint: string): boolean {
    return this.#recorded === checkpoint;
  }

  /** Or until `patienceMs` have passed: the reader may be gone. */
  async untilRecorded(checkpoint: string, patienceMs: number): Promise<void> {
    if (this.isRecorded(checkpoint)) return;
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, patienceMs);
      this.#tellRecorded = () => {
        if (!this.isRecorded(checkpoint)) return;
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Resolves at once when not paused. */
  async untilResumed(): Promise<void> {
    await this.#paused;
  }

  get isCheckpointAsked(): boolean {
    return this.#checkpointAsked;
  }

  /** True once for each time it was asked. */
  takeCheckpointRequest(): boolean {
    const asked = this.#checkpointAsked;
    this.#checkpointAsked = false;
    return asked;
  }
}
