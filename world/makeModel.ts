/**
 * `npm run make:model`: makes models/holdfast-tiny from nothing but a seed. Writes the corpus, trains the tokenizer,
 * trains the model on our own engine, scores it and writes its card. Keeps checkpoints in world/work: started
 * again after an interruption, it goes on where it was.
 */
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { openFreshModel } from '../src/engine/model/openTuningModel.ts';
import type { TuningModel } from '../src/engine/model/tuningModel.ts';
import { trainBpe } from './bpe.ts';
import { corpus, everythingRead } from './corpus.ts';
import { type CurvePoint, modelCard } from './modelCard.ts';
import { packRows, toBatch } from './packing.ts';
import { factProbe, generalProbe, grammarProbe, sumProbe } from './probes.ts';
import { Random } from './random.ts';
import { type Scores, scoreModel } from './scores.ts';
import { endToken, writeTokenizer } from './tokenizerFiles.ts';

const seed = 1;
const length = 128;
const batchRows = 32;
/** A long cosine, then a short one from half the height: it settles what the first left unsure, the carries of sums. */
const cycles = [
  { steps: 2000, peakRate: 2e-3 },
  { steps: 400, peakRate: 1e-3 },
];
const steps = cycles.reduce((sum, cycle) => sum + cycle.steps, 0);
const warmupSteps = 100;
/** The rate falls to this share of a cycle's peak. */
const lastRateShare = 0.03;
const checkpointEvery = 150;
const reportEvery = 10;
const endId = 0;

const vocabularySize = 1024;
const config = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: vocabularySize,
  hidden_size: 192,
  intermediate_size: 512,
  num_hidden_layers: 4,
  num_attention_heads: 6,
  num_key_value_heads: 3,
  head_dim: 32,
  hidden_act: 'silu',
  max_position_embeddings: 256,
  rope_theta: 10000,
  rms_norm_eps: 1e-6,
  initializer_range: 0.02,
  tie_word_embeddings: true,
  attention_bias: false,
  mlp_bias: false,
  bos_token_id: endId,
  eos_token_id: endId,
  pad_token_id: endId,
  use_cache: true,
};
const train = { weight_decay: 0.01, adam_beta1: 0.9, adam_beta2: 0.98, adam_epsilon: 1e-8, max_grad_norm: 1 };

const root = resolve(dirname(process.argv[1]!), '..');
const work = join(root, 'world', 'work');
const target = join(root, 'models', 'holdfast-tiny');
const curveFile = join(work, 'curve.ndjson');

async function main(): Promise<void> {
  const documents = corpus(seed);
  const bpe = trainBpe(documents, vocabularySize, [endToken]);
  const tokenizerFolder = join(work, 'tokenizer');
  writeTokenizer(tokenizerFolder, bpe, config.max_position_embeddings);

  const ids = documents.map(text => [endId, ...bpe.encode(text), endId]);
  const rows = new Random(seed, 'order').shuffle(packRows(ids, length));
  say(`${documents.length} documents, ${ids.flat().length} tokens, ${rows.length} rows of ${length}`);

  const model = await openFreshModel({ config, seed, train, tokenizerFolder, dtype: 'f16' });
  say(`${model.parameters} parameters on ${model.runtime.name} (${model.runtime.provider})`);
  await pretrain(model, rows);

  await model.useSavedPrecision();
  const read = everythingRead(documents);
  const probes = {
    general: generalProbe(read),
    facts: factProbe(),
    arithmetic: sumProbe(),
    grammar: grammarProbe(read),
  };
  const scores = await scoreModel(model, bpe.encode, endId, probes);
  say(JSON.stringify(scores));
  await write(model, scores);
  await model.close();
}

async function pretrain(model: TuningModel, rows: number[][][]): Promise<void> {
  const first = await resume(model);
  const started = Date.now();
  let tokens = 0;
  for (let step = first; step < steps; step++) {
    const taken = Array.from({ length: batchRows }, (_, i) => rows[(step * batchRows + i) % rows.length]!);
    const batch = toBatch(taken, length);
    const { loss, gradientNorm } = await model.step([batch], { learningRate: rateAt(step) });
    if (!Number.isFinite(loss)) throw new Error(`The loss of step ${step} is ${loss}`);
    tokens += batchRows * length;
    if (step % reportEvery === 0 || step === steps - 1) {
      const seconds = (Date.now() - started) / 1000;
      const left = (seconds / (step + 1 - first)) * (steps - step - 1);
      say(
        `step ${step} of ${steps}  loss ${loss.toFixed(3)}  norm ${gradientNorm.toFixed(2)}  ` +
          `${Math.round(tokens / seconds)} tokens/s  ${Math.ceil(left / 60)} min left`,
      );
      const point: CurvePoint = { step, tokens: (step + 1) * batchRows * length, loss };
      appendFileSync(curveFile, `${JSON.stringify(point)}\n`);
    }
    if ((step + 1) % checkpointEvery === 0 || step + 1 === steps) await keep(model, step + 1);
  }
}

/** In each cycle a linear warm-up, then a cosine to a small share of the peak. */
function rateAt(step: number): number {
  let within = step;
  for (const cycle of cycles) {
    if (within < cycle.steps) {
      const warm = Math.min(1, (within + 1) / warmupSteps);
      const cosine = 0.5 * (1 + Math.cos((Math.PI * within) / cycle.steps));
      return cycle.peakRate * warm * (lastRateShare + (1 - lastRateShare) * cosine);
    }
    within -= cycle.steps;
  }
  return 0;
}

/** The step to go on with: that of the newest checkpoint, or 0. */
async function resume(model: TuningModel): Promise<number> {
  const newest = checkpoints().at(-1);
  if (newest === undefined) {
    mkdirSync(work, { recursive: true });
    writeFileSync(curveFile, '');
    return 0;
  }
  await model.state.load(checkpointFolder(newest));
  say(`goes on from step ${newest}`);
  const points = readCurve().filter(point => point.step < newest);
  writeFileSync(curveFile, points.map(point => `${JSON.stringify(point)}\n`).join(''));
  return newest;
}

async function keep(model: TuningModel, step: number): Promise<void> {
  const older = checkpoints();
  model.state.counters = { step };
  await model.state.dump(checkpointFolder(step));
  for (const old of older) rmSync(checkpointFolder(old), { recursive: true });
}

function checkpointFolder(step: number): string {
  return join(work, `step-${step}`);
}

function checkpoints(): number[] {
  if (!existsSync(work)) return [];
  const found = readdirSync(work).flatMap(name => /^step-(\d+)$/.exec(name)?.[1] ?? []);
  return found.map(Number).sort((a, b) => a - b);
}

function readCurve(): CurvePoint[] {
  const lines = readFileSync(curveFile, 'utf8').trim().split('\n');
  return lines.filter(line => line !== '').map(line => JSON.parse(line) as CurvePoint);
}

async function write(model: TuningModel, scores: Scores): Promise<void> {
  rmSync(target, { recursive: true, force: true });
  mkdirSync(dirname(target), { recursive: true });
  const { bytes } = await model.save(target, { madeBy: 'npm run make:model', seed, steps });
  writeJson(join(target, 'generation_config.json'), { bos_token_id: endId, eos_token_id: endId, pad_token_id: endId });
  const curve = readCurve().filter(point => point.step % 100 === 0 || point.step === steps - 1);
  const tokens = steps * batchRows * length;
  writeFileSync(
    join(target, 'README.md'),
    modelCard({ parameters: model.parameters, seed, steps, tokens, cycles, batchRows, length, curve, scores }),
  );
  say(`wrote ${target}, ${(bytes / 1e6).toFixed(1)} MB`);
}

function writeJson(file: string, value: object): void {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`);
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

await main();
