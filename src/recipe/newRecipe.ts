/** The text of a starter recipe: everything a first run needs, forgetting watched from the start. Knows no files. */

const starterFiles = {
  train: 'data/train.jsonl',
  eval: 'data/eval.jsonl',
  probe: 'data/general.txt',
  replay: 'data/general.replay.txt',
} as const;

export interface StarterRecipe {
  /** Small letters, digits and `-`. */
  name: string;
  model?: string;
}

export function starterRecipe({ name, model = 'holdfast-tiny' }: StarterRecipe): string {
  return `# What this run teaches, and what must not be lost on the way.
name: ${name}
model: ${model}                    # shipped; or a folder in Hugging Face layout, or org/name

data:
  train: ${starterFiles.train}              # rows with text, prompt and completion, or messages; or a txt file
  eval: ${starterFiles.eval}                # held-out rows of the same kind: they measure what was learned

${starterRetain}
# Each part works alone, or with the others; the lenses above try them one by one.
method:
  regularize: { kind: kl, weight: 0.5 }   # stay close to the base model's own predictions
  # replay: { data: ${starterFiles.replay}, share: 0.2 }             # rows of the old kind beside the new ones
  # narrow: { tune: [gate_proj, up_proj], learning_rate: 2.0e-3 }   # train few of the weights

train:
  max_steps: 200
  batch_size: 8
  max_length: 128
  learning_rate: 1.0e-3
  warmup_steps: 20
  seed: 1

evaluate: { every: 50 }
checkpoint: { every: 50 }
`;
}

/** Watches one kind of text, with a path that the user can correct. */
export const starterRetain = `retain:                                  # what must not be lost, and how much of it may be
  probes:
    general: { file: ${starterFiles.probe}, budget: { nats: 0.05 } }   # held-out text of the old kind; never trained on
  # auto: { budget: { nats: 0.05 } }    # needs no data: judges by texts that the base writes itself
  prompts:
    - "Write a prompt here that the model answers well today."
`;
