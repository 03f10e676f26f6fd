/** The pinned prompts, answered by the base and by the tuned model; a slider goes through the evaluations. */
import type { RunView } from '../../src/protocol/panel.ts';
import type { Channel } from '../shared/channel.ts';
import { h, on, setText, whenChanged } from '../shared/dom.ts';
import { formatCount } from '../shared/format.ts';
import { t } from '../shared/strings.ts';
import { changedWords } from './changedWords.ts';
import type { Part } from './header.ts';

type Samples = RunView['samples'];

export function answers(channel: Channel): Part {
  const slider = h('input', { type: 'range', min: 0, max: 0, step: 1, 'aria-label': t('Step of the answers') });
  const place = h('output', { class: 'numbers' });
  const bar = h('div', { class: 'slider-row' }, h('span', {}, t('At step')), slider, place);
  const list = h('div', { class: 'answers' });
  const element = h('div', { class: 'pane' }, bar, list);
  let samples: Samples = [];
  /** The step the user chose; null follows the newest. */
  let chosen: number | null = typeof channel.view.answersAt === 'number' ? channel.view.answersAt : null;

  const draw = () => {
    const steps = [...new Set(samples.map(sample => sample.step))].sort((a, b) => a - b);
    bar.hidden = steps.length < 2;
    const index = chosen === null ? -1 : steps.indexOf(chosen);
    const shown = index >= 0 ? steps[index]! : steps.at(-1);
    slider.max = String(Math.max(0, steps.length - 1));
    slider.value = String(shown === undefined ? 0 : steps.indexOf(shown));
    slider.setAttribute('aria-valuetext', t('Step {0}', shown ?? 0));
    setText(place, shown === undefined ? '' : formatCount(shown));
    const at = samples.filter(sample => sample.step === shown).sort((a, b) => a.index - b.index);
    list.replaceChildren(...(at.length > 0 ? at.map(answer) : [h('p', { class: 'empty' }, noAnswers())]));
  };
  on(slider, 'input', () => {
    const steps = [...new Set(samples.map(sample => sample.step))].sort((a, b) => a - b);
    const index = Number(slider.value);
    chosen = index === steps.length - 1 ? null : (steps[index] ?? null);
    channel.keepView({ answersAt: chosen });
    draw();
  });
  const show = whenChanged<Samples>(next => {
    samples = next;
    draw();
  });
  return { element, update: run => show(run.samples) };
}

function answer(sample: Samples[number]): HTMLElement {
  const { base, tuned } = changedWords(sample.base, sample.tuned);
  return h(
    'article',
    { class: 'answer' },
    h('p', { class: 'prompt' }, sample.prompt),
    h('div', { class: 'answer-side' }, h('h3', {}, t('Base')), marked(base)),
    h('div', { class: 'answer-side' }, h('h3', {}, t('Tuned')), marked(tuned)),
  );
}

function marked(pieces: { text: string; changed: boolean }[]): HTMLElement {
  return h('p', {}, ...pieces.map(({ text, changed }) => (changed ? h('mark', {}, text) : text)));
}

const noAnswers = () =>
  t('No answers yet. Prompts listed under retain.prompts are answered by base and tuned model at each evaluation.');
