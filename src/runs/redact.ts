/**
 * Takes tokens and keys out of text that is kept: those of well-known forms, and the values of this process's own
 * environment that are called secret. Knows nothing of where the text comes from.
 */

const forms = new RegExp(
  [
    'hf_[A-Za-z0-9]{30,}',
    'sk-[A-Za-z0-9_-]{32,}',
    'gh[pousr]_[A-Za-z0-9]{30,}',
    'github_pat_\\w{30,}',
    'glpat-[\\w-]{20,}',
    'xox[abeprs]-[\\w-]{20,}',
    'AKIA[0-9A-Z]{16}',
    'AIza[\\w-]{35}',
    'npm_[A-Za-z0-9]{36}',
    'eyJ[\\w-]{10,}\\.eyJ[\\w-]{10,}\\.[\\w-]+',
    '-----BEGIN [A-Z ]*PRIVATE KEY-----[\\s\\S]*?-----END [A-Z ]*PRIVATE KEY-----',
  ]
    .map(form => `(?<![A-Za-z0-9])${form}`)
    .join('|'),
  'g',
);
const leftOut = '[left out]';
const secretName = /TOKEN|SECRET|PASSWORD|PASSWD|API_?KEY|ACCESS_KEY|CREDENTIAL/i;
/** A shorter value is no secret, and would be found in honest words. */
const shortest = 8;

export function redact(text: string, environment: NodeJS.ProcessEnv = process.env): string {
  let kept = text.replace(forms, leftOut);
  for (const [name, value = ''] of Object.entries(environment)) {
    if (value.length >= shortest && secretName.test(name)) kept = kept.replaceAll(value, leftOut);
  }
  return kept;
}
