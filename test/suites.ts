/** The suites of `npm test`: what each runs, with which Node, and how long it may take. Runs nothing itself. */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { isLong } from './counts.ts';
import { checkout, hasServer, node24 } from './vscode/places.ts';
import { stageForTests } from './vscode/staged.ts';
import { softwareGpu } from './webgpu/softwareGpu.ts';

export interface Suite {
  name: string;
  title: string;
  argv: string[];
  /** Against hangs: many times what a suite takes on an idle machine. */
  limitSeconds: number;
  /** A gate is one yes or no; other suites count their tests. */
  kind: 'gate' | 'nodeTest' | 'mocha' | 'unittest';
  /** Needs the bundles: pointless when the build failed. */
  needsBuild?: boolean;
  /** Why it cannot run here. */
  skip?: string;
  /** Found out when the suite starts: what it needs may only be installed then. */
  env?: () => Record<string, string>;
}

const unitAreas = ['recipe', 'protocol', 'domain', 'runs', 'runner', 'engine', 'webview', 'world', 'project'];
/** Whole programs, started over and over: on one Node. */
const programAreas = ['cli', 'command'];
/** Tell how long something takes: two editors at a time would slow each other down. */
const timed = ['latency', 'reattach'].map(name => path.join('test', 'e2e', `${name}.test.ts`));
/** Of the torch engine: a Python with torch, transformers and PEFT. Without one it is no part of `npm test`. */
const torchPython = process.env.HOLDFAST_TORCH_PYTHON;
/** Why a machine that should have had one has none. */
const noTorch = process.env.HOLDFAST_NO_TORCH;
/** The same for a folder that has TensorFlow for Node. */
const { HOLDFAST_TEST_TENSORFLOW: tensorflow, HOLDFAST_NO_TENSORFLOW: noTensorflow } = process.env;
/** Long counts take hours. */
const patience = () => (isLong() ? 30 : 1);
const noServer = 'VS Code in a browser needs Linux x64';

/** Node 20 takes no globs: the files are named one by one. */
function testFiles(...areas: string[]): string[] {
  return areas
    .flatMap(area => {
      const folder = path.join(checkout, 'test', area);
      if (!existsSync(folder)) return [];
      const names = readdirSync(folder, { recursive: true }) as string[];
      return names.filter(name => name.endsWith('.test.ts')).map(name => path.join('test', area, name));
    })
    .sort();
}

const without = (some: readonly string[], all: readonly string[]): string[] => all.filter(file => !some.includes(file));

const bin = (name: string) => path.join(checkout, 'node_modules', name);

function gate(name: string, title: string, ...argv: string[]): Suite {
  return { name, title, argv: [process.execPath, ...argv], limitSeconds: 900, kind: 'gate' };
}

function nodeTests(
  name: string,
  title: string,
  files: string[],
  more: Partial<Suite> & { node?: string; concurrency?: number } = {},
): Suite {
  const { node = process.execPath, concurrency = 2, ...rest } = more;
  const limits = [`--test-concurrency=${concurrency}`, `--test-timeout=${1_200_000 * patience()}`];
  const argv = [node, '--import', 'tsx', '--test', ...limits, ...files];
  return { name, title, argv, limitSeconds: 2400 * patience(), kind: 'nodeTest', ...rest };
}

export function allSuites(): Suite[] {
  const here = process.versions.node.split('.')[0];
  const unit = testFiles(...unitAreas);
  const skip24 =
    here === '24' ? 'ran on Node 24 already' : hasServer ? undefined : 'a Node 24 comes along on Linux x64 only';
  const browser = { needsBuild: true, concurrency: 1, skip: hasServer ? undefined : noServer };
  const editor = { ...browser, env: stageForTests };
  return [
    gate('build', 'bundles', 'esbuild.mjs', '--tests'),
    gate('types', 'types', bin('typescript/bin/tsc'), '-p', '.'),
    gate('types-editor', 'types of the editor tests', bin('typescript/bin/tsc'), '-p', 'test/vscode'),
    gate('lint', 'format and lint', bin('@biomejs/biome/bin/biome'), 'check', '--error-on-warnings', '.'),
    nodeTests('unit', `unit tests on Node ${here}`, unit, { needsBuild: true, concurrency: 3 }),
    nodeTests('unit24', 'unit tests on Node 24', unit, {
      ...{ node: node24, needsBuild: true, concurrency: 3, skip: skip24 },
    }),
    nodeTests('cli', 'the command line', testFiles(...programAreas), { needsBuild: true, concurrency: 3 }),
    nodeTests('reliability', 'nothing is lost', testFiles('reliability'), { needsBuild: true }),
    nodeTests('security', 'nothing hostile gets in', testFiles('security'), { needsBuild: true }),
    {
      name: 'host',
      title: 'extension host in VS Code',
      argv: [process.execPath, '--import', 'tsx', 'test/vscode/hostTests.ts'],
      limitSeconds: 1200,
      kind: 'mocha',
      needsBuild: true,
    },
    nodeTests('pages', 'pages in a browser', testFiles('pages'), browser),
    nodeTests('e2e', 'VS Code in a browser', without(timed, testFiles('e2e')), { ...editor, concurrency: 2 }),
    nodeTests('timed', 'time in VS Code in a browser', timed, editor),
    nodeTests('vsix', 'the packaged extension', testFiles('vsix'), browser),
    nodeTests('webgpu', 'onnxruntime on a GPU that is a program on the CPU', testFiles('webgpu'), {
      env: softwareGpu,
      skip: hasServer ? undefined : 'the packaged browser, which has one, is for Linux x64',
    }),
    ...(torchPython || noTorch ? torchSuites(torchPython ?? '', noTorch) : []),
    ...(tensorflow || noTensorflow ? tensorflowSuites(here, noTensorflow ?? skip24) : []),
  ];
}

/** tfjs-node was written for a Node that is older than both. */
function tensorflowSuites(here = '', skip24?: string): Suite[] {
  const files = testFiles('tensorflow');
  return [
    nodeTests('tensorflow', `the runtime TensorFlow on Node ${here}`, files, { skip: noTensorflow }),
    nodeTests('tensorflow24', 'the runtime TensorFlow on Node 24', files, { node: node24, skip: skip24 }),
  ];
}

/** Both need the embedded engine too, which prepares the data, but from source. */
function torchSuites(python: string, skip?: string): Suite[] {
  const inPython = ['-E', '-B', path.join(checkout, 'test/torch/unit/run.py')];
  return [
    {
      name: 'torch-unit',
      title: 'units of the torch engine',
      argv: [python, ...inPython],
      limitSeconds: 1200,
      kind: 'unittest',
      skip,
    },
    nodeTests('torch', 'the torch engine', testFiles('torch'), { skip }),
  ];
}
