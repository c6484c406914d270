import type { Scenario } from "./scenario.ts";
import { kill } from "./scenarios/kill.ts";

/** All scenarios, in the order of the table. */
export const scenarios: readonly Scenario[] = [kill];
