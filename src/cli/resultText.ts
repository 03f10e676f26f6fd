/** A result for people: what was learned, what was forgotten with the verdict in words, what it cost. */
import {
  durationText,
  formatInterval,
  formatNumber,
  setSentence,
  statusWord,
  verdictNote,
  verdictWord,
} from '../domain/words.ts';
import type { RunResult } from '../protocol/result.ts';
import { bytes, table } from './table.ts';

export function resultText(result: RunResult): string {
  const lines = [`${result.name} (${result.variant}): ${statusWord(result.status)} at step ${result.steps}`, ''];
  lines.push(table([{ title: 'what' }, { title: 'value' }], rows(result)));
  const sets = Object.entries(result.forgetting);
  if (sets.length > 0) {
    lines.push('', `Forgetting: ${verdictWord(result.verdict)}`);
    for (const [name, set] of sets) lines.push(`  ${mark(set.verdict)} ${setSentence(name, set)}`);
    lines.push(`  ${verdictNote(true, null)}`);
  } else if (result.status === 'finished') {
    lines.push('', 'Nothing watches for forgetting: the recipe has no retain.probes.');
  } else if (result.status !== 'failed') {
    lines.push('', 'Forgetting: nothing measured.');
  }
  for (const warning of result.warnings) lines.push(`warning: ${warning}`);
  lines.push('', `Folder: ${result.folder}`);
  return lines.join('\n');
}

function rows(result: RunResult): string[][] {
  const { loss, learning, kl, trainedShare, runtime } = result;
  const rows: string[][] = [];
  if (loss.first !== null && loss.last !== null) {
    rows.push(['loss', `${formatNumber(loss.first, 0.01)} → ${formatNumber(loss.last, 0.01)} nats/token`]);
  }
  if (result.parent) rows.push(['forked', `from ${result.parent.run} at step ${result.parent.step}`]);
  if (result.resumed) rows.push(['resumed', resumedText(result.resumed)]);
  for (const [name, estimate] of Object.entries(learning)) {
    rows.push([`learned (${name})`, `${formatInterval(estimate)} ${estimate.unit}, ${estimate.items} items`]);
  }
  if (typeof kl.train === 'number') rows.push(['KL to the base', `${formatNumber(kl.train)} nats/token on the task`]);
  if (trainedShare !== null)
    rows.push(['trained', `${(100 * trainedShare).toFixed(trainedShare < 0.1 ? 1 : 0)} % of the weights`]);
  rows.push(['time', `${durationText(result.seconds)}${tokens(result)}`]);
  if (result.peakMemoryBytes) rows.push(['memory', bytes(result.peakMemoryBytes)]);
  if (runtime) rows.push(['runtime', `${runtime.name} on ${runtime.provider}: ${runtime.reason}`]);
  return rows;
}

/** A program of one's own may not count them. */
function tokens({ tokens, tokensPerSecond }: RunResult): string {
  if (!tokens) return '';
  return `, ${tokens} tokens${tokensPerSecond ? `, ${Math.round(tokensPerSecond)} a second` : ''}`;
}

const mark = (verdict: RunResult['verdict'] | undefined): string =>
  verdict === 'kept' ? '✓' : verdict === 'forgot' ? '✗' : '?';

function resumedText({
  attempt,
  checkpoint,
  redoneSteps,
  largestDifference,
}: NonNullable<RunResult['resumed']>): string {
  const where = `attempt ${attempt}, from ${checkpoint === 'start' ? 'the start' : checkpoint}`;
  if (redoneSteps === 0) return where;
  if (largestDifference === 0) return `${where}: identical for ${redoneSteps} redone steps`;
  return `${where}: the loss of ${redoneSteps} redone steps differs by up to ${largestDifference ?? 'a value that was not finite'}`;
}
