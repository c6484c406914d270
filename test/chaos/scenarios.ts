import type { Scenario } from "./scenario.ts";
import { abandoned } from "./scenarios/abandoned.ts";
import { allGone } from "./scenarios/all-gone.ts";
import { allSick } from "./scenarios/all-sick.ts";
import { badRequests } from "./scenarios/bad-requests.ts";
import { blackHole } from "./scenarios/black-hole.ts";
import { freeze } from "./scenarios/freeze.ts";
import { hostile } from "./scenarios/hostile.ts";
import { kill } from "./scenarios/kill.ts";
import { garbage } from "./scenarios/garbage.ts";
import { outliers } from "./scenarios/outliers.ts";
import { proxyRestart, proxyRolling } from "./scenarios/proxy.ts";
import { rolling } from "./scenarios/rolling.ts";
import { restart } from "./scenarios/restart.ts";
import { goaway, limit, refuse } from "./scenarios/strict.ts";
import { timeouts } from "./scenarios/timeouts.ts";

/** All scenarios, in the order of the table. */
export const scenarios: readonly Scenario[] = [
  kill,
  rolling,
  restart,
  freeze,
  blackHole,
  goaway,
  refuse,
  limit,
  allGone,
  ...outliers,
  allSick,
  badRequests,
  abandoned,
  garbage,
  timeouts,
  hostile,
];

/**
 * What is played with the proxy, in the order of its table: all that is about calls and their servers, and what happens
 * to proxies. The other scenarios are about what a caller in the same process sees.
 */
export const proxyScenarios: readonly Scenario[] = [
  kill,
  rolling,
  restart,
  proxyRolling,
  proxyRestart,
  freeze,
  blackHole,
  goaway,
  refuse,
  limit,
  ...outliers,
  allSick,
  badRequests,
];
