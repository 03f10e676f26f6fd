/** What a run's lanes show besides its series: marks and budgets. Pure. */
import type { RunView } from '../../src/protocol/panel.ts';
import type { SetScore } from '../../src/protocol/trainer.ts';
import { formatNumber, setOf } from './format.ts';
import type { Budget } from './lane.ts';
import type { LaneExtras } from './laneGroup.ts';
import type { LaneSpec } from './laneModel.ts';
import { t } from './strings.ts';

export function runExtras(run: RunView): LaneExtras {
  return {
    newest: run.step,
    planned: run.steps,
    marks: run.marks,
    budgets: spec => budgetsOf(spec, latestBudgets(run)),
  };
}

export function latestBudgets({
  evaluation,
}: Pick<RunView, 'evaluation'>): Record<string, NonNullable<SetScore['budget']>> {
  const scores = Object.entries(evaluation?.forgetting ?? {});
  return Object.fromEntries(scores.flatMap(([set, { budget }]) => (budget ? [[set, budget]] : [])));
}

/** The budget of the one set whose lane it is, in a lane of several runs. */
export function sharedBudget(spec: LaneSpec, budgets: Record<string, NonNullable<SetScore['budget']>>): Budget[] {
  const [line] = budgetsOf(spec, budgets);
  return line ? [{ value: line.value, label: t('budget {0}', formatNumber(line.value)), look: -1 }] : [];
}

/** Budgets that the lane's unit can show; one line for sets that share a budget. */
function budgetsOf(spec: LaneSpec, budgets: Record<string, NonNullable<SetScore['budget']>>): Budget[] {
  if (spec.lane !== 'forgetting') return [];
  const inPoints = spec.unit.startsWith('point');
  const lines = new Map<number, Budget>();
  for (const series of spec.series) {
    const budget = budgets[setOf(series.name)];
    const value = budget && ('points' in budget ? inPoints && budget.points : !inPoints && budget.nats);
    if (typeof value !== 'number') continue;
    const shared = lines.has(value);
    const label = shared
      ? t('budget {0}', formatNumber(value))
      : t('budget {0}: {1}', series.label, formatNumber(value));
    lines.set(value, { value, label, look: shared ? -1 : series.look });
  }
  return [...lines.values()];
}
