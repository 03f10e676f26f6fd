/** Colours and fonts of the editor's theme for canvases, which cannot read CSS variables themselves. */

export interface Theme {
  foreground: string;
  quiet: string;
  grid: string;
  background: string;
  error: string;
  font: string;
  highContrast: boolean;
}

/** Lines differ by colour and by dashes, so that colour is never alone. */
export interface Look {
  colour: string;
  dash: number[];
}

const palette: [own: string, charts: string][] = [
  ['--vscode-holdfast-series1', '--vscode-charts-blue'],
  ['--vscode-holdfast-series2', '--vscode-charts-orange'],
  ['--vscode-holdfast-series3', '--vscode-charts-green'],
  ['--vscode-holdfast-series4', '--vscode-charts-red'],
  ['--vscode-holdfast-series5', '--vscode-charts-purple'],
  ['--vscode-holdfast-series6', '--vscode-charts-yellow'],
  ['--vscode-holdfast-series7', '--vscode-charts-foreground'],
  ['--vscode-holdfast-series8', '--vscode-charts-lines'],
];

const dashes: number[][] = [[], [6, 3], [2, 2], [8, 3, 2, 3], [1, 3], [12, 4], [4, 2, 1, 2], [10, 2, 2, 2, 2, 2]];

let theme: Theme | undefined;
let looks: string[] = [];
const listeners = new Set<() => void>();

export function currentTheme(): Theme {
  theme ??= readTheme();
  return theme;
}

/** The first eight looks differ in colour and in dashes; after that other dashes come to the same colours. */
export function look(index: number): Look {
  if (looks.length === 0) looks = readPalette();
  const place = Math.max(0, Math.trunc(index));
  const round = Math.floor(place / palette.length);
  return { colour: looks[place % palette.length]!, dash: dashes[(place + round * 3) % dashes.length]! };
}

/** Calls until what it gives is called. */
export function onThemeChange(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The editor swaps the classes of <body> and the variables of <html>. */
export function watchTheme(): void {
  const observer = new MutationObserver(() => {
    theme = undefined;
    looks = [];
    for (const listener of listeners) listener();
  });
  observer.observe(document.body, { attributes: true, attributeFilter: ['class', 'data-vscode-theme-id'] });
  observer.observe(document.documentElement, { attributes: true, attributeFilter: ['style', 'class'] });
}

export function reducedMotion(): boolean {
  return (
    document.body.classList.contains('vscode-reduce-motion') || matchMedia('(prefers-reduced-motion: reduce)').matches
  );
}

function readTheme(): Theme {
  const style = getComputedStyle(document.body);
  const read = (...names: string[]) => {
    for (const name of names) {
      const value = style.getPropertyValue(name).trim();
      if (value) return value;
    }
    return style.color;
  };
  const highContrast = /vscode-high-contrast/.test(document.body.className);
  return {
    foreground: read('--vscode-foreground'),
    quiet: read('--vscode-descriptionForeground', '--vscode-foreground'),
    grid: faded(style.color, highContrast ? 0.28 : 0.1),
    background: read('--vscode-editor-background'),
    error: read('--vscode-holdfast-forgot', '--vscode-errorForeground'),
    font: `11px ${read('--vscode-font-family')}`,
    highContrast,
  };
}

/** Not every browser of the last years lets a canvas mix colours, so the mix is made here. */
function faded(colour: string, alpha: number): string {
  const [red = 128, green = 128, blue = 128] = (colour.match(/[\d.]+/g) ?? []).map(Number);
  return `rgba(${red}, ${green}, ${blue}, ${alpha})`;
}

function readPalette(): string[] {
  const style = getComputedStyle(document.body);
  return palette.map(
    ([own, charts]) =>
      style.getPropertyValue(own).trim() || style.getPropertyValue(charts).trim() || currentTheme().foreground,
  );
}
