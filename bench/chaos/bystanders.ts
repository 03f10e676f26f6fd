/** Processes that have nothing to do with any run: whoever signals one of them has hit a stranger. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { holdfastHome } from '../../src/runs/home.ts';

const strangers = 5;
/** A runner looks once more before it leaves. */
const patienceMs = 20_000;

export class Bystanders {
  readonly #processes: ChildProcess[];
  #hit = 0;

  constructor() {
    this.#processes = Array.from({ length: strangers }, () => {
      const child = spawn('sleep', ['1000000'], { stdio: 'ignore' });
      child.once('exit', () => (this.#hit += 1));
      return child;
    });
  }

  /** Lets them go; how many somebody else has ended. */
  end(): number {
    const hit = this.#hit;
    for (const child of this.#processes) child.removeAllListeners('exit').kill();
    return hit;
  }

  /** Programs of this store's home that do not leave: trainers and runners that nobody waits for. */
  async survivors(): Promise<number> {
    const end = Date.now() + patienceMs;
    while (this.#ours() > 0 && Date.now() < end) await sleep(200);
    return this.#ours();
  }

  #ours(): number {
    const needle = `HOLDFAST_HOME=${holdfastHome()}`;
    return readdirSync('/proc').filter(name => {
      if (!/^\d+$/.test(name) || Number(name) === process.pid) return false;
      try {
        return (
          readFileSync(`/proc/${name}/environ`, 'utf8').split('\0').includes(needle) &&
          /(runner|trainer)\.cjs/.test(readFileSync(`/proc/${name}/cmdline`, 'utf8'))
        );
      } catch {
        return false;
      }
    }).length;
  }
}
