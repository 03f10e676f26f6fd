/** What the extension's manifest promises. Knows no code. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

interface Property {
  description?: string;
  markdownDescription?: string;
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));
const strings = JSON.parse(readFileSync('package.nls.json', 'utf8')) as Record<string, string>;
const contributes = manifest.contributes;
const settings = Object.entries(contributes.configuration.properties as Record<string, Property>);
const commands = (contributes.commands as { command: string }[]).map(({ command }) => command);

test('virtual workspaces are refused, and the extension runs where the files are', () => {
  assert.equal(manifest.capabilities.virtualWorkspaces.supported, false);
  assert.deepEqual(manifest.extensionKind, ['workspace']);
});

test('nothing is loaded before it is needed', () => {
  const eager = manifest.activationEvents.filter((event: string) => event === '*' || event === 'onStartupFinished');
  assert.deepEqual(eager, []);
  assert.ok(manifest.activationEvents.includes('onLanguage:yaml'));
});

test('every text of the manifest has its string, and every string is used', () => {
  const used = new Set([...JSON.stringify(manifest).matchAll(/"%([^%"]+)%"/g)].map(match => match[1]!));
  assert.deepEqual(
    [...used].filter(key => !strings[key]),
    [],
    'keys without a string',
  );
  assert.deepEqual(
    Object.keys(strings).filter(key => !used.has(key)),
    [],
    'strings without a use',
  );
});

test('a translation has exactly the keys of the original', () => {
  for (const file of readdirSync('.').filter(name => /^package\.nls\..+\.json$/.test(name))) {
    assert.deepEqual(Object.keys(JSON.parse(readFileSync(file, 'utf8'))).sort(), Object.keys(strings).sort(), file);
  }
});

test('every setting is explained', () => {
  const mute = settings.filter(([, { description, markdownDescription }]) => !description && !markdownDescription);
  assert.deepEqual(
    mute.map(([name]) => name),
    [],
  );
});

test('every command of a menu, a welcome view or the walkthrough exists', () => {
  const menus = Object.values(contributes.menus as Record<string, { command?: string }[]>).flat();
  const linked = [...JSON.stringify([contributes.walkthroughs, strings]).matchAll(/command:(holdfast\.\w+)/g)].map(
    match => match[1]!,
  );
  const events = [...JSON.stringify(contributes.walkthroughs).matchAll(/onCommand:(holdfast\.\w+)/g)].map(
    match => match[1]!,
  );
  const named = [...menus.map(({ command }) => command).filter(command => command !== undefined), ...linked, ...events];
  assert.deepEqual(
    named.filter(command => !commands.includes(command)),
    [],
  );
});

test('every file the manifest names is there, once built', () => {
  const text = JSON.stringify({ ...contributes, main: manifest.main, icon: manifest.icon, bin: manifest.bin });
  const files = [...text.matchAll(/"((?:\.\/)?(?:media|dist)\/[^"]+)"/g)].map(match => match[1]!);
  assert.ok(files.length >= 4);
  assert.deepEqual(
    files.filter(file => !existsSync(file)),
    [],
  );
});

test('only what cannot be bundled is a dependency', () => {
  assert.deepEqual(Object.keys(manifest.dependencies), ['onnxruntime-node']);
});
