/** What lanes are called, and which way is bad. */
import type { LaneSpec } from './laneModel.ts';
import { t } from './strings.ts';

export function laneTitle(spec: LaneSpec): string {
  const names: Record<LaneSpec['lane'], string> = {
    loss: t('Loss'),
    kl: t('KL to the base'),
    forgetting: t('Forgetting'),
    learningRate: t('Learning rate'),
    gradientNorm: t('Gradient norm'),
    speed: t('Speed'),
    learning: t('Learning'),
    other: capital(spec.series.length === 1 ? spec.series[0]!.label : spec.unit || t('Other')),
  };
  const only = spec.id.includes('|') ? '' : spec.id.replace(/^[^.]*\.?/, '');
  return only && spec.lane !== 'loss' ? `${names[spec.lane]}: ${only}` : names[spec.lane];
}

/** Unit, and which way is bad. */
export function laneNote(spec: LaneSpec): string {
  if (spec.lane === 'forgetting') return `${spec.unit} · ${t('up = forgot more')}`;
  if (spec.lane === 'learning') return `${spec.unit} · ${t('up = learned more')}`;
  if (spec.lane === 'kl') return `${spec.unit} · ${t('0 = same as the base')}`;
  return spec.unit;
}

export const replayedHelp = () => t('Texts like these were also replayed in training: this set wins by construction.');

const capital = (text: string) => text.slice(0, 1).toUpperCase() + text.slice(1);
