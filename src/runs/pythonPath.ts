/**
 * Which Python runs the torch engine: the one that is set, else the one the editor has chosen, else the one that doctor
 * has made, else one on PATH. Looks at what is installed there without loading it, and says why.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import * as z from 'zod';
import { childEnvironment } from './childEnvironment.ts';
import { holdfastHome } from './home.ts';
import { RunsError } from './runsError.ts';

export interface PythonChoice {
  path: string;
  reason: string;
}

export interface PythonWish {
  /** Of machine scope: holdfast.python, HOLDFAST_PYTHON. The only one that is looked at when there is one. */
  setting?: string;
  /** The environment that is active in the editor. */
  ofEditor?: string;
}

/** Oldest that will do. */
export const neededPython = '3.10';
export const neededPackages: Readonly<Record<string, string>> = {
  torch: '2.6',
  transformers: '4.50',
  peft: '0.15',
  safetensors: '0.4.3',
  numpy: '1.24',
};

const lookSchema = z.object({
  version: z.string(),
  packages: z.record(z.string(), z.string().nullable()),
});
export type PythonLook = z.infer<typeof lookSchema>;

export const installCommand = 'holdfast doctor --install torch';

/** Throws with what is missing, where, and the command that mends it. */
export async function choosePython({ setting, ofEditor }: PythonWish = {}): Promise<PythonChoice> {
  if (setting) return demand({ path: setting, from: 'holdfast.python' });
  const candidates = candidatesFor(ofEditor);
  const faults: RunsError[] = [];
  for (const candidate of candidates) {
    const looked = await judge(candidate);
    if (!(looked instanceof RunsError)) return looked;
    faults.push(looked);
  }
  // The nearest to being right tells most: the first that runs at all.
  const told = faults.find(({ code }) => code !== 'python-unusable') ?? faults[0];
  throw (
    told ??
    new RunsError(
      'python-missing',
      `There is no Python on PATH; the torch engine needs Python ${neededPython} or newer`,
      {
        remedy: `Install Python, then run: ${installCommand}. Or name one in the setting holdfast.python.`,
      },
    )
  );
}

interface Candidate {
  path: string;
  from: string;
}

function candidatesFor(ofEditor: string | undefined): Candidate[] {
  const own = ownPython();
  return [
    ...(ofEditor ? [{ path: ofEditor, from: "the editor's Python environment" }] : []),
    ...(existsSync(own) ? [{ path: own, from: 'the environment that doctor made' }] : []),
    ...pythonsOnPath().map(path => ({ path, from: 'PATH' })),
  ];
}

/** The environment of `holdfast doctor --install torch`. */
export const ownEnvironment = (): string => join(holdfastHome(), 'torch');

export const ownPython = (): string =>
  process.platform === 'win32'
    ? join(ownEnvironment(), 'Scripts', 'python.exe')
    : join(ownEnvironment(), 'bin', 'python');

export function pythonsOnPath(): string[] {
  const names = process.platform === 'win32' ? ['python.exe'] : ['python3', 'python'];
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  return folders.flatMap(folder => names.map(name => join(folder, name))).filter(path => existsSync(path));
}

async function demand(candidate: Candidate): Promise<PythonChoice> {
  const looked = await judge(candidate);
  if (looked instanceof RunsError) throw looked;
  return looked;
}

async function judge({ path, from }: Candidate): Promise<PythonChoice | RunsError> {
  const look = await lookAtPython(path);
  if (!look) {
    return new RunsError('python-unusable', `${path} (${from}) does not run`, {
      file: path,
      remedy: `Name a Python ${neededPython} or newer in the setting holdfast.python, or run: ${installCommand}.`,
    });
  }
  const fault = faultOf(path, look);
  if (fault) return fault;
  return { path, reason: `Python ${look.version} with torch ${look.packages.torch}, from ${from}` };
}

/** What keeps this Python from running the torch engine. */
export function faultOf(path: string, { version, packages }: PythonLook): RunsError | null {
  if (isOlder(version, neededPython)) {
    return new RunsError('python-too-old', `${path} is Python ${version}; ${neededPython} or newer is needed`, {
      file: path,
      remedy: `Name a newer one in the setting holdfast.python, or run: ${installCommand}.`,
    });
  }
  const needed = Object.entries(neededPackages);
  const missing = needed.filter(([name]) => packages[name] === null || packages[name] === undefined);
  if (missing.length > 0) {
    const names = missing.map(([name]) => name);
    return new RunsError('torch-missing', `${path} (Python ${version}) has no ${names.join(', ')}`, {
      file: path,
      remedy: `Run: ${installCommand}. Or install them there: ${path} -m pip install ${names.join(' ')}`,
    });
  }
  const old = needed.filter(([name, oldest]) => isOlder(packages[name]!, oldest));
  if (old.length === 0) return null;
  const found = old.map(([name, oldest]) => `${name} ${packages[name]} (${oldest} or newer is needed)`);
  return new RunsError('torch-too-old', `${path} has ${found.join(', ')}`, {
    file: path,
    remedy: `Run: ${path} -m pip install --upgrade ${old.map(([name]) => name).join(' ')}`,
  });
}

/** The folder it runs in must not be on the way that modules are looked for. */
const lookProgram = `import sys
sys.path.pop(0)
import json, importlib.metadata as metadata
def version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
names = sys.argv[1:]
print(json.dumps({"version": "%d.%d.%d" % sys.version_info[:3], "packages": {name: version(name) for name in names}}))`;

/** `null` when it does not run. */
export async function lookAtPython(path: string): Promise<PythonLook | null> {
  try {
    const stdout = await runPython(path, ['-c', lookProgram, ...Object.keys(neededPackages)], 30_000);
    return lookSchema.parse(JSON.parse(stdout));
  } catch {
    return null;
  }
}

/** What a short question to a Python prints. Nothing of the workspace is in its way. */
export async function runPython(path: string, args: string[], timeout: number): Promise<string> {
  const cwd = holdfastHome();
  mkdirSync(cwd, { recursive: true });
  const options = { cwd, env: childEnvironment(), timeout, windowsHide: true, maxBuffer: 1024 * 1024 };
  const { stdout } = await promisify(execFile)(path, ['-E', ...args], options);
  return stdout;
}

/** By the numbers at the front of each part: 2.6.0+cpu is 2.6. */
export function isOlder(version: string, than: string): boolean {
  const parts = (text: string): number[] => text.split(/[.+]/).map(part => Number.parseInt(part, 10) || 0);
  const [have, want] = [parts(version), parts(than)];
  for (const [i, wanted] of want.entries()) {
    if ((have[i] ?? 0) !== wanted) return (have[i] ?? 0) < wanted;
  }
  return false;
}
