/** `holdfast doctor`: what a run would find on this machine, and the remedy for what is missing. */
import { existsSync } from 'node:fs';
import { access, constants, statfs } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism, cpus, freemem, totalmem } from 'node:os';
import { join } from 'node:path';
import { exitCodes } from '../../protocol/exitCode.ts';
import { shippedModels } from '../../runs/allowedRoots.ts';
import { checkEngine, engineVersion } from '../../runs/engineFolder.ts';
import { holdfastHome } from '../../runs/home.ts';
import { hubCache } from '../../runs/hubCache.ts';
import { lookAtProviders } from '../../runs/lookAtProviders.ts';
import { chooseNode } from '../../runs/nodePath.ts';
import { nvidiaGpus } from '../../runs/nvidia.ts';
import { errorReport } from '../../runs/runsError.ts';
import { lookAtTensorflow } from '../../runs/tensorflow/lookAtTensorflow.ts';
import { hasTensorflow, tensorflowCommand, tensorflowFolder } from '../../runs/tensorflow/tensorflowFolder.ts';
import { findTorch, type TorchFound } from '../../runs/torchFindings.ts';
import { type Command, flag, jsonOption, text, wrongUse } from '../command.ts';
import { installTensorflow, takeTensorflowAway } from '../installTensorflow.ts';
import { installTorch } from '../installTorch.ts';
import { ownEngineFolder, storeHere } from '../machine.ts';
import type { Output } from '../output.ts';
import { bytes, table } from '../table.ts';

interface Finding {
  what: string;
  /** `no` keeps runs from starting; `info` never does. */
  state: 'ok' | 'no' | 'info';
  found: string;
  remedy?: string;
}

export const doctor: Command = {
  name: 'doctor',
  summary: 'What a run would find on this machine.',
  usage: '[--install torch|tensorflow | --remove tensorflow] [--yes] [--json]',
  options: {
    install: {
      type: 'string',
      value: 'torch|tensorflow',
      help: 'Set up what the torch engine needs, or TensorFlow for the embedded engine; asks first.',
    },
    remove: { type: 'string', value: 'tensorflow', help: 'Take it away again; asks first.' },
    yes: { type: 'boolean', short: 'y', help: 'Do not ask.' },
    ...jsonOption,
  },
  async run({ positionals, values, output }) {
    if (positionals.length > 0) throw wrongUse(doctor, `It takes no "${positionals[0]}"`);
    const change = changeFor(text(values, 'install'), text(values, 'remove'));
    if (change && !(await change(output, flag(values, 'yes')))) return exitCodes.stopped;
    const engineFolder = ownEngineFolder();
    const gpus = await nvidiaGpus();
    const findings = [
      await node(),
      engine(engineFolder),
      runtime(engineFolder),
      ...(await providers(engineFolder, gpus.length > 0)),
      await tensorflow(gpus.length > 0),
      model(engineFolder),
      processors(),
      gpu(gpus),
      ...(await torch(gpus.length > 0)),
      await store(),
      { what: 'home', state: 'info' as const, found: holdfastHome() },
      {
        what: 'hub cache',
        state: 'info' as const,
        found: `${hubCache()}${existsSync(hubCache()) ? '' : ' (not there yet)'}`,
      },
    ];
    output.answer(findings);
    const marks = { ok: '✓', no: '✗', info: '·' };
    output.line(
      table(
        [{ title: '' }, { title: 'what' }, { title: 'found' }],
        findings.map(({ what, state, found }) => [marks[state], what, found]),
      ),
    );
    for (const { what, remedy } of findings) if (remedy) output.line(`\n${what}: ${remedy}`);
    return findings.some(({ state }) => state === 'no') ? exitCodes.environment : exitCodes.done;
  },
};

type Change = (output: Output, isAgreedBefore: boolean) => Promise<boolean>;
const installs: Record<string, Change> = { torch: installTorch, tensorflow: installTensorflow };
const removals: Record<string, Change> = { tensorflow: takeTensorflowAway };

function changeFor(install: string | undefined, remove: string | undefined): Change | undefined {
  if (install !== undefined && remove !== undefined) throw wrongUse(doctor, 'Give --install or --remove, not both');
  for (const [option, word, known] of [
    ['--install', install, installs],
    ['--remove', remove, removals],
  ] as const) {
    if (word === undefined) continue;
    if (Object.hasOwn(known, word)) return known[word];
    throw wrongUse(doctor, `${option} knows ${Object.keys(known).join(' and ')}, not "${word}"`);
  }
  return undefined;
}

async function node(): Promise<Finding> {
  try {
    const { path, reason } = await chooseNode(process.env.HOLDFAST_NODE);
    return { what: 'node', state: 'ok', found: `${path}: ${reason}` };
  } catch (error) {
    const { message, remedy } = errorReport(error);
    return { what: 'node', state: 'no', found: message, remedy };
  }
}

function engine(folder: string): Finding {
  try {
    checkEngine(folder);
    return { what: 'engine', state: 'ok', found: `${engineVersion(folder)} in ${folder}` };
  } catch (error) {
    const { message, remedy } = errorReport(error);
    return { what: 'engine', state: 'no', found: message, remedy };
  }
}

function runtime(folder: string): Finding {
  try {
    const require = createRequire(join(folder, 'trainer.cjs'));
    const manifest = require('onnxruntime-node/package.json') as { version: string };
    require('onnxruntime-node');
    return { what: 'runtime', state: 'ok', found: `onnxruntime ${manifest.version} on cpu` };
  } catch (error) {
    const found = `onnxruntime-node does not load: ${errorReport(error).message.split('\n')[0]}`;
    const remedy = `There are binaries for Linux (glibc) and Windows on x64 and arm64, and macOS on arm64; this is ${process.platform} ${process.arch}. Install again with: npm ci`;
    return { what: 'runtime', state: 'no', found, remedy };
  }
}

/** Runs compute on the CPU unless their recipe names one of these; what a GPU lacks is of interest where there is one. */
async function providers(folder: string, hasNvidia: boolean): Promise<Finding[]> {
  return (await lookAtProviders(folder)).map(look => {
    const what = look.provider;
    if (look.isOpen) return { what, state: 'ok', found: `opens, by ${look.adapter}; for runs with provider: ${what}` };
    const isOfInterest = what !== 'cuda' || hasNvidia;
    return { what, state: 'info', found: look.reason, ...(isOfInterest && { remedy: look.remedy }) };
  });
}

/** Runs do without it: what keeps it from working is no reason to complain, unless it is there. */
async function tensorflow(hasNvidia: boolean): Promise<Finding> {
  const folder = tensorflowFolder();
  if (!hasTensorflow(folder)) {
    const remedy = hasNvidia ? `The embedded engine computes on the GPU with: ${tensorflowCommand}` : undefined;
    return { what: 'tensorflow', state: 'info', found: 'not set up; runs compute with onnxruntime', remedy };
  }
  try {
    const { version, gpu } = await lookAtTensorflow(folder);
    const found = `TensorFlow ${version} on ${gpu ? 'the GPU' : 'the CPU'}, in ${folder}`;
    if (!hasNvidia || gpu) return { what: 'tensorflow', state: 'ok', found };
    const remedy = `It does not use the GPU that is there. For libraries with CUDA: ${tensorflowCommand}`;
    return { what: 'tensorflow', state: 'info', found, remedy };
  } catch (error) {
    const { message, remedy } = errorReport(error);
    return { what: 'tensorflow', state: 'info', found: `${message} (${folder})`, remedy };
  }
}

function model(folder: string): Finding {
  const models = shippedModels(folder);
  const tiny = models && join(models, 'holdfast-tiny');
  if (tiny && existsSync(join(tiny, 'config.json'))) return { what: 'model', state: 'ok', found: tiny };
  const remedy = 'Recipes that name holdfast-tiny will not run; in a checkout it is made by: npm run make:model';
  return { what: 'model', state: 'info', found: 'the shipped model is not there', remedy };
}

function processors(): Finding {
  const { HOLDFAST_THREADS } = process.env;
  const threads = HOLDFAST_THREADS
    ? `${HOLDFAST_THREADS} threads (HOLDFAST_THREADS)`
    : `${availableParallelism()} threads`;
  const memory = `${bytes(freemem())} of ${bytes(totalmem())} free`;
  return { what: 'processor', state: 'ok', found: `${cpus()[0]?.model.trim() ?? process.arch}, ${threads}, ${memory}` };
}

function gpu(gpus: string[]): Finding {
  const found = gpus.length > 0 ? `${gpus.join('; ')} (for the torch engine, or TensorFlow)` : 'no NVIDIA GPU found';
  return { what: 'gpu', state: 'info', found };
}

/** Runs of the embedded engine do without. */
async function torch(hasNvidia: boolean): Promise<Finding[]> {
  const { HOLDFAST_PYTHON } = process.env;
  try {
    const { python, found, trouble, extras } = await findTorch(
      HOLDFAST_PYTHON ? { setting: HOLDFAST_PYTHON } : {},
      hasNvidia,
    );
    return [
      { what: 'python', state: 'ok', found: `${python.path}: ${python.reason}` },
      { what: 'torch', state: trouble ? 'info' : 'ok', found: trouble?.what ?? found, remedy: trouble?.remedy },
      ...extras.map(extraFinding),
    ];
  } catch (error) {
    const { message, remedy } = errorReport(error);
    return [{ what: 'torch', state: 'info', found: `${message}; the embedded engine needs none`, remedy }];
  }
}

function extraFinding({ what, found, for: settings, remedy }: TorchFound['extras'][number]): Finding {
  if (found !== null) return { what, state: 'ok', found: `${found}, for ${settings}` };
  return { what, state: 'info', found: `not there; needed for ${settings}`, remedy };
}

async function store(): Promise<Finding> {
  const { folder, root } = storeHere();
  const existing = existsSync(folder) ? folder : root;
  try {
    await access(existing, constants.W_OK);
    const { bavail, bsize } = await statfs(existing);
    return { what: 'store', state: 'ok', found: `${folder}, ${bytes(bavail * bsize)} free` };
  } catch (error) {
    const remedy = 'Give yourself the right to write there, or set HOLDFAST_RUNS_FOLDER to another folder.';
    return { what: 'store', state: 'no', found: `${folder}: ${errorReport(error).message}`, remedy };
  }
}
