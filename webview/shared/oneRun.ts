/**
 * A page that shows one run at a time: takes what the host says, keeps the run, and makes the parts anew for another one.
 * Knows no part.
 */
import { applyChanges } from '../../src/domain/runChanges.ts';
import type { PageState, RunView, ToPage } from '../../src/protocol/panel.ts';
import { Channel } from './channel.ts';
import type { LaneGroup } from './laneGroup.ts';
import { forgetZoom } from './laneView.ts';
import { Announcer, messageBox, startPage } from './page.ts';
import { busy } from './ui.ts';

export interface RunParts {
  elements: HTMLElement[];
  lanes: LaneGroup;
  update(run: RunView): void;
}

interface OneRunPage {
  page: 'run' | 'metrics';
  title: string;
  loading: string;
  /** `shown` gives the run as it is at the time of asking. */
  parts(channel: Channel, shown: () => RunView | null): RunParts;
  /** When there is no run. */
  none(channel: Channel): HTMLElement;
}

export function showOneRun(page: OneRunPage): void {
  const main = startPage(page.title);
  const channel = new Channel(page.page, receive);
  const announcer = new Announcer();
  let run: RunView | null = null;
  let parts: RunParts | null = null;
  main.append(busy(page.loading));
  channel.start();

  function receive(message: ToPage) {
    switch (message.type) {
      case 'state':
        return show(message.state);
      case 'run':
        if (run?.id === message.id) update(applyChanges(run, message));
        return;
      case 'buckets':
        return parts?.lanes.buckets(message.request, message.series);
      case 'points':
        return parts?.lanes.points(message.points);
      case 'refused':
        return messageBox(main, message.message);
      default:
        message satisfies never;
    }
  }

  function show(state: PageState): void {
    if (state.page !== page.page) return;
    const next = state.run;
    // A part of another run's steps that somebody looked at is nothing to this one.
    if (next && channel.runs.length > 0 && channel.runs[0] !== next.id) forgetZoom(channel);
    if (next) channel.remember({ runs: [next.id] });
    if (!parts || run?.id !== next?.id) {
      parts?.lanes.destroy();
      parts = next && page.parts(channel, () => run);
      main.replaceChildren(...(parts?.elements ?? [page.none(channel)]));
    }
    run = next;
    if (!next) return;
    update(next);
    parts?.lanes.resubscribe();
  }

  function update(next: RunView): void {
    run = next;
    parts?.update(next);
    announcer.follow(next);
  }
}
