/**
 * The minimum interval, in milliseconds, between reads of a resolver and between new pickers of a policy, so that a
 * burst of changes costs one of each.
 */
export const PACE_MS = 20;
