/** What every page has: a body in the editor's colours, a place for messages, and a voice for screen readers. */
import type { RunView } from '../../src/protocol/panel.ts';
import { h, setText } from './dom.ts';
import { icon } from './icons.ts';
import { t } from './strings.ts';
import { reducedMotion, watchTheme } from './theme.ts';
import { button } from './ui.ts';
import { verdictWord } from './words.ts';

export function startPage(title: string): HTMLElement {
  if (!document.title) document.title = title;
  if (!document.documentElement.lang) document.documentElement.lang = 'en';
  watchTheme();
  document.body.classList.toggle('is-still', reducedMotion());
  const main = h('main');
  document.body.append(main);
  return main;
}

/** A message of the host that answers something the user did; goes away by a click. */
export function messageBox(main: HTMLElement, message: string): void {
  main.querySelector('.message-box')?.remove();
  const box = h('div', { class: 'message-box', role: 'alert' }, icon('warning'), h('span', {}, message));
  box.append(button(t('Dismiss'), () => box.remove()));
  main.prepend(box);
}

/** Says aloud only what matters: a verdict that came or changed, and a failure. */
export class Announcer {
  readonly #polite = h('div', { class: 'hidden-text', 'aria-live': 'polite' });
  readonly #assertive = h('div', { class: 'hidden-text', role: 'alert' });
  #run = '';

  constructor() {
    document.body.append(this.#polite, this.#assertive);
  }

  follow(run: RunView): void {
    const verdict = run.verdict.overall ? t('{0}: {1}', run.name, verdictWord(run.verdict.overall)) : '';
    const failure = run.error ? t('{0} failed: {1}', run.name, run.error.message) : '';
    // What was already so when the page opened is read with the page.
    if (this.#run !== run.id) {
      this.#run = run.id;
      return;
    }
    setText(this.#polite, verdict);
    setText(this.#assertive, failure);
  }
}
