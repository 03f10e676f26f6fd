/**
 * A real VS Code in your own browser, with the extension as it ships and a copy of the examples. Everything lies in a temporary
 * folder and is gone after Ctrl-C, running trainings included.
 * usage: npm run vscode [-- --port 8080]
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { stage, thisTarget } from '../../scripts/stage.ts';
import { checkout, hasServer } from './places.ts';
import { prepare } from './prepare.ts';
import { startServer } from './server.ts';

if (!hasServer) {
  console.error(
    'VS Code in a browser comes from npm for Linux x64 alone. Elsewhere: npm run package, then install the .vsix.',
  );
  process.exit(3);
}
const { values } = parseArgs({ options: { port: { type: 'string' } } });
prepare();
const extension = path.join(checkout, 'out/stage', thisTarget);
stage(thisTarget, extension);

const workspace = mkdtempSync(path.join(tmpdir(), 'examples-'));
cpSync(path.join(extension, 'examples'), workspace, { recursive: true });
const server = await startServer({
  workspace,
  extensions: [extension],
  port: values.port ? Number(values.port) : undefined,
});

// Nothing else keeps this process alive.
const waiting = setInterval(() => {}, 60_000);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => void leave());

console.log(`\nVS Code with Holdfast and its examples: ${server.url}`);
console.log(`Reachable from this machine alone. From elsewhere: ssh -L ${server.port}:127.0.0.1:${server.port} HOST`);
console.log('Open support-tone.tune.yaml and click a code lens. Ctrl-C ends everything.');

async function leave(): Promise<void> {
  clearInterval(waiting);
  await server.stop();
  rmSync(workspace, { recursive: true, force: true, maxRetries: 5 });
}
