// Builds everything that ships: five Node programs and what the extension loads when it starts one, one page a panel, the Python parts, and the schema for completion.
// usage: node esbuild.mjs [--watch] [--minify] [--tests] [--outdir=dist] [--list=FILE]
//        --tests adds what runs inside VS Code's extension host, --list writes which packages the bundles contain
import { cpSync, existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import * as esbuild from 'esbuild';

const watch = process.argv.includes('--watch');
const minify = process.argv.includes('--minify');
const tests = process.argv.includes('--tests');
const option = name => process.argv.find(arg => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
const outdir = option('outdir') ?? 'dist';

const shared = { bundle: true, minify, sourcemap: !minify, logLevel: 'warning', legalComments: 'none', metafile: true };

/** Programs are CommonJS: every VS Code since 1.90 loads it, and so does every Node from 20 on. */
const program = (entry, name, more = {}) => ({
  ...shared,
  entryPoints: { [name]: entry },
  outdir,
  outExtension: { '.js': '.cjs' },
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  // Extensions are loaded by require.
  supported: { 'dynamic-import': false },
  external: ['vscode', 'onnxruntime-node'],
  // Its modules, of which what nobody uses is left out; what the package gives Node is one piece.
  alias: { yaml: './node_modules/yaml/browser/dist/index.js' },
  ...more,
});

/** What few sessions need, starting programs and writing a report, is loaded then: the extension's own file stays small. */
const loadedWhenNeeded = {
  name: 'loaded-when-needed',
  setup: build => {
    build.onResolve({ filter: /^execa$/ }, () => ({ path: './execa.cjs', external: true }));
    build.onResolve({ filter: /\/reportFiles\.ts$/ }, () => ({ path: './report.cjs', external: true }));
  },
};

const builds = [
  program('src/extension.ts', 'extension', { plugins: [loadedWhenNeeded] }),
  program('execa', 'execa'),
  program('src/domain/reportFiles.ts', 'report'),
  program('src/runner/main.ts', 'runner'),
  program('src/engine/main.ts', 'trainer'),
  program('src/command/main.ts', 'command'),
  program('src/cli/main.ts', 'cli', { banner: { js: '#!/usr/bin/env node' } }),
  {
    ...shared,
    entryPoints: {
      run: 'webview/run/main.ts',
      metrics: 'webview/metrics/main.ts',
      compare: 'webview/compare/main.ts',
      check: 'webview/check/main.ts',
    },
    outdir: `${outdir}/webview`,
    platform: 'browser',
    format: 'iife',
    target: 'es2022',
  },
];

if (tests) {
  const folder = 'test/host';
  const files = existsSync(folder) ? readdirSync(folder).filter(name => name.endsWith('.test.ts')) : [];
  const entries = files.map(name => [`host/${name.replace(/\.ts$/, '')}`, `${folder}/${name}`]);
  builds.push({
    ...program('test/vscode/hostRunner.ts', 'hostRunner'),
    entryPoints: Object.fromEntries([['hostRunner', 'test/vscode/hostRunner.ts'], ...entries]),
    outdir: `${outdir}/test`,
  });
}

if (watch) {
  const contexts = await Promise.all(builds.map(build => esbuild.context(build)));
  await Promise.all(contexts.map(context => context.watch()));
} else {
  const results = await Promise.all(builds.map(build => esbuild.build(build)));
  await writeRecipeSchema();
  copyPython();
  const list = option('list');
  if (list) writeFileSync(list, JSON.stringify(bundledPackages(results)));
}

/** Python ships as it is. */
function copyPython() {
  for (const name of ['torch_engine', 'callback']) {
    const to = `${outdir}/${name}`;
    rmSync(to, { recursive: true, force: true });
    cpSync(`src/${name}`, to, { recursive: true, filter: path => !path.includes('__pycache__') });
  }
}

/** Folders of the packages whose code is in the bundles, for their licences. */
function bundledPackages(results) {
  const inputs = results.flatMap(({ metafile }) => Object.keys(metafile.inputs));
  const folders = inputs.map(input => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input)?.[0]);
  return [...new Set(folders.filter(folder => folder !== undefined))].sort();
}

/** The schema that editors complete recipes by, from the one that checks them. */
async function writeRecipeSchema() {
  const build = { ...shared, sourcemap: false, entryPoints: ['src/recipe/jsonSchema.ts'], format: 'esm', write: false };
  const { outputFiles } = await esbuild.build(build);
  const source = Buffer.from(outputFiles[0].contents).toString('base64');
  const { recipeJsonSchema } = await import(`data:text/javascript;base64,${source}`);
  writeFileSync(`${outdir}/recipe.schema.json`, `${JSON.stringify(recipeJsonSchema(), null, 1)}\n`);
}
