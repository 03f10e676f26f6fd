/** How the user looks at the lanes; kept over reloads. */
import type { Channel } from './channel.ts';
import type { Smoothing } from './laneModel.ts';

export interface LaneView {
  /** Steps at the edges; null shows the whole run. */
  zoom: [number, number] | null;
  follow: boolean;
  log: boolean;
  smoothing: Smoothing;
  table: boolean;
  hidden: string[];
}

const defaultView: LaneView = {
  zoom: null,
  follow: true,
  log: false,
  smoothing: 'medium',
  table: false,
  // What was minimised answers no first question; a click on its name shows it.
  hidden: ['objective'],
};

export function rememberedView(channel: Channel): LaneView {
  return { ...defaultView, ...(channel.view.lanes as Partial<LaneView> | undefined) };
}

export function keepView(channel: Channel, view: LaneView): void {
  channel.keepView({ lanes: view });
}

/** Another run has other steps: how lines are drawn stays, where one looked does not. */
export function forgetZoom(channel: Channel): void {
  keepView(channel, { ...rememberedView(channel), zoom: null, follow: true });
}
