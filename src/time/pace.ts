/**
 * How often, in milliseconds, sets and states go through a balancer at most: a resolver is read, and the policy makes a
 * new picker, no more often than this, so that a burst of changes costs one of each.
 */
export const PACE_MS = 20;
