/**
 * Folders that somebody made to do harm, opened without trust in real VS Code: settings that name programs, stores of forged
 * runs, recipes of bombs. Runs are listed and looked at; no program starts, and nothing is written into the folder or the
 * home of Holdfast.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { count } from '../counts.ts';
import { fakeRequest } from '../security/fakeRequest.ts';
import { hostileRuns, makeHostileRun } from '../security/hostileRuns.ts';
import { markedProcesses } from '../vscode/processes.ts';
import { until } from '../vscode/workbench.ts';
import { openEditor } from './editor.ts';

const folders = count(10, 30);
const recipe = 'hostile.tune.yaml';
const attacks = Object.keys(hostileRuns);
const bombs = [
  'model: &x [*x]\n',
  `a: ${'['.repeat(5000)}\n`,
  'model: !!js/function "x"\ndata: { train: /dev/zero }\n',
  'model: "../../../../etc"\ndata: { train: a.jsonl }\n',
  '__proto__: { polluted: 1 }\nmodel: m\ndata: { train: a }\n',
];

test(`${folders} hostile folders in Restricted Mode: nothing starts, nothing is written`, async t => {
  const editor = await openEditor(t, { trainer: { steps: 20, rate: 0 }, trusted: false });
  const { server, page } = editor;
  const trace = path.join(server.folder, 'ran');
  let looked = 0;
  for (let index = 0; index < folders; index++) {
    const folder = path.join(server.folder, `hostile-${index}`);
    makeFolder(folder, index, trace);
    const before = listing(folder);
    await page.goto(`${server.url}?folder=${encodeURIComponent(folder)}`, { waitUntil: 'commit' });
    await page.locator('.statusbar').waitFor();
    await editor.openFile(recipe);
    await editor.showContainer('Holdfast');
    const row = editor.treeItem(/looked at/).first();
    await row.click();
    await until('the page of the run', () => editor.tab(/looked at/).count());
    looked += 1;
    const started = markedProcesses(server.folder).filter(({ command }) =>
      /runner\.cjs|trainer\.cjs|evil/.test(command),
    );
    assert.deepEqual(started, [], `folder ${index}`);
    assert.ok(!existsSync(trace), `folder ${index} ran a program`);
    assert.deepEqual(listing(folder), before, `folder ${index} was written into`);
    assert.deepEqual(readdirSync(server.holdfastHome), [], `folder ${index} reached the home folder`);
  }
  assert.deepEqual(editor.policyViolations, []);
  t.diagnostic(`C1 ${looked} hostile folders in Restricted Mode: 0 programs started, 0 files written`);
});

/** One honest-looking run to click on, and a few of the hostile ones, in turn. */
function makeFolder(folder: string, index: number, trace: string): void {
  const file = (name: string, text: string) => {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text, { mode: 0o755 });
  };
  file('evil.sh', `#!/bin/sh\ntouch ${trace}\n`);
  const evil = path.join(folder, 'evil.sh');
  file(
    '.vscode/settings.json',
    JSON.stringify({
      'holdfast.nodePath': evil,
      'holdfast.home': path.join(folder, 'home'),
      'holdfast.runsFolder': path.join(folder, 'elsewhere'),
      'holdfast.modelFolders': ['/'],
      'git.path': evil,
    }),
  );
  file(recipe, bombs[index % bombs.length]!);
  file('.holdfast/runner.lock', JSON.stringify({ pid: 4242, startTime: '1', bootId: 'x', host: 'elsewhere' }));
  const outside = path.join(path.dirname(folder), `outside-${index}`);
  mkdirSync(outside);
  writeFileSync(path.join(outside, 'secret.json'), '{}');
  const bystander = { pid: process.pid, startTime: '1', bootId: 'x', host: 'x' };
  const some = Array.from({ length: 5 }, (_, place) => attacks[(index * 5 + place) % attacks.length]!);
  const make = (id: string, name: string, attack: (typeof hostileRuns)[string]) => {
    const honest = fakeRequest(folder, recipe, id, name);
    makeHostileRun(path.join(folder, '.holdfast/runs', id), attack, { honest, outside, traceCommand: evil, bystander });
  };
  make('261121-130000-looked-at-aaaa', 'looked at', () => {});
  for (const [place, name] of some.entries()) make(`261121-12000${place}-x`, name, hostileRuns[name]!);
}

function listing(folder: string): string[] {
  return (readdirSync(folder, { recursive: true }) as string[])
    .map(name => {
      const { mtimeMs, size } = statSync(path.join(folder, name), { throwIfNoEntry: false }) ?? {};
      return `${name} ${size} ${mtimeMs}`;
    })
    .sort();
}
