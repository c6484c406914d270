import * as calls from "./calls.ts";
import * as dials from "./dials.ts";
import type { Invariant } from "./invariant.ts";
import * as quiet from "./quiet.ts";

/** All invariants. Those of quiet worlds are asked in this order. */
export const INVARIANTS: readonly Invariant[] = [
  ...Object.values(calls),
  ...Object.values(quiet),
  ...Object.values(dials),
];
