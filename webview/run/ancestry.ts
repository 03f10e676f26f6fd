/** Above the charts of a run that was resumed or forked: where it took up, and whether what it did again came out the same. */
import type { Channel } from '../shared/channel.ts';
import { h, setText } from '../shared/dom.ts';
import { t } from '../shared/strings.ts';
import { button } from '../shared/ui.ts';
import type { Part } from './header.ts';

export function ancestryNote(channel: Channel): Part {
  const resumed = h('span');
  const forked = h('span');
  let parent: string | undefined;
  const open = button(t('Open Parent'), () => channel.command('openRun', { run: parent }));
  const element = h('p', { class: 'ancestry', role: 'note', hidden: true }, forked, open, resumed);
  return {
    element,
    update(run) {
      parent = run.parent?.run;
      element.hidden = !run.resumed && !run.parent;
      open.hidden = !run.parent;
      setText(forked, run.parent ? t('Forked from {0} at step {1}', run.parent.run, run.parent.step) : '');
      setText(resumed, run.resumed?.text ?? '');
    },
  };
}
