/**
 * What a recorded disk may hold after a power loss. A file's bytes are durable once the file was synced, names once
 * their folder was; of everything else any part may be missing. Knows nothing of what the files mean.
 */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Node, Operation, RecordedDisk } from './recordedDisk.ts';

/** What became of an operation that was not durable. Bytes can also arrive in part, or as zeros. */
export type Fate = 'lost' | 'torn' | 'zeroed';

/** The power fails after the first `at` operations. */
export interface PowerLoss {
  at: number;
  fates: ReadonlyMap<number, Fate>;
}

/** The operations that are not durable at a moment, by their number. */
export function pendingAt({ operations }: RecordedDisk, at: number): number[] {
  /** How many of its folders an operation still waits for. */
  const waits = new Map<number, Set<number>>();
  for (let number = 0; number < at; number++) {
    const operation = operations[number]!;
    if (operation.kind === 'names') waits.set(number, new Set(operation.changes.map(({ folder }) => folder)));
    else if (operation.kind === 'sync') {
      for (const [waiting, ids] of waits) if (ids.delete(operation.id) && ids.size === 0) waits.delete(waiting);
    } else waits.set(number, new Set([operation.file]));
  }
  return [...waits.keys()];
}

/** Puts the disk's folder into the state it has after the loss; `reword` is applied to every file's bytes. */
export function layOut(disk: RecordedDisk, { at, fates }: PowerLoss, reword: (bytes: Buffer) => Buffer): void {
  const nodes = new Map<number, Node>();
  for (const [id, node] of disk.base) nodes.set(id, node instanceof Map ? new Map(node) : node);
  const kept = disk.operations.slice(0, at).map((operation, number) => suffered(operation, fates.get(number)));
  for (const operation of kept) if (operation) apply(operation, nodes);
  for (const name of readdirSync(disk.root)) rmSync(join(disk.root, name), { recursive: true, force: true });
  put(disk, disk.root, 0, nodes, reword);
}

function suffered(operation: Operation, fate: Fate | undefined): Operation | null {
  if (fate === undefined) return operation;
  if (operation.kind !== 'write' || fate === 'lost') return null;
  const { bytes } = operation;
  const left = fate === 'zeroed' ? Buffer.alloc(bytes.length) : bytes.subarray(0, Math.floor(bytes.length / 2));
  return { ...operation, bytes: left };
}

function apply(operation: Operation, nodes: Map<number, Node>): void {
  if (operation.kind === 'sync') return;
  if (operation.kind === 'names') {
    for (const { folder, name, id, has } of operation.changes) {
      const names = namesOf(nodes, folder);
      if (has) names.set(name, id);
      else if (names.get(name) === id) names.delete(name);
    }
    return;
  }
  const bytes = bytesOf(nodes, operation.file);
  if (operation.kind === 'cut') {
    nodes.set(operation.file, resized(bytes, operation.size));
    return;
  }
  const changed = resized(bytes, Math.max(bytes.length, operation.at + operation.bytes.length));
  operation.bytes.copy(changed, operation.at);
  nodes.set(operation.file, changed);
}

function namesOf(nodes: Map<number, Node>, id: number): Map<string, number> {
  const names = nodes.get(id);
  if (names instanceof Map) return names;
  const made = new Map<string, number>();
  nodes.set(id, made);
  return made;
}

function bytesOf(nodes: Map<number, Node>, id: number): Buffer {
  const bytes = nodes.get(id);
  return bytes instanceof Buffer ? bytes : Buffer.alloc(0);
}

/** A copy; what is new is zeros. */
function resized(bytes: Buffer, size: number): Buffer {
  const copy = Buffer.alloc(size);
  bytes.copy(copy);
  return copy;
}

function put(
  disk: RecordedDisk,
  folder: string,
  id: number,
  nodes: Map<number, Node>,
  reword: (bytes: Buffer) => Buffer,
): void {
  for (const [name, child] of namesOf(nodes, id)) {
    const path = join(folder, name);
    if (disk.isFolder(child)) {
      mkdirSync(path);
      put(disk, path, child, nodes, reword);
    } else {
      writeFileSync(path, reword(bytesOf(nodes, child)));
    }
  }
}
