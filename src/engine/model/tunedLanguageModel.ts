/**
 * A decoder whose weights live in a state store and are tuned by programs: the one implementation of TuningModel.
 * Compiles a program when a batch of a new shape comes, and keeps it.
 */
import type { Batch } from '../batch.ts';
import { ignoredLabel } from '../batch.ts';
import { EngineError } from '../engineError.ts';
import { type Graph, type Shape, size } from '../graph/graph.ts';
import { loraA, loraB, mergedWeight } from '../methods/lora.ts';
import type { RegularizeSettings, TeacherChoice } from '../methods/regularize.ts';
import type { Program, Runtime, ScalarValues } from '../runtime/runtime.ts';
import type { StateStore } from '../state/stateStore.ts';
import { roundTo } from '../weights/float.ts';
import { type AdamSettings, adamScalars, firstMoment } from './adamw.ts';
import { checkBatch, countTokens, passValues, type StepCounts, trainingValues } from './batchValues.ts';
import { rememberedState } from './continued.ts';
import type { BatchShape } from './decoder.ts';
import { type Decoding, ModelDecoding, type RunDecoding } from './decoding.ts';
import { LossSums } from './lossSums.ts';
import type { ModelConfig } from './modelConfig.ts';
import { accumulator, mergedName, Programs, programKey, type Term } from './programs.ts';
import { type ModelWriter, writeAdapter, writeModel } from './saveModel.ts';
import type { StepMetrics, TuningModel, WeightsName } from './tuningModel.ts';
import type { TuningPlan } from './tuningPlan.ts';

export interface TunedLanguageModelParts {
  config: ModelConfig;
  runtime: Runtime;
  /** Holds every tensor of the model, of the adapter and of the optimizer. */
  state: StateStore;
  /** Shapes of the model's own tensors. */
  shapes: ReadonlyMap<string, Shape>;
  plan: TuningPlan;
  separateBase: ReadonlySet<string>;
  /** False for a model from random weights, which has nothing to be compared with. */
  hasBase: boolean;
  adam: AdamSettings;
  regularize?: RegularizeSettings;
  /** Where the regularizer's base comes from, and why. */
  teacher?: TeacherChoice;
  writer: ModelWriter;
  /** Activations are made again on the way back instead of being kept. */
  recomputes?: boolean;
  /** An adapter is written merged into the model. */
  mergesAdapter: boolean;
}

export class TunedLanguageModel implements TuningModel {
  readonly parameters: number;
  readonly trainedParameters: number;
  readonly trainedNames: string[];
  readonly vocabularySize: number;
  readonly maxPositions: number;
  readonly runtime: { name: string; provider: string; reason: string };
  readonly teacher: TeacherChoice | undefined;
  readonly state: StateStore;
  readonly #parts: TunedLanguageModelParts;
  readonly #compiled = new Map<string, Promise<Program>>();
  #programs: Programs;
  #isSettled = false;
  #hasStepped = false;

  constructor(parts: TunedLanguageModelParts) {
    const { config, plan, runtime, shapes, state } = parts;
    this.#parts = parts;
    this.state = state;
    this.teacher = parts.teacher;
    this.parameters = [...shapes.values()].reduce((sum, shape) => sum + size(shape), 0);
    this.trainedNames = [...plan.trained];
    this.trainedParameters = plan.trained.reduce((sum, name) => sum + size(state.get(name).shape), 0);
    this.vocabularySize = config.vocabularySize;
    this.maxPositions = config.maxPositions;
    this.runtime = { name: runtime.name, provider: runtime.provider, reason: runtime.reason };
    this.#programs = new Programs(this.#programSettings());
  }

  async step(microBatches: Batch[], { learningRate }: { learningRate: number }): Promise<StepMetrics> {
    if (this.#isSettled) throw new EngineError('state', 'The weights are rounded as saved: no step can follow');
    if (!this.state.has(firstMoment(this.trainedNames[0]!))) {
      throw new EngineError('state', 'The model was opened for scoring: no step can be made');
    }
    await this.#leaveProbes(microBatches.length === 1);
    const counts = this.#count(microBatches);
    const scalars = adamScalars(this.state.optimizerStep + 1, learningRate, this.#parts.adam);
    const sums = new LossSums(this.#parts.regularize);
    let gradientNorm: number;
    if (microBatches.length === 1) {
      const [batch] = microBatches as [Batch];
      const program = await this.#program(programKey('step', batch), () => this.#programs.step(batch));
      const outputs = await this.#run(program, trainingValues(batch, counts, this.#parts.regularize), scalars);
      sums.add(batch, outputs);
      gradientNorm = outputs.gradientNorm![0]!;
    } else {
      await this.#accumulate(microBatches, counts, 'objective', sums);
      const update = await this.#program('update', () => this.#programs.update());
      gradientNorm = (await this.#run(update, {}, scalars)).gradientNorm![0]!;
    }
    this.state.optimizerStep += 1;
    return { ...sums.means(counts), gradientNorm };
  }

  async probe(microBatches: Batch[]): Promise<StepMetrics & { penaltyGradientNorm: number }> {
    const counts = this.#count(microBatches);
    const sums = new LossSums(this.#parts.regularize);
    const gradientNorm = await this.#gradientNorm(microBatches, counts, 'objective', sums);
    const penaltyGradientNorm = this.#parts.regularize
      ? await this.#gradientNorm(microBatches, counts, 'penalty', new LossSums(this.#parts.regularize))
      : 0;
    return { ...sums.means(counts), gradientNorm, penaltyGradientNorm };
  }

  async score(batch: Batch, weights: WeightsName): Promise<Float32Array> {
    const outputs = await this.#pass(`score-${weights}`, batch, weights, shape => this.#programs.score(shape, weights));
    return whereLabelled(batch, outputs.crossEntropy!);
  }

  async divergence(batch: Batch): Promise<Float32Array> {
    const outputs = await this.#pass('divergence', batch, 'base', shape => this.#programs.divergence(shape));
    return whereLabelled(batch, outputs.divergence!);
  }

  async logits(batch: Batch, weights: WeightsName): Promise<Float32Array> {
    const outputs = await this.#pass(`logits-${weights}`, batch, weights, shape =>
      this.#programs.logits(shape, weights),
    );
    return outputs.logits!;
  }

  decoding(shape: BatchShape, weights: WeightsName): Decoding {
    this.#refuseBaseOfNone(weights);
    const { config, runtime } = this.#parts;
    const remembered = rememberedState(config, shape);
    const tensors = new Map(
      remembered.names.map(name => [name, runtime.upload(new Float32Array(size(remembered.shape)), remembered.shape)]),
    );
    const state = (name: string) => tensors.get(name) ?? this.state.get(name).tensor;
    const run: RunDecoding = async (kind, values) => {
      const key = programKey(`${kind}-${weights}`, shape);
      const program = await this.#program(key, () => this.#programs[kind](shape, weights));
      return (await program.run(state, values, {})).logits!;
    };
    const close = () => {
      for (const tensor of tensors.values()) runtime.free(tensor);
    };
    return new ModelDecoding(shape, config.vocabularySize, run, close);
  }

  read(name: string): Promise<Float32Array> {
    return this.state.read(name);
  }

  async save(folder: string, info: Record<string, unknown>): Promise<{ bytes: number }> {
    const { plan, writer, mergesAdapter } = this.#parts;
    if (plan.adapter && !mergesAdapter) {
      return writeAdapter(folder, writer, { adapter: plan.adapter, info, read: name => this.state.read(name) });
    }
    return writeModel(folder, writer, { info, read: name => this.#resultingWeight(name) });
  }

  async useSavedPrecision(): Promise<void> {
    if (this.#isSettled) return;
    const { plan, writer, mergesAdapter, state } = { ...this.#parts, state: this.state };
    if (plan.adapter && mergesAdapter) {
      for (const module of plan.adapter.modules) {
        const name = `${module}.weight`;
        const merged = await this.#resultingWeight(name);
        state.add(mergedName(name), 'frozen', state.get(name).shape, roundTo(merged, writer.dtypeOf(name)));
      }
    } else {
      for (const name of plan.trained) await state.write(name, roundTo(await state.read(name), writer.dtypeOf(name)));
    }
    this.#isSettled = true;
    await this.#closePrograms();
    this.#programs = new Programs(this.#programSettings());
  }

  async close(): Promise<void> {
    await this.#closePrograms();
    for (const { name } of this.state.entries()) this.state.remove(name);
    await this.#parts.runtime.close();
  }

  /** A tensor of the tuned model, with the adapter merged in where there is one. */
  async #resultingWeight(name: string): Promise<Float32Array> {
    if (this.state.has(mergedName(name))) return this.state.read(mergedName(name));
    const { adapter } = this.#parts.plan;
    const weight = await this.state.read(name);
    const module = name.replace(/\.weight$/, '');
    if (!adapter?.modules.includes(module)) return weight;
    const [a, b] = [await this.state.read(loraA(module)), await this.state.read(loraB(module))];
    return mergedWeight(weight, a, b, this.state.get(name).shape, adapter);
  }

  async #gradientNorm(batches: Batch[], counts: StepCounts, term: Term, sums: LossSums): Promise<number> {
    await this.#accumulate(batches, counts, term, sums);
    const norm = await this.#program('norm', () => this.#programs.norm());
    return (await this.#run(norm, {}, {})).gradientNorm![0]!;
  }

  async #accumulate(batches: Batch[], counts: StepCounts, term: Term, sums: LossSums): Promise<void> {
    for (const name of this.trainedNames) {
      const { shape } = this.state.get(name);
      if (!this.state.has(accumulator(name))) {
        this.state.add(accumulator(name), 'accumulator', shape, new Float32Array(size(shape)));
      }
    }
    for (const [i, batch] of batches.entries()) {
      const program = await this.#program(programKey(term, batch), () => this.#programs.gradient(batch, term));
      const values = trainingValues(batch, counts, this.#parts.regularize);
      sums.add(batch, await this.#run(program, values, { carry: i === 0 ? 0 : 1 }));
    }
  }

  async #pass(kind: string, batch: Batch, weights: WeightsName, build: (shape: BatchShape) => Graph) {
    this.#refuseBaseOfNone(weights);
    checkBatch(batch, this.#parts.config);
    const program = await this.#program(programKey(kind, batch), () => build(batch));
    return this.#run(program, passValues(batch), {});
  }

  #refuseBaseOfNone(weights: WeightsName): void {
    if (weights === 'tuned' || this.#parts.hasBase) return;
    throw new EngineError('no-base', 'A model from random weights has no base to compare with');
  }

  #count(batches: Batch[]): StepCounts {
    for (const batch of batches) checkBatch(batch, this.#parts.config);
    const counts = countTokens(batches, this.#parts.regularize);
    if (counts.targets === 0) {
      throw new EngineError('no-targets', 'None of the rows of this step has a token to learn from', {
        remedy: 'Look at the loss mask with Check: max_length may cut the answers away.',
      });
    }
    return counts;
  }

  #run(program: Program, values: Parameters<Program['run']>[1], scalars: ScalarValues) {
    return program.run(name => this.state.get(name).tensor, values, scalars);
  }

  #program(key: string, build: () => Graph): Promise<Program> {
    const known = this.#compiled.get(key);
    if (known) return known;
    const program = this.#parts.runtime.compile(build());
    this.#compiled.set(key, program);
    return program;
  }

  /** What only `probe` needs is given back before the first step, with its accumulators where a step has none. */
  async #leaveProbes(isFused: boolean): Promise<void> {
    if (this.#hasStepped) return;
    this.#hasStepped = true;
    const isProbe = (key: string) => key.startsWith('penalty/') || (isFused && /^(objective\/|norm$)/.test(key));
    await this.#closePrograms(isProbe);
    if (isFused) for (const { name } of this.state.entries('accumulator')) this.state.remove(name);
  }

  async #closePrograms(isChosen: (key: string) => boolean = () => true): Promise<void> {
    for (const [key, compiling] of [...this.#compiled]) {
      if (!isChosen(key)) continue;
      this.#compiled.delete(key);
      await (await compiling).close();
    }
  }

  #programSettings() {
    const { config, plan, separateBase, adam, regularize, recomputes } = this.#parts;
    return {
      config,
      plan,
      separateBase,
      adam,
      regularize,
      recomputes,
      isMerged: (name: string) => this.state.has(mergedName(name)),
      shapeOf: (name: string) => this.state.get(name).shape,
    };
  }
}

const whereLabelled = (batch: Batch, values: Float32Array): Float32Array =>
  values.map((value, i) => (batch.labels[i] === ignoredLabel ? 0 : value));
