/** Does what a run says of its end name what was done to it? Each reason has causes, one of which must have happened. */

export const causes = {
  trainerKilled: 'its trainer was killed',
  runnerKilled: 'its runner was killed',
  terminalKilled: 'its terminal was killed',
  stopped: 'somebody stopped it',
  bitFlipped: 'a bit of a checkpoint was flipped',
  diskFull: 'the disk was full',
} as const;
export type Cause = (typeof causes)[keyof typeof causes];

const explanations: readonly [RegExp, readonly Cause[]][] = [
  [/^The trainer was killed from outside \(SIGKILL\)/, [causes.trainerKilled]],
  [/^its runner was killed from outside/, [causes.runnerKilled]],
  [/^its terminal was closed/, [causes.terminalKilled]],
  [/^(stopped|cancelled)/, [causes.stopped, causes.terminalKilled]],
  [/^The checkpoint .* cannot be used/, [causes.bitFlipped]],
  [/disk is full|no space left/i, [causes.diskFull]],
];

export function isExplained(reason: string, happened: ReadonlySet<Cause>): boolean {
  return explanations.some(([says, needs]) => says.test(reason) && needs.some(cause => happened.has(cause)));
}
