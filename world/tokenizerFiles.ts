/** The tokenizer as files in Hugging Face layout: `tokenizer.json` and `tokenizer_config.json`. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bpe } from './bpe.ts';

export const endToken = '<|end|>';

/** Talk in the world's own layout: a customer asks, an agent answers. */
const chatTemplate =
  "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}" +
  "{{ 'Customer: ' + message['content'] + '\\n' }}{% else %}{{ 'Agent: ' + message['content'] + eos_token }}" +
  "{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'Agent:' }}{% endif %}";

export function writeTokenizer(folder: string, bpe: Bpe, maxPositions: number): void {
  mkdirSync(folder, { recursive: true });
  writeJson(join(folder, 'tokenizer.json'), tokenizerJson(bpe));
  writeJson(join(folder, 'tokenizer_config.json'), {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: endToken,
    eos_token: endToken,
    pad_token: endToken,
    add_bos_token: true,
    add_eos_token: false,
    clean_up_tokenization_spaces: false,
    model_max_length: maxPositions,
    chat_template: chatTemplate,
  });
}

function tokenizerJson(bpe: Bpe): object {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [
      { id: 0, content: endToken, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
    ],
    normalizer: null,
    pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel] },
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: endToken, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [
        { SpecialToken: { id: endToken, type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { Sequence: { id: 'B', type_id: 0 } },
      ],
      special_tokens: { [endToken]: { id: endToken, ids: [0], tokens: [endToken] } },
    },
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(bpe.tokens.map((token, id) => [token, id])),
      merges: bpe.merges,
    },
  };
}

function writeJson(file: string, value: object): void {
  writeFileSync(file, `${JSON.stringify(value, null, 1)}\n`);
}
