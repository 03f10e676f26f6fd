/** How often the runner looks and how long it waits. Tests shorten these; users do not. */
import type { TrainerLimits } from '../runs/trainerProcess.ts';

export interface RunnerSettings {
  heartbeatMs: number;
  /** Between looks at control.ndjson. */
  pollMs: number;
  limits: Partial<TrainerLimits>;
}

export const defaultSettings: RunnerSettings = { heartbeatMs: 5000, pollMs: 250, limits: {} };
