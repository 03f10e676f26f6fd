/**
 * Scores of a model that nothing has changed, the base or the tuned one before its first step: each item is scored once
 * and kept in a cache folder that runs share. A file that does not verify is scored again. Knows nothing of what the
 * scores are compared with.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from '../atomicFile.ts';
import { digest } from './fingerprints.ts';
import type { ItemScore } from './itemScores.ts';

interface CacheFile {
  key: string;
  /** By place in the set; items not scored yet are absent. */
  scores: Record<number, ItemScore>;
  sha256: string;
}

export class BaseScores {
  readonly #file: string;
  readonly #key: string;
  readonly #scores: Map<number, ItemScore>;

  private constructor(file: string, key: string, scores: Map<number, ItemScore>) {
    this.#file = file;
    this.#key = key;
    this.#scores = scores;
  }

  /** `key` stands for everything that decides the scores: model, set, tokenizer, scorer, runtime. */
  static async open(cacheFolder: string, key: string): Promise<BaseScores> {
    const file = join(cacheFolder, 'base-scores', `${key}.json`);
    return new BaseScores(file, key, await readVerified(file, key));
  }

  /** Scores of these items, in this order; `score` is asked for the missing ones and what it finds is kept. */
  async of(places: number[], score: (missing: number[]) => Promise<ItemScore[]>): Promise<ItemScore[]> {
    const missing = places.filter(place => !this.#scores.has(place));
    if (missing.length > 0) {
      for (const [i, found] of (await score(missing)).entries()) this.#scores.set(missing[i]!, found);
      await this.#write();
    }
    return places.map(place => this.#scores.get(place)!);
  }

  async #write(): Promise<void> {
    const scores = Object.fromEntries([...this.#scores].sort(([a], [b]) => a - b));
    const file: CacheFile = { key: this.#key, scores, sha256: digest(scores) };
    await writeAtomic(this.#file, JSON.stringify(file));
  }
}

async function readVerified(file: string, key: string): Promise<Map<number, ItemScore>> {
  try {
    const found = JSON.parse(await readFile(file, 'utf8')) as CacheFile;
    if (found.key !== key || found.sha256 !== digest(found.scores)) return new Map();
    return new Map(Object.entries(found.scores).map(([place, score]) => [Number(place), score]));
  } catch {
    // Missing, torn or of another make: a cache may always be made anew.
    return new Map();
  }
}
