import type { Timer } from "../time/clock.ts";
import { type Cursor, DEADLINE_MS, type EtcdClient } from "./client.ts";
import type { WatchRequest, WatchResponse } from "./driver.ts";
import { EtcdError, kindOfText } from "./failure.ts";
import { Relist } from "./position.ts";
import { untilAborted } from "../time/until-aborted.ts";

/**
 * How often a watch is asked for its progress, in milliseconds. One that was asked twice in vain is dead, so a dead one
 * is found within three times as long. This is data on its stream, no HTTP/2 PING, of which etcd allows few.
 */
export const PROGRESS_MS = 2_500;

/** What is done with a watch while it is open. */
export interface WatchReader {
  readonly request: WatchRequest;
  /** How long the stream is wanted, in milliseconds. Defaults to Infinity. */
  readonly maxAgeMs?: number;
  /** Gets each response but refusals, in order. What it throws ends the watch. */
  onResponse(response: WatchResponse): void;
  /** Gets the means to ask the watch for its progress, and undefined when it has ended. */
  onAsk(ask: (() => void) | undefined): void;
}

/**
 * Opens one watch on the cursor's endpoint and reads it. Returns when it has lived as long as the driver's streams may,
 * or as it is wanted.
 *
 * @throws EtcdError when the stream failed, ended, was refused or fell silent; what `onResponse` throws; the signal's
 * reason.
 */
export async function readWatch(
  client: EtcdClient,
  cursor: Cursor,
  signal: AbortSignal,
  reader: WatchReader,
): Promise<void> {
  const { driver, clock } = client;
  const { endpoint } = cursor;
  const { maxStreamMs = Infinity, progress } = driver.capabilities;
  const ageMs = Math.min(maxStreamMs, reader.maxAgeMs ?? Infinity);
  const token = await client.token(cursor, signal);
  signal.throwIfAborted();
  const generation = driver.generation(endpoint);
  const own = new AbortController();
  const abort = () => own.abort(signal.reason);
  signal.addEventListener("abort", abort);

  const timers = new Map<"silence" | "age", Timer>();
  const timer = (name: "silence" | "age", delayMs: number, callback: () => void) => {
    timers.get(name)?.cancel();
    timers.set(name, clock.timer(delayMs, callback));
  };
  const dead = (why: string) => {
    // The session may be half open: nothing on it would ever fail by itself.
    driver.reset(endpoint, generation);
    own.abort(new EtcdError(`etcd at ${endpoint.address}: ${why}`, "transient"));
  };

  const stream = driver.watch(reader.request, { endpoint, signal: own.signal, token });
  let asked = 0;
  const tick = () => {
    if (asked === 2) return dead(`the watch did not say its progress for ${2 * PROGRESS_MS} ms`);
    asked++;
    stream.requestProgress();
    timer("silence", PROGRESS_MS, tick);
  };
  const opened = () => {
    if (!progress) return timers.get("silence")?.cancel();
    timer("silence", PROGRESS_MS, tick);
    reader.onAsk(() => {
      if (asked > 0) return;
      asked++;
      stream.requestProgress();
    });
  };
  const read = async () => {
    let open = false;
    for await (const response of stream.responses) {
      if (own.signal.aborted) return;
      asked = 0;
      if (response.canceled) throw cancellation(response);
      reader.onResponse(response);
      if (!open) opened();
      open = true;
    }
    throw new EtcdError(`etcd at ${endpoint.address} ended the watch`, "transient");
  };

  timer("silence", DEADLINE_MS, () => dead(`no watch within ${DEADLINE_MS} ms`));
  const aged = new Promise<void>((resolve) => {
    if (ageMs < Infinity) timer("age", ageMs, resolve);
  });
  try {
    await untilAborted(Promise.race([read(), aged]), own.signal);
  } catch (error) {
    if (error instanceof Relist) throw error;
    signal.throwIfAborted();
    const failure = client.failure(endpoint, error);
    client.refusesToken(failure, token);
    throw failure;
  } finally {
    reader.onAsk(undefined);
    for (const pending of timers.values()) pending.cancel();
    signal.removeEventListener("abort", abort);
    own.abort();
  }
}

/** A refused user is told by the text alone; everything else says that the history can't be followed. */
function cancellation({ compactRevision, cancelReason }: WatchResponse): Error {
  const kind = kindOfText(cancelReason);
  if (kind === "token" || kind === "refused") return new EtcdError(`etcd refused the watch: ${cancelReason}`, kind);
  if (compactRevision > 0n) return new Relist(`etcd has compacted its history up to revision ${compactRevision}`);
  return new Relist(`etcd canceled the watch: ${cancelReason || "it gave no reason"}`);
}
