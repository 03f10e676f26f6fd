/** Which part may import which. Reads the import lines; a broken arrow is named with file and line. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';

const pure = ['recipe', 'protocol', 'domain'];
/** Part → the parts it may import besides itself. */
const arrows: Record<string, string[]> = {
  recipe: [],
  protocol: ['recipe'],
  domain: ['recipe', 'protocol'],
  runs: pure,
  runner: [...pure, 'runs'],
  engine: [...pure, 'runs'],
  command: [...pure, 'runs'],
  cli: [...pure, 'runs', 'runner'],
  host: [...pure, 'runs'],
  extension: [...pure, 'runs', 'host'],
  webview: pure,
};
/** Packages that only some parts may see. */
const guarded: Record<string, RegExp> = {
  vscode: /^src\/(host\/|extension\.ts$)/,
  'onnxruntime-node': /^src\/engine\/runtime\//,
  '@vscode/webview-ui-toolkit': /^webview\/shared\//,
  lowdb: /^src\/runs\//,
};

interface Import {
  file: string;
  line: number;
  target: string;
}

const imports = [...sources('src'), ...sources('webview')].flatMap(importsOf);

test('there are imports to judge', () => {
  assert.ok(imports.length > 100, `${imports.length} imports found`);
});

test('every import between parts follows an arrow of the architecture', () => {
  const broken = imports.filter(({ file, target }) => {
    if (!target.startsWith('.')) return false;
    const from = partOf(file);
    const to = partOf(path.posix.join(path.posix.dirname(file), target));
    return from !== to && !arrows[from]?.includes(to);
  });
  assert.deepEqual(broken.map(place), []);
});

test('recipe, protocol and domain touch neither Node nor VS Code', () => {
  const impure = imports.filter(
    ({ file, target }) => pure.includes(partOf(file)) && /^(node:|vscode$|fs$|path$)/.test(target),
  );
  assert.deepEqual(impure.map(place), []);
});

test('pages touch neither Node nor VS Code', () => {
  const impure = imports.filter(({ file, target }) => partOf(file) === 'webview' && /^(node:|vscode$)/.test(target));
  assert.deepEqual(impure.map(place), []);
});

test('guarded packages are imported from their one place', () => {
  const strays = imports.filter(({ file, target }) => {
    const name = Object.keys(guarded).find(known => target === known || target.startsWith(`${known}/`));
    return name !== undefined && !guarded[name]!.test(file);
  });
  assert.deepEqual(strays.map(place), []);
});

test('zod is taken as a namespace: by name it brings its forty translations into every bundle', () => {
  const named = sources('src').filter(file =>
    /import (type )?\{[^}]*\bz\b[^}]*\} from 'zod'/.test(readFileSync(file, 'utf8')),
  );
  assert.deepEqual(named, []);
});

test('neither the editor part nor the engine starts a process: the launching modules do', () => {
  const allowed = /^src\/(runs|runner|cli)\//;
  const spawning = imports.filter(
    ({ target, file }) => /^((node:)?child_process|execa)$/.test(target) && !allowed.test(file),
  );
  assert.deepEqual(spawning.map(place), []);
});

function sources(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder, { recursive: true }) as string[];
  return names
    .filter(name => /\.tsx?$/.test(name))
    .map(name => path.posix.join(folder, name.split(path.sep).join('/')));
}

function importsOf(file: string): Import[] {
  const text = readFileSync(file, 'utf8');
  const found = text.matchAll(
    /(?:^|\n)\s*(?:import|export)\b[^'";]*?from\s+'([^']+)'|(?:^|\n)import\s+'([^']+)'|\bimport\(\s*'([^']+)'/g,
  );
  return [...found].map(match => ({
    file,
    line: text.slice(0, match.index + match[0].length).split('\n').length,
    target: match[1] ?? match[2] ?? match[3] ?? '',
  }));
}

function partOf(file: string): string {
  const [top, second = ''] = file.split('/');
  if (top !== 'src') return top ?? '';
  return second.replace(/\.ts$/, '');
}

function place({ file, line, target }: Import): string {
  return `${file}:${line} imports ${target}`;
}
