/**
 * The arms of the forgetting bench: ways to tune that run in each example with the same settings. Settings were fixed
 * on seed 1; what is reported comes from other seeds. Knows nothing of how a run is started.
 */

/** What an arm sets beside the plain recipe. */
export interface Arm {
  name: string;
  /** One line for the table's legend. */
  what: string;
  method?: Record<string, unknown>;
  adapter?: Record<string, unknown>;
  /** Factor of the recipe's learning rate. */
  rate?: number;
}

export const reportedSeeds = [11, 12, 13];

const replay = { data: 'data/general.replay.txt', share: 0.25 };
const gateUp = { tune: ['gate_proj', 'up_proj'], learning_rate: 5e-4 };

export const arms: Arm[] = [
  { name: 'plain', what: 'everything trains, nothing is held' },
  { name: 'plain, a third of the rate', what: 'the same, more gently', rate: 1 / 3 },
  { name: 'replay', what: 'one row in four is general text', method: { replay } },
  {
    name: 'regularized',
    what: 'KL to the base on the task rows, weight 0.5',
    method: { regularize: { kind: 'kl', weight: 0.5, on: ['task'] } },
  },
  { name: 'narrow', what: 'gate and up of each MLP, at half the rate', method: { narrow: gateUp } },
  {
    name: 'narrow, attention',
    what: 'the attention projections, at half the rate',
    method: { narrow: { tune: ['attention'], learning_rate: 5e-4 } },
  },
  {
    name: 'KL on replay rows',
    what: 'general text beside the task, with KL to the base on it, weight 1',
    method: { replay, regularize: { kind: 'kl', weight: 1, on: ['replay'] } },
  },
  {
    name: 'LoRA',
    what: 'rank 8 on all linear maps, at twice the rate',
    adapter: {
      type: 'lora',
      r: 8,
      alpha: 16,
      target_modules: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
    },
    rate: 2,
  },
  {
    name: 'combination',
    what: 'replay, KL to the base on task and replay rows (weight 0.1), gate and up: the recipes as written',
    method: { replay, regularize: { kind: 'kl', weight: 0.1, on: ['task', 'replay'] }, narrow: gateUp },
  },
];
