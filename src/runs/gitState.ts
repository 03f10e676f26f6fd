/**
 * Commit and uncommitted changes of the project at launch. Quick, without a shell, and never the reason that a launch
 * fails: what cannot be had is left out. Files that look like secrets and big changes are named, not kept; tokens in others
 * are taken out.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { childEnvironment } from './childEnvironment.ts';
import { redact } from './redact.ts';
import type { GitState } from './runFolder.ts';

const run = promisify(execFile);
const largestDiff = 1024 * 1024;
const longestBranch = 256;

const secretName =
  /(^|\/)(\.env(\..*)?|\.npmrc|\.netrc|\.pypirc|id_[a-z0-9]+|.*\.(pem|key|p12|pfx|keystore|kdbx)|.*(secret|credential|token|password).*)$/i;

export async function gitState(folder: string, limitMs = 3000): Promise<GitState | null> {
  const end = Date.now() + limitMs;
  const git = async (...args: string[]): Promise<string> => {
    const safe = ['-c', 'core.fsmonitor=false', '-c', 'core.hooksPath=/dev/null', '-c', 'diff.external='];
    const { stdout } = await run('git', ['-C', folder, '--no-optional-locks', ...safe, ...args], {
      timeout: Math.max(1, end - Date.now()),
      maxBuffer: 8 * largestDiff,
      env: { ...childEnvironment(), GIT_TERMINAL_PROMPT: '0' },
      windowsHide: true,
    });
    return stdout;
  };
  const attempt = (...args: string[]) => git(...args).catch(() => null);
  const commit = (await attempt('rev-parse', '--verify', '--quiet', 'HEAD'))?.trim() || null;
  if (commit === null && (await attempt('rev-parse', '--git-dir')) === null) return null;
  const branch = (await attempt('rev-parse', '--abbrev-ref', 'HEAD'))?.trim().slice(0, longestBranch) || null;
  if (!commit) return { commit, branch, dirty: true, diff: '', leftOut: [] };
  return { commit, branch, ...(await changes(attempt)) };
}

type Attempt = (...args: string[]) => Promise<string | null>;

async function changes(attempt: Attempt): Promise<Pick<GitState, 'dirty' | 'diff' | 'leftOut'>> {
  const sizes = await attempt('diff', 'HEAD', '--numstat', '-z', '--no-renames', '--no-ext-diff', '--no-textconv');
  if (sizes === null) return { dirty: true, diff: '', leftOut: ['(the changes could not be read in time)'] };
  const files = sizes
    .split('\0')
    .filter(Boolean)
    .map(row => row.split('\t'))
    .map(([added, , name]) => ({ name: name ?? '', binary: added === '-' }));
  const kept = files.filter(({ name, binary }) => !binary && !secretName.test(name)).map(({ name }) => name);
  const leftOut = files.map(({ name }) => name).filter(name => !kept.includes(name));
  const diff = kept.length > 0 ? await diffOf(attempt, kept) : '';
  if (diff !== null && diff.length <= largestDiff) return { dirty: files.length > 0, diff: redact(diff), leftOut };
  return { dirty: true, diff: '', leftOut: [...leftOut, ...kept] };
}

/** At most a thousand names fit an argument list everywhere. */
function diffOf(attempt: Attempt, names: string[]): Promise<string | null> {
  if (names.length > 1000) return Promise.resolve(null);
  return attempt('diff', 'HEAD', '--no-renames', '--no-color', '--no-ext-diff', '--no-textconv', '--', ...names);
}
