/**
 * The packaged extension, installed as a user installs it, in a VS Code that knows nothing of this checkout: Open Example, Start
 * Fine-Tune, verdict.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { thisTarget } from '../../scripts/stage.ts';
import { redact } from '../../src/runs/redact.ts';
import { journal, runFolders, startByLens, steps } from '../e2e/editor.ts';
import { checkout, modules } from '../vscode/places.ts';
import { until, Workbench } from '../vscode/workbench.ts';
import { zipNames } from './zipNames.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'vsix-'));
const vsix = path.join(folder, 'holdfast.vsix');
const largestBundle = 500_000;
const letters = () => randomBytes(17).toString('hex');
const planted = {
  HF_TOKEN: `hf_${letters()}`,
  VSCE_PAT: letters(),
  NPM_TOKEN: `npm_${letters()}aa`,
  A_SECRET: letters(),
};

test.before(() => pack(vsix));
test.after(() => rmSync(folder, { recursive: true, force: true }));

test('the package holds what a run needs, for one platform, and nothing of how it is built', () => {
  const names = zipNames(readFileSync(vsix));
  for (const needed of [
    'extension/dist/extension.cjs',
    'extension/dist/runner.cjs',
    'extension/dist/trainer.cjs',
    'extension/dist/cli.cjs',
    'extension/dist/recipe.schema.json',
    'extension/dist/webview/run.js',
    'extension/models/holdfast-tiny/model.safetensors',
    'extension/models/holdfast-tiny/tokenizer.json',
    'extension/examples/support-tone.tune.yaml',
    'extension/ThirdPartyNotices.txt',
    'extension/LICENSE.txt',
  ]) {
    assert.ok(names.includes(needed), `${needed} is missing`);
  }
  const [platform, arch] = thisTarget.split('-');
  const binaries = names.filter(name => name.includes('/bin/napi-'));
  assert.ok(binaries.length > 0);
  assert.deepEqual(
    binaries.filter(name => !name.includes(`/${platform}/${arch}/`)),
    [],
  );
  const strays = /(^|\/)(src|test|scripts|webview\/.*\.ts|\.holdfast|\.git)\/|\.(map|ts|vsix)$|package-lock|\.npmrc/;
  assert.deepEqual(
    names.filter(name => strays.test(name)),
    [],
  );
});

test('the package holds exactly the files that contents.txt lists, binaries aside', t => {
  const names = zipNames(readFileSync(vsix)).filter(name => !name.includes('/bin/napi-'));
  const listed = readFileSync(path.join(checkout, 'test/vsix/contents.txt'), 'utf8')
    .trim()
    .split('\n')
    .flatMap(spelledOut);
  // What ships is decided here: a file that should be new or gone is added to or taken from the list by hand.
  assert.deepEqual(names.sort(), listed.sort());
  t.diagnostic(`C9 VSIX: ${names.length} files as listed`);
});

/** `extension/dist/torch_engine/*.py`: every Python file of that folder of the source, at any depth. */
function spelledOut(line: string): string[] {
  const [, folder] = /^extension\/dist\/(\w+)\/\*\.py$/.exec(line) ?? [];
  if (!folder) return [line];
  const names = readdirSync(path.join(checkout, 'src', folder), { recursive: true }) as string[];
  return names
    .filter(name => name.endsWith('.py'))
    .map(name => `extension/dist/${folder}/${name.replaceAll('\\', '/')}`);
}

test('no token of the environment it was packed in got into the package, nor any other', t => {
  const staged = path.join(checkout, 'out/stage', thisTarget);
  const files = (readdirSync(staged, { recursive: true }) as string[])
    .map(name => path.join(staged, name))
    .filter(file => statSync(file).isFile());
  const found = files.filter(file => {
    const text = readFileSync(file, 'latin1');
    // What looks like a token in a binary is chance.
    const isText = !file.includes(`${path.sep}bin${path.sep}`) && !file.endsWith('.safetensors');
    return Object.values(planted).some(token => text.includes(token)) || (isText && redact(text, {}) !== text);
  });
  assert.deepEqual(found, []);
  t.diagnostic(`C8 VSIX: ${Object.keys(planted).length} planted tokens, 0 found in ${files.length} files`);
});

test('what the editor loads stays small', t => {
  const { size } = statSync(path.join(checkout, 'out/stage', thisTarget, 'dist/extension.cjs'));
  assert.ok(size < largestBundle, `${size} bytes`);
  t.diagnostic(`D5 extension.cjs: ${(size / 1e3).toFixed(0)} KB minified`);
});

test('the package stays below 40 MB', () => {
  assert.ok(statSync(vsix).size < 40e6, `${(statSync(vsix).size / 1e6).toFixed(1)} MB`);
});

test('two packages of one source are equal byte by byte', t => {
  const again = path.join(folder, 'again.vsix');
  pack(again);
  const [first, second] = [vsix, again].map(file => createHash('sha256').update(readFileSync(file)).digest('hex'));
  assert.equal(first, second);
  t.diagnostic(`C9 two packages: sha256 ${first!.slice(0, 16)}… and ${second!.slice(0, 16)}…`);
});

test('installed without the checkout: Open Example, Start Fine-Tune, verdict', async t => {
  const editor = await Workbench.open({ vsix: [vsix] });
  t.after(() => editor.close());
  const step = steps(t, editor);
  const recipe = path.join(editor.workspace, 'support-tone/support-tone.tune.yaml');
  const project = path.dirname(recipe);

  await step('Open Example copies a recipe with its data', async () => {
    await editor.command('Holdfast: Open Example');
    await editor.pick('support-tone');
    await editor.pick('new folder in this workspace');
    await until('the copy', () => existsSync(recipe));
    await editor.tab('support-tone.tune.yaml').waitFor();
    // Fewer steps than the example's: this is a test of the way, not of the model.
    const text = readFileSync(recipe, 'utf8');
    writeFileSync(
      recipe,
      text.replace(/max_steps: \d+/, 'max_steps: 20').replace(/warmup_steps: \d+/, 'warmup_steps: 2'),
    );
    await editor.page
      .locator('.view-line', { hasText: /max_steps:\s20/ })
      .or(editor.lens('Start Fine-Tune'))
      .first()
      .waitFor();
  });

  await step('Start Fine-Tune trains to a verdict, from files outside the checkout alone', async () => {
    const run = await startByLens(editor, 'Start Fine-Tune', project);
    await until('the end', () => journal(run).some(({ type }) => type === 'exited'), 600_000);
    assert.deepEqual(runFolders(project).length, 1);
    // The test editor's own Node lies in the checkout, and nothing else may.
    const request = readFileSync(path.join(run, 'run.json'), 'utf8').replaceAll(modules, '');
    assert.ok(!request.includes(checkout), 'run.json names the checkout');
    const finished = journal(run).find(({ type }) => type === 'finished');
    assert.equal(finished?.reason, 'completed', JSON.stringify(journal(run).slice(-3)));
    const page = await editor.frame('body[data-page="run"] .verdict-sets');
    await page.locator('.status-text', { hasText: 'finished' }).waitFor();
    assert.equal(await page.locator('.verdict-sets .verdict-word').count(), 4);
  });
});

function pack(file: string): void {
  const env = { ...process.env, ...planted, SOURCE_DATE_EPOCH: '1700000000' };
  execFileSync(process.execPath, ['--import', 'tsx', 'scripts/package.ts', '--out', file], {
    cwd: checkout,
    env,
    stdio: 'pipe',
  });
}
