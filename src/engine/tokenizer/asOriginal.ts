/**
 * The JavaScript tokenizers library reads a few things otherwise than the original in Rust, which transformers uses.
 * Here a tokenizer is put so that both read the same. Knows tokenizer.json, no text.
 */

type Part = Record<string, unknown>;

/** GPT-2's own way to split, which ByteLevel has built in. */
const byteLevelPattern = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

/**
 * Digits: the library knows 0 to 9 alone, the original every number of Unicode (２, ½, Ⅳ, ➀). ByteLevel: the library's own
 * pattern takes U+FEFF for a blank and U+0085 for none; those it is given it reads as the original does.
 */
export function asOriginal(tokenizer: Part): Part {
  return { ...tokenizer, pre_tokenizer: mended(tokenizer.pre_tokenizer) };
}

function mended(part: unknown): unknown {
  if (!isPart(part)) return part;
  if (part.type === 'Sequence' && Array.isArray(part.pretokenizers))
    return { ...part, pretokenizers: part.pretokenizers.map(mended) };
  if (part.type === 'Digits') return splitAt(part.individual_digits === true ? '\\p{N}' : '\\p{N}+');
  // A blank put before the text would have to be there before it is split.
  if (part.type !== 'ByteLevel' || part.use_regex === false || part.add_prefix_space === true) return part;
  return { type: 'Sequence', pretokenizers: [splitAt(byteLevelPattern), { ...part, use_regex: false }] };
}

const splitAt = (pattern: string): Part => {
  return { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false };
};

/** Bytes become text: the library drops a byte order mark there, which is a character like others. */
export function keepByteOrderMarks(decoder: unknown): void {
  // The library's decoders are functions with properties.
  if (!isPart(decoder)) return;
  if (decoder.text_decoder instanceof TextDecoder) decoder.text_decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  if (Array.isArray(decoder.decoders)) for (const each of decoder.decoders) keepByteOrderMarks(each);
}

const isPart = (value: unknown): value is Part =>
  (typeof value === 'object' || typeof value === 'function') && value !== null;
