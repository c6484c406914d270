import process from "node:process";
import { setImmediate } from "node:timers";
import { afterArrival } from "../time/arrival.ts";
import { afterBurst, FlushScheduler } from "../http2/flush-scheduler.ts";
import type { ScheduleFlush } from "../http2/wire/frame-writer.ts";

/**
 * Node and Deno read all readable sockets before they run immediates, so the calls triggered by several servers'
 * responses share their writes: a third more small calls per second over three connections. Bun's immediates run too
 * late for calls triggered by responses (a fifth fewer), and workerd's are timers.
 */
const IMMEDIATES_END_TURNS = !("Bun" in globalThis) && globalThis.navigator?.userAgent !== "Cloudflare-Workers";

const atEndOfTurn = IMMEDIATES_END_TURNS ? (callback: () => void) => void setImmediate(callback) : afterBurst;

const now = () => performance.now();

const ofProcess = new FlushScheduler(now, atEndOfTurn);

/** Of a server's streams, immediates make larger writes on Bun, too: they take half of the CPU time of bursts. */
const ofStreams = IMMEDIATES_END_TURNS ? ofProcess : new FlushScheduler(now, (callback) => setImmediate(callback));

const settled = Promise.resolve();

/** On Node, ticks come when all microtasks are done, and cost half of an immediate. On Deno they cost the same. */
const atTick = (callback: () => void) => void settled.then(() => process.nextTick(callback));
const soon = IMMEDIATES_END_TURNS && !("Deno" in globalThis) ? atTick : atEndOfTurn;

/**
 * Of connections with one call. What follows at once from what was read, as in a proxy, is complete when that was read:
 * to wait for the turn's end as well takes a tenth of a proxy's CPU time and more.
 */
const ofLoneCalls = new FlushScheduler(now, (callback) => afterArrival(callback) || soon(callback));

/** Schedules a connection's flush together with those of the process's other connections. */
export const scheduleFlush: ScheduleFlush = (flush, load) =>
  (load === "one call" ? ofLoneCalls : ofProcess).schedule(flush);

/** The same for a server's connection on which responses are streamed. */
export const scheduleStreamFlush: ScheduleFlush = (flush) => ofStreams.schedule(flush);
