/** A moment on another clock as one on the page's, in whole milliseconds. */
export type LocalTime = (ms: number) => number;

/** How exact it is. Two readings of the same clock differ by less, and give the same moments each time. */
const EXACT_MS = 100;

/** From what both clocks say now. */
export function localTime(nowMs: number, otherNowMs: number): LocalTime {
  const ahead = EXACT_MS * Math.round((nowMs - otherNowMs) / EXACT_MS);
  return (ms) => Math.round(ms + ahead);
}
