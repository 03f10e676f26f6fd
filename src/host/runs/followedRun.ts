/** One run read to the end of its journal and on, for as long as somebody looks: the fold, its series, its log's tail. */
import { basename } from 'node:path';
import * as vscode from 'vscode';
import type { MetricSeries } from '../../domain/metricSeries.ts';
import { RunState } from '../../domain/runState.ts';
import type { RunView } from '../../protocol/panel.ts';
import type { RunStatus } from '../../protocol/result.ts';
import { flattenSettings } from '../../recipe/resolve.ts';
import { isWorthKeeping, keepFold, recallFold } from '../../runs/foldCache.ts';
import { followJournalBatches } from '../../runs/journal.ts';
import { identityFor, openState } from '../../runs/openState.ts';
import { openChecked, readBytes } from '../../runs/safeFile.ts';
import { isOver, statusOf } from '../../runs/status.ts';
import type { RunEntry } from './runsModel.ts';

export interface FollowedChange {
  /** Points that were there are no longer what they were: what was drawn has to be drawn anew. */
  replaced: boolean;
}

const logTailBytes = 8 * 1024;
const logTailLines = 60;
const logPauseMs = 1000;
/** Between two looks at the processes of a run whose journal speaks. */
const lookPauseMs = 500;

export class FollowedRun implements vscode.Disposable {
  readonly id: string;
  /** Resolves once everything that was in the journal at the start is known. */
  readonly caughtUp: Promise<void>;
  #entry: RunEntry;
  readonly #changed = new vscode.EventEmitter<FollowedChange>();
  readonly #end = new AbortController();
  readonly #log: vscode.LogOutputChannel;
  #state: RunState;
  /** Where its journal was read to when it was over; a run that is resumed goes on from there. */
  #leftAt: number | null = null;
  /** What was read up to here the next reader need not fold again. */
  #keptByte = 0;
  #isKeeping = false;
  #status: RunStatus;
  #reason: string;
  #logTail: string[] = [];
  #logReadAt = 0;
  readonly onDidChange = this.#changed.event;

  constructor(entry: RunEntry, log: vscode.LogOutputChannel) {
    this.id = entry.id;
    this.#entry = entry;
    this.#log = log;
    this.#status = entry.status;
    this.#reason = entry.reason;
    this.#state = new RunState(identityOf(entry, {}));
    let caughtUp = () => {};
    this.caughtUp = new Promise(resolve => {
      caughtUp = resolve;
    });
    void this.#follow(caughtUp);
  }

  /** The list says that it is not over any more. */
  goOn(): void {
    if (this.#leftAt !== null) void this.#follow(() => {}, this.#leftAt);
  }

  get state(): RunState {
    return this.#state;
  }

  get status(): RunStatus {
    return this.#status;
  }

  series(name: string): MetricSeries | undefined {
    return this.#state.series.get(name);
  }

  view(): RunView {
    const view = this.#state.view({
      status: this.#status,
      reason: this.#reason,
      colour: this.#entry.colour,
      logTail: this.#logTail,
      translate: vscode.l10n.t,
    });
    return { ...view, name: this.#entry.name };
  }

  /** The list knows another name or colour of it. */
  describe(entry: RunEntry): void {
    const isChanged = entry.name !== this.#entry.name || entry.colour !== this.#entry.colour;
    this.#entry = entry;
    if (isChanged) this.#changed.fire({ replaced: false });
  }

  dispose(): void {
    this.#end.abort();
    this.#changed.dispose();
  }

  async #follow(caughtUp: () => void, fromByte = 0): Promise<void> {
    const { folder, id } = this.#entry;
    const { signal } = this.#end;
    this.#leftAt = null;
    let readTo = fromByte;
    try {
      if (fromByte === 0) {
        readTo = await this.#begin();
      }
      let lookedAt = 0;
      const isAtEnd = async () => {
        if (Date.now() < lookedAt + lookPauseMs) return false;
        const isEnd = await this.#look();
        lookedAt = Date.now();
        caughtUp();
        if (isWorthKeeping(readTo, this.#keptByte)) void this.#keep(readTo);
        return isEnd;
      };
      for await (const { records, nextByte } of followJournalBatches(folder, {
        signal,
        fromByte: readTo,
        isOver: isAtEnd,
      })) {
        const versions = this.#versions();
        for (const record of records) this.#state.apply(record);
        readTo = nextByte;
        this.#changed.fire({ replaced: this.#wereCut(versions) });
      }
      await this.#look();
      this.#changed.fire({ replaced: false });
    } catch (error) {
      this.#log.error(`The journal of ${id} could not be read`, error instanceof Error ? error : String(error));
    } finally {
      this.#leftAt = readTo;
      caughtUp();
    }
  }

  /** From where the last reader left it, else of a fork with the curve of its parent. Returns the byte to read on from. */
  async #begin(): Promise<number> {
    const { folder } = this.#entry;
    const request = await folder.request();
    const identity = {
      ...(request && identityFor(folder, request)),
      ...identityOf(this.#entry, request ? flattenSettings(request.recipe) : {}),
    };
    const known = await recallFold(folder, identity);
    this.#state = known?.state ?? (request ? await openState(folder, request, identity) : new RunState(identity));
    // A parent that is gone may come back, and its curve with it: without that nothing is kept.
    const lacksParent = known === null && request?.parent !== undefined && this.#state.series.size === 0;
    this.#keptByte = lacksParent ? Number.POSITIVE_INFINITY : (known?.nextByte ?? 0);
    return known?.nextByte ?? 0;
  }

  /** A cache that cannot be written costs time and nothing else. */
  async #keep(nextByte: number): Promise<void> {
    if (this.#isKeeping || !vscode.workspace.isTrusted) return;
    this.#isKeeping = true;
    this.#keptByte = nextByte;
    try {
      await keepFold(this.#entry.folder, { state: this.#state, nextByte });
    } catch (error) {
      this.#log.debug(`What is known of ${this.id} is not kept: ${error instanceof Error ? error.message : error}`);
    } finally {
      this.#isKeeping = false;
    }
  }

  /** Status and log, whenever the journal has nothing new. */
  async #look(): Promise<boolean> {
    const { status, reason } = await statusOf(this.#entry.folder);
    const logTail = await this.#readLog(isOver(status));
    const isChanged = status !== this.#status || reason !== this.#reason || logTail !== this.#logTail;
    this.#status = status;
    this.#reason = reason;
    this.#logTail = logTail;
    if (isChanged) this.#changed.fire({ replaced: false });
    return isOver(status);
  }

  async #readLog(isLast: boolean): Promise<string[]> {
    if (!isLast && Date.now() < this.#logReadAt + logPauseMs) return this.#logTail;
    this.#logReadAt = Date.now();
    const lines = await tailOf(this.#entry.folder.trainerLog).catch(() => []);
    return lines.join('\n') === this.#logTail.join('\n') ? this.#logTail : lines;
  }

  #versions(): Map<MetricSeries, number> {
    return new Map([...this.#state.series.values()].map(series => [series, series.version]));
  }

  #wereCut(versions: Map<MetricSeries, number>): boolean {
    return [...versions].some(([series, version]) => series.version !== version);
  }
}

function identityOf({ id, folder, name, recipe, variant }: RunEntry, settings: Record<string, string>) {
  return { id, folder: folder.folder, name, recipe: basename(recipe), variant, settings };
}

async function tailOf(file: string): Promise<string[]> {
  const handle = await openChecked(file);
  if (!handle) return [];
  try {
    const { size } = await handle.stat();
    const bytes = await readBytes(handle, Math.max(0, size - logTailBytes), size);
    const lines = bytes.toString('utf8').split('\n');
    if (size > logTailBytes) lines.shift();
    return lines.filter(line => line.trim() !== '').slice(-logTailLines);
  } finally {
    await handle.close();
  }
}
