/**
 * Text to token ids and back, as the tokenizer files of a Hugging Face folder say: special tokens, whether BOS and EOS
 * are added, the chat template. Knows nothing of rows, masks or models.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Tokenizer as HubTokenizer } from '@huggingface/tokenizers';
import { EngineError } from '../engineError.ts';
import { asOriginal, keepByteOrderMarks } from './asOriginal.ts';
import { ChatTemplate } from './chatTemplate.ts';

export interface Tokenizer {
  /** The text's own tokens, without BOS and EOS. Special tokens written in the text are recognised. */
  encode(text: string): number[];
  /** The same with BOS and EOS where the tokenizer's configuration adds them. */
  encodeDocument(text: string): number[];
  decode(ids: readonly number[]): string;
  readonly bosId: number | null;
  readonly eosId: number | null;
  readonly addsBos: boolean;
  readonly addsEos: boolean;
  /** Tokens that end an answer. */
  readonly stopIds: ReadonlySet<number>;
  /** Highest id + 1. */
  readonly size: number;
  readonly template: ChatTemplate | null;
  /** Where the folder has another one for conversations with tools. */
  readonly toolTemplate: ChatTemplate | null;
  /** SHA-256 of what decides how text becomes ids. */
  readonly fingerprint: string;
}

interface TokenizerFiles {
  tokenizer: Record<string, unknown>;
  config: Record<string, unknown>;
  templateText: string | null;
  toolTemplateText: string | null;
  generation: Record<string, unknown>;
}

export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  const files = await readFiles(folder);
  const file = join(folder, 'tokenizer.json');
  let hub: HubTokenizer;
  try {
    hub = new HubTokenizer(asOriginal(files.tokenizer), files.config);
    keepByteOrderMarks((hub as unknown as { decoder?: unknown }).decoder);
  } catch (cause) {
    throw new EngineError('tokenizer-unreadable', `The tokenizer cannot be used: ${message(cause)}`, {
      file,
      remedy: saveAgain,
      cause,
    });
  }

  const idOf = (token: string | null): number | null => (token === null ? null : (hub.token_to_id(token) ?? null));
  const bosId = idOf(tokenText(files.config.bos_token));
  const eosId = idOf(tokenText(files.config.eos_token));
  const added = addedAround(hub);
  const addsBos = flag(files.config.add_bos_token) ?? (bosId !== null && added.first === bosId);
  const addsEos = flag(files.config.add_eos_token) ?? (eosId !== null && added.last === eosId);
  if ((addsBos && bosId === null) || (addsEos && eosId === null)) {
    throw new EngineError('tokenizer-unreadable', 'The tokenizer adds BOS or EOS but does not say which token it is', {
      file: join(folder, 'tokenizer_config.json'),
      remedy: 'Set bos_token and eos_token in tokenizer_config.json.',
    });
  }

  const stopIds = new Set([...(eosId === null ? [] : [eosId]), ...idList(files.generation.eos_token_id)]);
  const ends = [...stopIds].map(id => hub.decode([id], { clean_up_tokenization_spaces: false }));
  const templateOf = (text: string | null): ChatTemplate | null =>
    text === null ? null : new ChatTemplate(text, specialTexts(files.config), ends);
  const encode = (text: string): number[] => encodeText(hub, text, file);
  return {
    encode,
    encodeDocument: text => [...(addsBos ? [bosId!] : []), ...encode(text), ...(addsEos ? [eosId!] : [])],
    decode: ids => (ids.length === 0 ? '' : hub.decode([...ids], { clean_up_tokenization_spaces: false })),
    bosId,
    eosId,
    addsBos,
    addsEos,
    stopIds,
    size: 1 + highestId(hub),
    template: templateOf(files.templateText),
    toolTemplate: templateOf(files.toolTemplateText),
    fingerprint: fingerprint(files, addsBos, addsEos),
  };
}

/** A tokenizer may know fewer ids than the model has rows (padding), never more, and not far fewer. */
export function checkVocabulary(tokenizer: Tokenizer, vocabularySize: number, folder: string): void {
  if (tokenizer.size <= vocabularySize && tokenizer.size > vocabularySize / 2) return;
  throw new EngineError(
    'tokenizer-mismatch',
    `The tokenizer has ${tokenizer.size} tokens, the model's vocabulary ${vocabularySize}: they do not belong together`,
    {
      file: join(folder, 'tokenizer.json'),
      remedy: 'Put the tokenizer files that came with this model into its folder.',
    },
  );
}

/** transformers' name of the template for conversations with tools. */
const toolUse = 'tool_use';

async function readFiles(folder: string): Promise<TokenizerFiles> {
  const tokenizer = await readJson(join(folder, 'tokenizer.json'));
  if (tokenizer === null) {
    throw new EngineError('tokenizer-missing', 'The model folder has no tokenizer.json', {
      file: join(folder, 'tokenizer.json'),
      remedy: 'Save it with transformers: AutoTokenizer.from_pretrained(…).save_pretrained(…).',
    });
  }
  const map = (await readJson(join(folder, 'special_tokens_map.json'))) ?? {};
  const config = { ...map, ...((await readJson(join(folder, 'tokenizer_config.json'))) ?? {}) };
  const own = await readText(join(folder, 'chat_template.jinja'));
  const ownOfTools = await readText(join(folder, 'additional_chat_templates', `${toolUse}.jinja`));
  const generation = (await readJson(join(folder, 'generation_config.json'))) ?? {};
  return {
    tokenizer,
    config,
    templateText: own ?? configuredTemplate(config.chat_template, 'default'),
    toolTemplateText: ownOfTools ?? configuredTemplate(config.chat_template, toolUse),
    generation,
  };
}

async function readText(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return null;
    throw new EngineError('file-unreadable', `Cannot read ${file}: ${message(cause)}`, { file, cause });
  }
}

async function readJson(file: string): Promise<Record<string, unknown> | null> {
  const text = await readText(file);
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (cause) {
    throw unreadable(file, `is not JSON: ${message(cause)}`, cause);
  }
  throw unreadable(file, 'holds no JSON object');
}

const saveAgain = 'Save the tokenizer again with transformers: AutoTokenizer.from_pretrained(…).save_pretrained(…).';

const unreadable = (file: string, what: string, cause?: unknown): EngineError =>
  new EngineError('tokenizer-unreadable', `${basename(file)} ${what}`, { file, remedy: saveAgain, cause });

/** `chat_template` is a text, or a list of named ones. */
function configuredTemplate(value: unknown, name: 'default' | typeof toolUse): string | null {
  if (typeof value === 'string') return name === 'default' ? value : null;
  if (!Array.isArray(value)) return null;
  const named = value.find(entry => (entry as { name?: unknown } | null)?.name === name) as
    | { template?: unknown }
    | undefined;
  return typeof named?.template === 'string' ? named.template : null;
}

/** What the post-processor puts before and after a text; null where it adds nothing. */
function addedAround(hub: HubTokenizer): { first: number | null; last: number | null } {
  const plain = hub.encode('a', { add_special_tokens: false }).ids;
  const full = hub.encode('a').ids;
  if (full.length <= plain.length) return { first: null, last: null };
  const first = full[0] !== plain[0] ? full[0]! : null;
  const last = full.at(-1) !== plain.at(-1) ? full.at(-1)! : null;
  return { first, last };
}

function encodeText(hub: HubTokenizer, text: string, file: string): number[] {
  if (text === '') return [];
  const { ids, tokens } = hub.encode(text, { add_special_tokens: false });
  const unknown = ids.findIndex(id => !Number.isInteger(id));
  if (unknown >= 0) {
    throw new EngineError(
      'tokenizer-unknown-text',
      `The tokenizer has no token for ${JSON.stringify(tokens[unknown])}`,
      {
        file,
        remedy: 'Use a tokenizer with byte fallback or an unknown token, or remove these characters from the data.',
      },
    );
  }
  return ids;
}

/** A loop, because a vocabulary has too many entries for arguments of one call. */
function highestId(hub: HubTokenizer): number {
  let highest = -1;
  for (const id of hub.get_vocab(true).values()) highest = Math.max(highest, id);
  return highest;
}

function specialTexts(config: Record<string, unknown>): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const name of ['bos_token', 'eos_token', 'unk_token', 'pad_token']) {
    const text = tokenText(config[name]);
    if (text !== null) texts[name] = text;
  }
  return texts;
}

/** Special tokens are written as a text or as an AddedToken object. */
function tokenText(value: unknown): string | null {
  if (typeof value === 'string') return value;
  const content = (value as { content?: unknown } | null | undefined)?.content;
  return typeof content === 'string' ? content : null;
}

const flag = (value: unknown): boolean | undefined => (typeof value === 'boolean' ? value : undefined);

function idList(value: unknown): number[] {
  return (Array.isArray(value) ? value : [value]).filter((id): id is number => Number.isInteger(id));
}

function fingerprint(files: TokenizerFiles, addsBos: boolean, addsEos: boolean): string {
  const { tokenizer, templateText, toolTemplateText, config } = files;
  const parts = [tokenizer, templateText, addsBos, addsEos, config.bos_token, config.eos_token];
  if (toolTemplateText !== null) parts.push(toolTemplateText);
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

const message = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));
