/** The table of one chaos run, as Markdown. */
import type { Ledger } from './ledger.ts';

export interface Finding {
  ledger: Ledger;
  minutes: number;
  foreignSignals: number;
  survivors: number;
  leftOut: readonly string[];
}

export function table(finding: Finding): string {
  const { ledger, foreignSignals, survivors } = finding;
  const { events, runs, equal, exceptions, refusals, lostPoints, untruths } = ledger;
  const counted = [...events].sort(([a], [b]) => (a < b ? -1 : 1));
  const refused = [...refusals].map(([code, times]) => `${times} × ${code}`).join(', ');
  const rows: [string, string | number][] = [
    ...counted,
    ['**runs**', runs],
    ['equal to the undisturbed twin: curve, evaluations, sha256 of the weights', equal],
    ['truthful exceptions', exceptions.length],
    ['refused in words', refused || 0],
    ['lost points', lostPoints],
    ['foreign signals', foreignSignals],
    ['survivors', survivors],
    ['**untruths**', untruths.length],
  ];
  const head = `Chaos: ${finding.minutes} minutes of trouble, ${Math.round(ledger.seconds)} s in all, seed ${ledger.seed}.`;
  const notes = [
    ...exceptions.map(text => `- exception: ${text}`),
    ...finding.leftOut.map(text => `- left out: ${text}`),
  ];
  const body = ['| what | count |', '|---|---|', ...rows.map(([what, count]) => `| ${what} | ${count} |`)];
  return `${[head, '', ...body, ...(notes.length > 0 ? ['', ...notes] : [])].join('\n')}\n`;
}
