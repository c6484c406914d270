/** A pending timer, as {@link Clock.timer} gives it. */
export interface Timer {
  /** Ends the timer; its callback will not run any more. Safe to call twice and after it fired. */
  cancel(): void;
  /** Changes whether it keeps the process alive. Clocks of tests need not have it. */
  hold?(on: boolean): void;
}

/**
 * Where all time comes from: a monotonic "now" and timers. Tests inject their own and turn it by hand.
 */
export interface Clock {
  /** Milliseconds on a monotonic scale with an arbitrary zero; may have a fraction. */
  now(): number;
  /**
   * Runs `callback` once after `delayMs` milliseconds (values above 2³¹−1, the most that a runtime's timer takes, are
   * clamped; below 0 they count as 0).
   *
   * A timer does not keep the process alive unless `hold` is true: waiting keeps a process alive, housekeeping doesn't.
   */
  timer(delayMs: number, callback: () => void, hold?: boolean): Timer;
}

/** The longest delay that timers of all runtimes take, in milliseconds (2³¹ − 1; a longer one would fire at once). */
export const MAX_DELAY_MS = 0x7fff_ffff;

/** What a runtime may offer to let a timer not hold the process: Node and Bun on the handle, Deno as functions. */
interface Refs {
  ref?(): void;
  unref?(): void;
}
const deno = (globalThis as { Deno?: { refTimer?(id: number): void; unrefTimer?(id: number): void } }).Deno;

function holdProcess(handle: unknown, on: boolean): void {
  if (typeof handle === "number") {
    if (on) deno?.refTimer?.(handle);
    else deno?.unrefTimer?.(handle);
  } else {
    if (on) (handle as Refs).ref?.();
    else (handle as Refs).unref?.();
  }
}

/** The runtime's own clock: `performance.now()` and `setTimeout`. */
export const systemClock: Clock = {
  now: () => performance.now(),
  timer(delayMs, callback, hold = false) {
    const handle: unknown = setTimeout(callback, Math.min(Math.max(0, delayMs), MAX_DELAY_MS));
    if (!hold) holdProcess(handle, false);
    return { cancel: () => clearTimeout(handle as number), hold: (on) => holdProcess(handle, on) };
  },
};
