/**
 * uPlot asks for a number format in the browser's language while it loads, and fails where that is no language tag, as
 * Chromium's `en-US@posix` under LANG=C. Must run before uPlot is evaluated.
 */
try {
  new Intl.NumberFormat(navigator.language);
} catch {
  Object.defineProperty(navigator, 'language', { value: 'en-US' });
}
