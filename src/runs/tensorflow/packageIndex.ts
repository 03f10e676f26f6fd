/**
 * The Python package index that this user's pip takes packages from, and the wheels it has. Knows no index by name: pip
 * is asked.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as z from 'zod';
import { childEnvironment } from '../childEnvironment.ts';
import type { Source } from '../download.ts';
import { installEnvironment } from '../installTorch.ts';
import { pythonsOnPath } from '../pythonPath.ts';
import { RunsError } from '../runsError.ts';
import type { WheelPin } from './packages.ts';

export interface PackageIndex {
  /** Without a slash at its end, and without a password. */
  address: string;
  authorization?: string;
}

export interface Wheel extends Source {
  file: string;
}

export async function findIndex(): Promise<PackageIndex> {
  const { PIP_INDEX_URL, UV_DEFAULT_INDEX, UV_INDEX_URL } = process.env;
  const url = new URL(PIP_INDEX_URL || UV_DEFAULT_INDEX || UV_INDEX_URL || (await indexOfPip()));
  const { username, password } = url;
  url.username = '';
  url.password = '';
  const address = url.href.replace(/\/+$/, '');
  if (!username) return { address };
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { address, authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}

/** With its configuration files read, as for any download. */
const askPip = `from pip._internal.commands import create_command
print(create_command("download").parse_args([])[0].index_url)`;

async function indexOfPip(): Promise<string> {
  const env = { ...childEnvironment(), ...installEnvironment() };
  for (const python of pythonsOnPath()) {
    try {
      const { stdout } = await promisify(execFile)(python, ['-c', askPip], { env, timeout: 30_000 });
      const address = stdout.trim().split('\n').at(-1) ?? '';
      if (URL.canParse(address)) return address;
    } catch {
      // The next one may have pip.
    }
  }
  throw new RunsError(
    'python-missing',
    'TensorFlow comes from a Python package index, and there is no pip to say which',
    {
      remedy: 'Install Python with pip, or name the index: PIP_INDEX_URL.',
    },
  );
}

const listSchema = z.object({
  files: z.array(
    z.object({
      filename: z.string(),
      url: z.string(),
      hashes: z.record(z.string(), z.string()),
      size: z.number().optional(),
      yanked: z.union([z.boolean(), z.string()]).optional(),
    }),
  ),
});

/** A wheel for this machine; which Python it is for does not matter. */
export async function findWheel(index: PackageIndex, { project, version }: WheelPin): Promise<Wheel> {
  const page = `${index.address}/${project}/`;
  const response = await ask(index, page, { accept: `${jsonType}, text/html;q=0.1` });
  const text = await response.text();
  const files = response.headers.get('content-type')?.includes('json') ? filesOfJson(text, page) : filesOfHtml(text);
  const name = `${project.replaceAll('-', '[_-]')}-${version.replaceAll('.', '\\.')}-.*manylinux.*x86_64\\.whl`;
  const fitting = files.filter(file => new RegExp(`^${name}$`).test(file.filename)).sort(byName);
  const [file] = fitting;
  if (!file) {
    throw new RunsError('install-failed', `${page} has no wheel of ${project} ${version} for Linux on x64`, {
      remedy: 'Use an index that has it: PIP_INDEX_URL, or pip config set global.index-url.',
    });
  }
  if (!file.sha256) throw new RunsError('install-failed', `${page} gives no sha256 for ${file.filename}`);
  const url = new URL(file.url, page).href;
  const headers = headersFor(index, url);
  const bytes = file.bytes ?? Number((await ask(index, url, {}, 'HEAD')).headers.get('content-length'));
  return { file: file.filename, url, headers, sha256: file.sha256, bytes };
}

interface IndexFile {
  filename: string;
  url: string;
  sha256?: string;
  bytes?: number;
}

const jsonType = 'application/vnd.pypi.simple.v1+json';
const byName = (a: IndexFile, b: IndexFile) => (a.filename < b.filename ? -1 : 1);

function filesOfJson(text: string, page: string): IndexFile[] {
  const list = listSchema.safeParse(JSON.parse(text));
  if (!list.success) throw new RunsError('install-failed', `${page} is no list of a package index`);
  return list.data.files
    .filter(({ yanked }) => !yanked)
    .map(({ filename, url, hashes, size }) => ({ filename, url, sha256: hashes.sha256, bytes: size }));
}

/** `<a href="…#sha256=…">name</a>`, as every index has it. */
function filesOfHtml(text: string): IndexFile[] {
  return [...text.matchAll(/<a\s[^>]*href="([^"#]+)(?:#sha256=([0-9a-f]{64}))?[^"]*"[^>]*>([^<]+)<\/a>/g)].map(
    match => ({
      url: match[1]!.replaceAll('&amp;', '&'),
      sha256: match[2],
      filename: match[3]!.trim(),
    }),
  );
}

async function ask(
  index: PackageIndex,
  url: string,
  headers: Record<string, string>,
  method = 'GET',
): Promise<Response> {
  const signal = AbortSignal.timeout(60_000);
  const response = await fetch(url, { method, signal, headers: { ...headers, ...headersFor(index, url) } }).catch(
    cause => {
      const detail =
        cause instanceof Error ? ((cause.cause as Error | undefined)?.message ?? cause.message) : String(cause);
      throw new RunsError('install-failed', `${url} cannot be reached: ${detail}`, {
        remedy: 'Look at the network, and at the index that pip is set up for: pip config list.',
        cause,
      });
    },
  );
  if (response.ok) return response;
  throw new RunsError('install-failed', `${url} answered with ${response.status}`, {
    remedy: 'Look at the index that pip is set up for: pip config list.',
  });
}

/** The password goes to the index alone. */
const headersFor = ({ address, authorization }: PackageIndex, url: string): Record<string, string> =>
  authorization && new URL(url).origin === new URL(address).origin ? { authorization } : {};
