/** The stop rules of a run, with what its journal says they have seen up to the step where this attempt takes up. */
import { StopRules } from '../domain/stopRules.ts';
import { readJournal } from '../runs/journal.ts';
import type { RunFolder } from '../runs/runFolder.ts';

export async function recallRules(run: RunFolder, texts: readonly string[] = [], step: number): Promise<StopRules> {
  const rules = new StopRules(texts);
  if (texts.length === 0 || step === 0) return rules;
  for await (const { records } of readJournal(run)) for (const record of records) rules.judge(record);
  rules.rewind(step);
  return rules;
}
