import type { Scenario } from "./scenario.ts";
import { allGone } from "./scenarios/all-gone.ts";
import { blackHole } from "./scenarios/black-hole.ts";
import { freeze } from "./scenarios/freeze.ts";
import { kill } from "./scenarios/kill.ts";

/** All scenarios, in the order of the table. */
export const scenarios: readonly Scenario[] = [kill, freeze, blackHole, allGone];
