/**
 * Hands the page's nonce to FAST, the base of the toolkit, which writes one empty <style> while it loads and looks for
 * a nonce in this very element. Must run before the toolkit is evaluated, so ui.ts imports it first.
 */
const nonce = document.currentScript?.nonce;
if (nonce) {
  const meta = document.createElement('meta');
  meta.setAttribute('property', 'csp-nonce');
  meta.setAttribute('content', nonce);
  document.head.append(meta);
}
