import { setImmediate } from "node:timers";

/**
 * How many microtasks long a burst is where a turn's end can't be told. A streaming call's headers, first message and end
 * come up to 7 apart, by way of the caller's generators and promises: that makes one write of three.
 */
const BURST_MICROTASKS = 8;

/**
 * Node and Deno read all sockets that have something before they run immediates, so the calls that several servers'
 * answers set off share their writes: a third more small calls a second over three connections. Bun's immediates come too
 * late for answers to answers (a fifth less), and workerd's are timers.
 */
const IMMEDIATES_END_TURNS = !("Bun" in globalThis) && globalThis.navigator?.userAgent !== "Cloudflare-Workers";

/** Calls back when what came in together has been handled: at the end of the event loop's turn where that can be told. */
export const atTurnEnd: (callback: () => void) => void = IMMEDIATES_END_TURNS
  ? (callback) => void setImmediate(callback)
  : afterBurst;

function afterBurst(callback: () => void): void {
  let left = BURST_MICROTASKS;
  const count = () => {
    if (--left > 0) queueMicrotask(count);
    else callback();
  };
  queueMicrotask(count);
}
