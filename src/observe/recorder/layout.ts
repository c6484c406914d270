// Where the parts of a recorded call are in its numbers and references.

/** How many attempts of a call are kept. */
export const MOST_ATTEMPTS = 4;

/** The numbers of a call. 0 is what nothing was written to. */
export const Fields = {
  startedMs: 0,
  latencyMs: 1,
  timeoutMs: 2,
  code: 3,
  attempts: 4,
  kept: 5,
  resolutionMs: 6,
  connectionMs: 7,
  roomMs: 8,
  backoffMs: 9,
} as const;

/** The numbers of an attempt, from where its part begins. */
export const AttemptFields = {
  number: 0,
  hedge: 1,
  startedMs: 2,
  waitMs: 3,
  firstByteMs: 4,
  latencyMs: 5,
  end: 6,
  code: 7,
} as const;

/** Where the part of the attempt in a place from 0 begins. */
export function attemptAt(place: number): number {
  return 10 + 8 * place;
}

/** How many numbers a call has. */
export const NUMBERS: number = /* @__PURE__ */ attemptAt(MOST_ATTEMPTS);

/** The references of a call; `endpoint` and `error` have one for each attempt. */
export const Links = { method: 0, target: 1, callError: 2, endpoint: 3, error: 7 } as const;

/** How many references a call has. */
export const REFERENCES: number = 3 + 2 * 4;
