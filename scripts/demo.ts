/**
 * The demo: builds, then fine-tunes the shipped model in each way on one example and writes the report.
 * usage: npm run demo
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const report = 'demo/support-tone.md';

function node(...args: string[]): number {
  const { status, error } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (error) throw error;
  return status ?? 1;
}

const built = node('esbuild.mjs');
const code = built || node('dist/cli.cjs', 'compare', 'examples/support-tone.tune.yaml', '--report', report);
if (code === 0)
  console.log('Every run is kept. See them with `node dist/cli.cjs ls`, and live in the editor with: npm run vscode');
process.exitCode = code;
