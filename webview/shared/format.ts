/** Numbers and times as people read them. Pure. */

/** Four significant digits at most, no exponent between 0.0001 and a million, a real minus sign. */
export function formatNumber(value: number | null | undefined, digits = 4): string {
  if (value === null || value === undefined) return '–';
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '∞' : '−∞';
  if (value === 0) return '0';
  const size = Math.abs(value);
  return withMinus(size >= 1e6 || size < 1e-4 ? shortExponent(value, Math.min(digits, 3)) : plain(value, size, digits));
}

/** With its sign: forgetting and differences. */
export function formatSigned(value: number | null | undefined, digits = 3): string {
  const text = formatNumber(value, digits);
  return value !== null && value !== undefined && value > 0 ? `+${text}` : text;
}

export function formatInterval(low: number, high: number, digits = 3): string {
  return `[${formatNumber(low, digits)}, ${formatNumber(high, digits)}]`;
}

/** An integer with thin groups: 12 345. */
export function formatCount(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–';
  return withMinus(String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, '\u202f'));
}

export function formatPercent(share: number | null | undefined, digits = 0): string {
  return share === null || share === undefined ? '–' : `${withMinus((share * 100).toFixed(digits))} %`;
}

/** Two units at most: `1 h 5 min`, `2 min 10 s`, `4.2 s`. */
export function formatDuration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '–';
  if (seconds < 10) return `${Number(seconds.toFixed(1))} s`;
  const whole = Math.round(seconds);
  const units: [number, string][] = [
    [Math.floor(whole / 86400), 'd'],
    [Math.floor(whole / 3600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'min'],
    [whole % 60, 's'],
  ];
  const first = units.findIndex(([count]) => count > 0);
  return units
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ');
}

export function formatBytes(bytes: number | null | undefined): string {
  if (bytes === null || bytes === undefined) return '–';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let power = 0;
  for (let rest = bytes; rest >= 1000 && power < units.length - 1; rest /= 1000) power += 1;
  const value = bytes / 1000 ** power;
  return `${value >= 100 || power === 0 ? Math.round(value) : Number(value.toPrecision(2))} ${units[power]}`;
}

/** `forgetting.general` → `general`; `loss` → `loss`. */
export function setOf(seriesName: string): string {
  const dot = seriesName.indexOf('.');
  return dot < 0 ? seriesName : seriesName.slice(dot + 1);
}

function plain(value: number, size: number, digits: number): string {
  const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(size)));
  const fixed = value.toFixed(Math.min(decimals, 6));
  const short = fixed.includes('.') ? fixed.replace(/\.?0+$/, '') : fixed;
  return size >= 10_000 ? formatCount(value).replace('−', '-') : short;
}

function shortExponent(value: number, digits: number): string {
  return value
    .toExponential(digits - 1)
    .replace(/\.?0+e/, 'e')
    .replace('e+', 'e');
}

function withMinus(text: string): string {
  return text.replaceAll('-', '−');
}
