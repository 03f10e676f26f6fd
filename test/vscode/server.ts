/**
 * A real VS Code as a server on a loopback port of this machine, with a profile of its own that is thrown away. Knows no browser: whoever
 * opens its address sees the editor.
 */
import { spawn } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { codeServer, node24 } from './places.ts';
import { endMarked, markerName, signalAll } from './processes.ts';

export interface ServerOptions {
  /** Opened at start. Must be a copy: tests write into it. */
  workspace?: string;
  /** Folders of built extensions, installed under their own names. */
  extensions?: string[];
  /** Files to install the way a user does. */
  vsix?: string[];
  settings?: Record<string, unknown>;
  /** False leaves workspace trust on: a workspace opens in Restricted Mode. */
  trusted?: boolean;
  env?: Record<string, string>;
  /** One that is free, when left out. */
  port?: number;
}

export interface VsCodeServer {
  url: string;
  port: number;
  /** Everything this server writes: profile, extensions, logs, Holdfast's home. Gone after `stop`. */
  folder: string;
  holdfastHome: string;
  settingsFile: string;
  /** The editor's own words, for when something went wrong. */
  log(): string;
  stop(): Promise<void>;
}

/** Keeps the picture calm: no welcome page, no chat, no tips. */
const calm = {
  'chat.disableAIFeatures': true,
  'workbench.startupEditor': 'none',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.tips.enabled': false,
  'workbench.enableExperiments': false,
  'extensions.autoCheckUpdates': false,
  'extensions.ignoreRecommendations': true,
  'security.workspace.trust.startupPrompt': 'never',
  'telemetry.telemetryLevel': 'off',
  'git.openRepositoryInParentFolders': 'never',
};

const patienceMs = 180_000;

/** Names stay short: the editor makes sockets below, and a socket's path ends at 107 bytes. */
export async function startServer(options: ServerOptions = {}): Promise<VsCodeServer> {
  const folder = mkdtempSync(path.join(tmpdir(), 'vs-'));
  const cleanUp = () => rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
  try {
    return await startIn(folder, options, cleanUp);
  } catch (error) {
    await endMarked(folder);
    cleanUp();
    throw error;
  }
}

async function startIn(folder: string, options: ServerOptions, cleanUp: () => void): Promise<VsCodeServer> {
  const settingsFile = path.join(folder, 'data/User/settings.json');
  const holdfastHome = path.join(folder, 'home');
  const extensions = path.join(folder, 'extensions');
  const temporary = path.join(folder, 't');
  for (const made of [path.dirname(settingsFile), holdfastHome, extensions, temporary])
    mkdirSync(made, { recursive: true });
  writeFileSync(settingsFile, JSON.stringify({ ...calm, ...options.settings }, null, 2));
  writeFileSync(path.join(folder, 'config.yaml'), '');
  for (const extension of options.extensions ?? []) installFolder(extension, extensions);

  const env = {
    ...process.env,
    TMPDIR: temporary,
    XDG_RUNTIME_DIR: temporary,
    HOLDFAST_HOME: holdfastHome,
    ...options.env,
    PASSWORD: '',
    CODE_SERVER_CONFIG: path.join(folder, 'config.yaml'),
    [markerName]: folder,
  };
  const common = ['--user-data-dir', path.join(folder, 'data'), '--extensions-dir', extensions];
  const config = ['--config', path.join(folder, 'config.yaml')];
  const logFile = path.join(folder, 'server.log');
  const log = () => (existsSync(logFile) ? readFileSync(logFile, 'utf8').slice(-8000) : '');

  for (const file of options.vsix ?? []) {
    const code = await runToEnd([codeServer, ...common, ...config, '--install-extension', file], env, logFile);
    if (code !== 0) throw new Error(`Installing ${file} ended with ${code}\n${log()}`);
  }

  const address = ['--auth', 'none', '--bind-addr', `127.0.0.1:${options.port ?? 0}`];
  const quiet = ['--disable-telemetry', '--disable-update-check'];
  const trust = options.trusted === false ? [] : ['--disable-workspace-trust'];
  const output = openSync(logFile, 'a');
  const child = spawn(
    node24,
    [
      codeServer,
      ...address,
      ...common,
      ...quiet,
      ...trust,
      ...config,
      ...(options.workspace ? [options.workspace] : []),
    ],
    { env, stdio: ['ignore', output, output], detached: true },
  );
  closeSync(output);
  let ended: string | null = null;
  child.once('error', error => {
    ended = error.message;
  });
  child.once('exit', (code, signal) => {
    ended = `code ${code}, signal ${signal}`;
  });
  // The last chance when this process ends without `stop`.
  const onExit = () => signalAll(folder, 'SIGKILL');
  process.once('exit', onExit);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, endUnlessOthersCare);

  const stop = async () => {
    await endMarked(folder);
    process.off('exit', onExit);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, endUnlessOthersCare);
    cleanUp();
  };
  const deadline = Date.now() + patienceMs;
  for (;;) {
    // With port 0 the server chooses, and says which: a port looked for here could be somebody else's by then.
    const port = Number(/listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(log())?.[1]);
    const url = `http://127.0.0.1:${port}/`;
    if (port && (await answers(url))) return { url, port, folder, holdfastHome, settingsFile, log, stop };
    if (ended !== null) throw new Error(`VS Code ended while starting: ${ended}\n${log()}`);
    if (Date.now() > deadline) throw new Error(`VS Code did not answer within ${patienceMs / 1000} s\n${log()}`);
    await sleep(100);
  }
}

/** A signal that nobody handles ends a process without its `exit` event, and the server would stay. */
function endUnlessOthersCare(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) === 0) process.exit(1);
}

function installFolder(source: string, extensions: string): void {
  const { publisher, name, version } = JSON.parse(readFileSync(path.join(source, 'package.json'), 'utf8'));
  cpSync(source, path.join(extensions, `${publisher}.${name}-${version}`), { recursive: true });
}

function runToEnd(args: string[], env: NodeJS.ProcessEnv, logFile: string): Promise<number | null> {
  const output = openSync(logFile, 'a');
  const child = spawn(node24, args, { env, stdio: ['ignore', output, output] });
  closeSync(output);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
  });
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}healthz`)).ok;
  } catch {
    return false;
  }
}
