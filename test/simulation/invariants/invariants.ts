import * as backoff from "./backoff.ts";
import * as calls from "./calls.ts";
import * as calm from "./calm.ts";
import * as connections from "./connections.ts";
import * as dials from "./dials.ts";
import * as errors from "./errors.ts";
import * as events from "./events.ts";
import type { Invariant } from "./invariant.ts";
import * as order from "./order.ts";
import * as quiet from "./quiet.ts";
import * as rotation from "./rotation.ts";
import * as services from "./services.ts";
import * as silence from "./silence.ts";

/** What must hold besides, which runs watch themselves. */
export const OF_ALL_RUNS: readonly string[] = ["nothing-unhandled", "nothing-leaks-in"];

/** All invariants. Those of quiet worlds are asked in this order. */
export const INVARIANTS: readonly Invariant[] = [
  calls,
  errors,
  calm,
  order,
  rotation,
  connections,
  backoff,
  silence,
  services,
  quiet,
  events,
  dials,
].flatMap((of) => Object.values(of));
