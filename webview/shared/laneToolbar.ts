/** The controls above the lanes, and the step at the cursor. Changes nothing itself: it asks. */
import { h, setText } from './dom.ts';
import type { LaneView } from './laneView.ts';
import { t } from './strings.ts';
import { button, checkbox, select } from './ui.ts';

export interface LaneToolbar {
  element: HTMLElement;
  show(view: LaneView, atCursor: string): void;
}

export interface ToolbarActions {
  change(changes: Partial<LaneView>): void;
  zoomOut(): void;
}

/** A compact toolbar has only what nobody can do without: the way to the tables. */
export function laneToolbar(view: LaneView, compact: boolean, actions: ToolbarActions): LaneToolbar {
  const readout = h('output', { class: 'readout' });
  const table = checkbox(t('Show as table'), view.table, shown => actions.change({ table: shown }));
  const log = checkbox(t('Log loss'), view.log, shown => actions.change({ log: shown }));
  const follow = checkbox(t('Follow newest'), view.follow, wanted => actions.change({ follow: wanted }));
  const zoomOut = button(t('Whole run'), actions.zoomOut);
  const smoothing = select(
    t('Smoothing'),
    [
      { value: 'none', text: t('None') },
      { value: 'light', text: t('Light') },
      { value: 'medium', text: t('Medium') },
      { value: 'strong', text: t('Strong') },
    ],
    view.smoothing,
    value => actions.change({ smoothing: value }),
  );
  const all = [smoothing, log.element, follow.element, table.element, zoomOut];
  const element = h('div', { class: 'toolbar', role: 'toolbar', 'aria-label': t('Charts') });
  element.append(...(compact ? [table.element] : all), readout);
  const show: LaneToolbar['show'] = (next, atCursor) => {
    setText(readout, atCursor);
    zoomOut.hidden = next.zoom === null;
    follow.set(next.follow);
  };
  show(view, '');
  return { element, show };
}
