/** Failures in the store or in starting a program. */
import { PlacedError } from '../domain/placedError.ts';
import type { ErrorReport } from '../protocol/result.ts';

export class RunsError extends PlacedError {
  override readonly name = 'RunsError';
}

/** The code of a system error (`ENOENT`), or an empty string. */
export function systemCode(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

/** A system error in words, with the file and what to do about it. */
export function fromSystem(error: unknown, file: string, doing: string): RunsError {
  if (error instanceof RunsError) return error;
  const detail = error instanceof Error ? error.message : String(error);
  switch (systemCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new RunsError('disk-full', `The disk is full while ${doing} ${file}`, {
        file,
        remedy: 'Free some space, or move the runs with the setting holdfast.runsFolder.',
        cause: error,
      });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return new RunsError('no-permission', `No permission for ${doing} ${file}`, {
        file,
        remedy: 'Check who owns the folder and whether it may be written.',
        cause: error,
      });
    case 'ENOENT':
      return new RunsError('file-missing', `There is no ${file}`, { file, remedy: 'Check the path.', cause: error });
    default:
      return new RunsError('file-error', `Failed ${doing} ${file}: ${detail}`, { file, cause: error });
  }
}

/** What the wire and `--json` say of any error. */
export function errorReport(error: unknown): ErrorReport {
  if (!(error instanceof Error)) return { code: 'unknown', message: String(error) };
  const known = error as Partial<RunsError>;
  return {
    code: typeof known.code === 'string' ? known.code : 'internal',
    message: error.message,
    ...(known.file && { file: known.file }),
    ...(known.line && { line: known.line }),
    ...(known.remedy && { remedy: known.remedy }),
  };
}
