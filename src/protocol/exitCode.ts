/** Exit codes of the command line, from the codes of errors. Knows nothing of where an error came from. */

export const exitCodes = { done: 0, failed: 1, wrongUse: 2, environment: 3, stopped: 130 } as const;

/** The machine's fault: disk, permission, a missing program. */
const environment = new Set([
  'disk-full',
  'no-permission',
  'write-failed',
  'engine-incomplete',
  'node-unusable',
  'spawn-failed',
  'python-missing',
  'python-unusable',
  'python-too-old',
  'torch-missing',
  'torch-too-old',
  'torch-broken',
  'install-failed',
  'command-missing',
  'runner-gone',
  'runner-out-of-reach',
  'no-runtime',
  'file-error',
  'offline',
  'hub-unreachable',
  'hub-answer',
  'hub-no-permission',
  'download-damaged',
  'download-refused',
]);

/** The run's own fate: it began rightly and went wrong. */
const run = new Set([
  'out-of-memory',
  'killed',
  'run-lost',
  'run-folder-gone',
  'not-finite',
  'command-failed',
  'command-left',
  'forgot',
  'internal',
  'unexpected',
  'runtime',
  'protocol',
  'unknown',
  'graph',
  'state',
  'model',
  'batch',
]);

/** 0 done, 1 the run failed, 2 wrong use, recipe or data, 3 the environment, 130 stopped. */
export function exitCodeOf(errorCode: string): number {
  if (errorCode === 'stopped') return exitCodes.stopped;
  if (environment.has(errorCode)) return exitCodes.environment;
  if (run.has(errorCode) || errorCode.startsWith('trainer-') || errorCode.startsWith('check-')) return exitCodes.failed;
  return exitCodes.wrongUse;
}
