// Builds everything that ships: four Node programs, one page a panel, and the schema for completion.
// usage: node esbuild.mjs [--watch] [--minify]
import * as esbuild from 'esbuild';

const watch = process.argv.includes('--watch');
const minify = process.argv.includes('--minify');

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

if (watch) {
  const contexts = await Promise.all(builds.map(build => esbuild.context(build)));
  await Promise.all(contexts.map(context => context.watch()));
} else {
  await Promise.all(builds.map(build => esbuild.build(build)));
}
