import { setImmediate } from "node:timers";
import { afterBurst, FlushScheduler } from "../http2/flush-scheduler.ts";
import type { ScheduleFlush } from "../http2/wire/frame-writer.ts";

/**
 * Node and Deno read all readable sockets before they run immediates, so the calls triggered by several servers'
 * responses share their writes: a third more small calls per second over three connections. Bun's immediates run too
 * late for calls triggered by responses (a fifth fewer), and workerd's are timers.
 */
const IMMEDIATES_END_TURNS = !("Bun" in globalThis) && globalThis.navigator?.userAgent !== "Cloudflare-Workers";

const ofProcess = new FlushScheduler(
  () => performance.now(),
  IMMEDIATES_END_TURNS ? (callback) => setImmediate(callback) : afterBurst,
);

/** Of a server's streams, immediates make larger writes on Bun, too: they take half of the CPU time of bursts. */
const ofStreams = IMMEDIATES_END_TURNS
  ? ofProcess
  : new FlushScheduler(() => performance.now(), (callback) => setImmediate(callback));

/** Runs something in the event loop's next turn, after what sockets have for this one. */
export const nextTurn: (run: () => void) => void = "Deno" in globalThis ? inRounds : (run) => void setImmediate(run);

let waiting: (() => void)[] = [];
let playing = false;

/**
 * Deno looks at sockets only when nothing else is to be done, or after dozens of turns: with immediates or messages, a
 * few busy connections would hold all others up by seconds. So all that waits runs in one round, and the next one is
 * started by the smallest task of another thread (20 µs), for which the event loop waits.
 */
function inRounds(run: () => void): void {
  if (waiting.push(run) === 1 && !playing) void nextRound();
}

const NOTHING = new Uint8Array(0);

async function nextRound(): Promise<void> {
  // Twice: the first may end while others still read.
  await crypto.subtle.digest("SHA-1", NOTHING);
  await crypto.subtle.digest("SHA-1", NOTHING);
  const runs = waiting;
  waiting = [];
  playing = true;
  for (const run of runs) run();
  playing = false;
  if (waiting.length > 0) void nextRound();
}

/** Schedules a connection's flush together with those of the process's other connections. */
export const scheduleFlush: ScheduleFlush = (flush) => ofProcess.schedule(flush);

/** The same for a server's connection on which responses are streamed. */
export const scheduleStreamFlush: ScheduleFlush = (flush) => ofStreams.schedule(flush);
