/** A part of the bench: what it is given and what it tells. */
import type { Measure } from './measure.ts';

export interface Setting {
  /** Folders of models with random weights, by name. */
  workplace: Record<'M' | '135M', string>;
  threads: number;
  rounds: number;
}

export interface Told {
  measures: Measure[];
  /** What stands behind the ratios, as Markdown. */
  details: string;
}

export type Part = (setting: Setting) => Promise<Told>;
