/**
 * What VS Code loads as "extension tests": runs every test file beside it with mocha and writes what mocha says to a file.
 * Bundled to dist/test/hostRunner.cjs. Knows no test.
 */
import { appendFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { format } from 'node:util';
import type MochaClass from 'mocha';

export async function run(): Promise<void> {
  // mocha lies with the test editor, not with the packages of the extension.
  const load = createRequire(path.join(__dirname, '../../test/vscode/package.json'));
  const Mocha = load('mocha') as typeof MochaClass;
  const report = process.env.HOLDFAST_TEST_REPORT;
  if (report)
    Mocha.reporters.Base.consoleLog = (...words: unknown[]) => appendFileSync(report, `${format(...words)}\n`);

  const mocha = new Mocha({
    ui: 'tdd',
    timeout: 180_000,
    reporter: 'spec',
    color: false,
    grep: process.env.HOLDFAST_TEST_ONLY,
  });
  const tests = path.join(__dirname, 'host');
  for (const name of readdirSync(tests).sort()) if (name.endsWith('.test.cjs')) mocha.addFile(path.join(tests, name));

  const skipped: string[] = [];
  const stats = await new Promise<Mocha.Stats | undefined>(resolve => {
    const runner = mocha.run(() => resolve(runner.stats));
    runner.on('pending', test => skipped.push(test.fullTitle()));
  });
  if (!stats) throw new Error('mocha kept no counts');
  const { passes, failures, tests: count } = stats;
  const counts = { passed: passes, failed: failures, skipped };
  if (process.env.HOLDFAST_TEST_COUNTS) writeFileSync(process.env.HOLDFAST_TEST_COUNTS, JSON.stringify(counts));
  if (count === 0) throw new Error('no test ran');
  if (failures > 0) throw new Error(`${failures} tests failed`);
}
