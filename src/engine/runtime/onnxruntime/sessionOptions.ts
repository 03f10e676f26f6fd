/** What every session is opened with, whoever computes. */
import type * as Ort from 'onnxruntime-node';

type SessionOptions = Ort.InferenceSession.SessionOptions;

export const baseOptions = (provider: string, threads: number): SessionOptions => ({
  executionProviders: [provider],
  intraOpNumThreads: threads,
  logSeverityLevel: 3,
  // With a pattern every session holds its memory twice: piecewise from its first run, whole from its second.
  enableMemPattern: false,
  extra: {
    session: {
      // Waiting threads spin within a run, where the next operator is microseconds away, and sleep between runs.
      intra_op: { allow_spinning: '1' },
      force_spinning_stop: '1',
      // The exponential of a hidden token's score passes through such numbers, for which a processor takes a hundred
      // times as long: a softmax with a causal mask took four times as long as one without. Holds for the whole process.
      set_denormal_as_zero: '1',
    },
  },
});
