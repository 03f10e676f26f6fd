/** Nobody's test is forgotten: each file belongs to a suite of `npm test`. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

// Its suites are laid out where there is no such Python too, and then skipped.
process.env.HOLDFAST_NO_TORCH ??= 'not asked for';
process.env.HOLDFAST_NO_TENSORFLOW ??= 'not asked for';
const { allSuites } = await import('../suites.ts');

test('every test file is run by a suite', () => {
  const run = new Set(allSuites().flatMap(({ argv }) => argv));
  const areas = readdirSync('test', { withFileTypes: true }).filter(entry => entry.isDirectory());
  const forgotten = areas
    // The editor's own runner takes all of test/host; what lies below test/vscode is the editor.
    .filter(({ name }) => name !== 'host' && name !== 'vscode')
    .flatMap(({ name }) => readdirSync(path.join('test', name), { recursive: true }).map(file => [name, String(file)]))
    .map(parts => path.join('test', ...parts))
    .filter(file => file.endsWith('.test.ts') && !run.has(file));
  assert.deepEqual(forgotten, []);
});
