/**
 * Runs the tests that live in the extension host. `HOLDFAST_TEST_VSCODE` names a desktop VS Code; without it Linux x64 uses
 * the stand-in from npm, and other platforms let @vscode/test-electron fetch one.
 * The workspace is a copy of the examples and of test/host/workspace.
 * usage: node --import tsx test/vscode/hostTests.ts
 */
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runTests } from '@vscode/test-electron';
import { fakeTrainerProgram } from '../protocol/fakeTrainerProgram.ts';
import { checkout, hasServer, standIn } from './places.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'host-'));
try {
  const workspace = path.join(folder, 'workspace');
  cpSync(path.join(checkout, 'examples'), workspace, { recursive: true });
  const more = path.join(checkout, 'test/host/workspace');
  if (existsSync(more)) cpSync(more, workspace, { recursive: true });
  await runTests({
    vscodeExecutablePath: process.env.HOLDFAST_TEST_VSCODE ?? (hasServer ? standIn : undefined),
    extensionDevelopmentPath: checkout,
    extensionTestsPath: path.join(checkout, 'dist/test/hostRunner.cjs'),
    launchArgs: [
      workspace,
      `--user-data-dir=${path.join(folder, 'data')}`,
      `--extensions-dir=${path.join(folder, 'extensions')}`,
    ],
    extensionTestsEnv: {
      HOLDFAST_HOME: path.join(folder, 'home'),
      HOLDFAST_TEST_FAKE_TRAINER: fakeTrainerProgram(),
      HOLDFAST_TEST_REPORT: process.env.HOLDFAST_TEST_REPORT ?? path.join(folder, 'report.txt'),
    },
  });
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
}
