/** A pending timer, as returned by {@link Clock.timer}. */
export interface Timer {
  /** Cancels the timer, so that its callback does not run. Safe to call twice, and after it fired. */
  cancel(): void;
  /** Changes whether it keeps the process alive. Test clocks need not implement it. */
  hold?(on: boolean): void;
}

/** The source of all time: a monotonic "now" and timers. Tests inject their own and advance it manually. */
export interface Clock {
  /** Milliseconds on a monotonic scale with an arbitrary zero; may have a fraction. */
  now(): number;
  /**
   * Runs `callback` once after `delayMs` milliseconds (values above 2³¹−1, the most that a runtime's timer takes, are
   * clamped; negative ones count as 0).
   *
   * A timer does not keep the process alive unless `hold` is true: waiting keeps a process alive, housekeeping doesn't.
   */
  timer(delayMs: number, callback: () => void, hold?: boolean): Timer;
}

/**
 * The longest delay that the timers of all runtimes support, in milliseconds (2³¹ − 1, 24.8 days; a longer one would
 * fire immediately). Timeouts that something else than a {@link Clock} turns into timers are limited to it.
 */
export const MAX_DELAY_MS = 0x7fff_ffff;

/**
 * How a runtime lets a timer not keep the process alive: Node and Bun with methods of the handle, Deno with functions.
 */
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

/** In workerd a timer belongs to the request that set it, and never fires once that has ended. */
export const TIMERS_BELONG_TO_REQUESTS: boolean = globalThis.navigator?.userAgent === "Cloudflare-Workers";

/** The runtime's own clock: `performance.now()` and `setTimeout`. */
export const systemClock: Clock = {
  now: () => performance.now(),
  timer(delayMs, callback, hold = false) {
    const handle: unknown = setTimeout(callback, Math.min(Math.max(0, delayMs), MAX_DELAY_MS));
    if (!hold) holdProcess(handle, false);
    return { cancel: () => clearTimeout(handle as number), hold: (on) => holdProcess(handle, on) };
  },
};
