import process from "node:process";
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

const settled = Promise.resolve();

/**
 * Of connections with one call, on Node: ticks come when all microtasks are done, and cost half of an immediate. On Deno
 * they cost the same.
 */
const ofLoneCalls = IMMEDIATES_END_TURNS && !("Deno" in globalThis)
  ? new FlushScheduler(() => performance.now(), (callback) => settled.then(() => process.nextTick(callback)))
  : ofProcess;

/** Runs something in the event loop's next turn, after what sockets have for this one. */
export const nextTurn: (run: () => void) => void = "Deno" in globalThis ? inRounds : (run) => void setImmediate(run);

let waiting: (() => void)[] = [];
let playing = false;
/** When the timer was set that fires once the event loop has looked at sockets; 0 if none is set. */
let timerSinceMs = 0;
/** Until when all rounds are started by that timer. */
let timersUntilMs = 0;
/** A timer that is later than this shows that sockets have to wait, for so long. */
const LATE_MS = 3, WAITING_MS = 100;

/**
 * Deno looks at sockets only when nothing else is to be done, or after dozens of turns: with immediates or messages, a
 * few busy connections would hold all others up by seconds. So all that waits runs in one round, and the next one is
 * started by the smallest task of another thread (20 µs), for which the event loop waits. A timer that is late shows
 * when it doesn't, as timers fire only after sockets were looked at: then timers start the rounds for a while.
 */
function inRounds(run: () => void): void {
  if (waiting.push(run) === 1 && !playing) nextRound();
}

const NOTHING = new Uint8Array(0);

function nextRound(): void {
  const now = performance.now();
  if (timerSinceMs === 0) {
    timerSinceMs = now;
    setTimeout(onTimer, 0);
  } else if (now - timerSinceMs > LATE_MS) {
    timersUntilMs = now + WAITING_MS;
  }
  if (now >= timersUntilMs) crypto.subtle.digest("SHA-1", NOTHING).then(playRound);
}

function onTimer(): void {
  timerSinceMs = 0;
  playRound();
}

function playRound(): void {
  const runs = waiting;
  if (runs.length === 0) return;
  waiting = [];
  playing = true;
  for (const run of runs) run();
  playing = false;
  if (waiting.length > 0) nextRound();
}

/** Schedules a connection's flush together with those of the process's other connections. */
export const scheduleFlush: ScheduleFlush = (flush, load) =>
  (load === "one call" ? ofLoneCalls : ofProcess).schedule(flush);

/** The same for a server's connection on which responses are streamed. */
export const scheduleStreamFlush: ScheduleFlush = (flush) => ofStreams.schedule(flush);
