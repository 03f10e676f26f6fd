// Builds everything that ships: four Node programs, one page a panel, and the schema for completion.
// usage: node esbuild.mjs [--watch] [--minify] [--tests]    --tests adds what runs inside VS Code's extension host
import { existsSync, readdirSync } from 'node:fs';
import * as esbuild from 'esbuild';

const watch = process.argv.includes('--watch');
const minify = process.argv.includes('--minify');
const tests = process.argv.includes('--tests');

const shared = { bundle: true, minify, sourcemap: !minify, logLevel: 'warning', legalComments: 'none' };

/** Programs are CommonJS: every VS Code since 1.90 loads it, and so does every Node from 20 on. */
const program = (entry, name, more = {}) => ({
  ...shared,
  entryPoints: { [name]: entry },
  outdir: 'dist',
  outExtension: { '.js': '.cjs' },
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  external: ['vscode', 'onnxruntime-node', '@tensorflow/tfjs-node-gpu'],
  ...more,
});

const builds = [
  program('src/extension.ts', 'extension'),
  program('src/runner/main.ts', 'runner'),
  program('src/engine/main.ts', 'trainer'),
  program('src/cli/main.ts', 'cli', { banner: { js: '#!/usr/bin/env node' } }),
  {
    ...shared,
    entryPoints: {
      run: 'webview/run/main.ts',
      metrics: 'webview/metrics/main.ts',
      compare: 'webview/compare/main.ts',
      check: 'webview/check/main.ts',
    },
    outdir: 'dist/webview',
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
    outdir: 'dist/test',
  });
}

if (watch) {
  const contexts = await Promise.all(builds.map(build => esbuild.context(build)));
  await Promise.all(contexts.map(context => context.watch()));
} else {
  await Promise.all(builds.map(build => esbuild.build(build)));
}
