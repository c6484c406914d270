import type { Clock } from "../../src/time/clock.ts";

/** A clock on which every reading is a second after the one before, and whose timers never fire: nothing is paced. */
export function leapingClock(): Clock {
  let now = 0;
  return { now: () => now += 1_000, timer: () => ({ cancel() {} }) };
}
