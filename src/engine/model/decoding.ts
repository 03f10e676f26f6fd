/**
 * Texts that grow token by token, several side by side. Knows which token stands in which column and which columns
 * belong to one text; the graphs keep the keys and values. Chooses no token and knows no words.
 */
import { EngineError } from '../engineError.ts';
import type { BatchValues } from '../runtime/runtime.ts';
import type { BatchShape } from './decoder.ts';

export interface NextToken {
  id: number;
  /** A new text begins with it: it sees nothing of what stands before it in its row. */
  begins?: boolean;
}

export interface Decoding {
  readonly rows: number;
  /** Begins every row with a text; (B, V) logits behind each. Rows beyond those given stay without. */
  begin(texts: readonly (readonly number[])[]): Promise<Float32Array>;
  /** One more token a row; null: the row is done. (B, V) logits behind them. */
  next(tokens: readonly (NextToken | null)[]): Promise<Float32Array>;
  close(): void;
}

export type RunDecoding = (kind: 'begin' | 'next', values: BatchValues) => Promise<Float32Array>;

export class ModelDecoding implements Decoding {
  readonly #shape: BatchShape;
  readonly #vocabulary: number;
  readonly #run: RunDecoding;
  readonly #close: () => void;
  /** (B, C): which text of its row a column belongs to, from 1; 0: none yet. */
  readonly #texts: Int32Array;
  /** By row: columns in use, the text it is at, and tokens of that. */
  readonly #used: Int32Array;
  readonly #text: Int32Array;
  readonly #length: Int32Array;

  constructor(shape: BatchShape, vocabulary: number, run: RunDecoding, close: () => void) {
    const { rows, length } = shape;
    this.#shape = shape;
    this.#vocabulary = vocabulary;
    this.#run = run;
    this.#close = close;
    this.#texts = new Int32Array(rows * length);
    [this.#used, this.#text, this.#length] = [new Int32Array(rows), new Int32Array(rows), new Int32Array(rows)];
  }

  get rows(): number {
    return this.#shape.rows;
  }

  begin(texts: readonly (readonly number[])[]): Promise<Float32Array> {
    if (texts.every(text => text.length === 1)) return this.next(texts.map(([id]) => ({ id: id!, begins: true })));
    const { rows, length } = this.#shape;
    const cells = rows * length;
    const [ids, positions, last] = [new Int32Array(cells), new Int32Array(cells), new Int32Array(rows)];
    for (const [row, text] of texts.entries()) {
      for (const [i, id] of text.entries()) {
        const cell = this.#take(row, { id, begins: i === 0 });
        ids[cell] = id;
        positions[cell] = i;
      }
      last[row] = row * length + text.length - 1;
    }
    return this.#run('begin', { ids, positions, segments: this.#texts, last });
  }

  next(tokens: readonly (NextToken | null)[]): Promise<Float32Array> {
    const { rows, length } = this.#shape;
    const [ids, positions, at] = [new Int32Array(rows), new Int32Array(rows), new Int32Array(rows)];
    for (const [row, token] of tokens.entries()) {
      if (!token) continue;
      at[row] = this.#take(row, token) - row * length;
      ids[row] = token.id;
      positions[row] = this.#length[row]! - 1;
    }
    return this.#run('next', { ids, positions, text: this.#text, texts: this.#texts, at });
  }

  close(): void {
    this.#close();
  }

  /** The cell (b · C + c) that the token goes into. */
  #take(row: number, { id, begins }: NextToken): number {
    if (id < 0 || id >= this.#vocabulary) {
      throw new EngineError('token-out-of-range', `Token ${id} is outside the model's vocabulary`);
    }
    const { length } = this.#shape;
    if (this.#used[row]! >= length) throw new EngineError('sequence-too-long', `A row holds ${length} tokens`);
    if (begins) {
      this.#text[row]! += 1;
      this.#length[row] = 0;
    }
    this.#length[row]! += 1;
    const cell = row * length + this.#used[row]!;
    this.#used[row]! += 1;
    this.#texts[cell] = this.#text[row]!;
    return cell;
  }
}
