import type { Fault } from "./fault.ts";
import * as network from "./network.ts";
import * as programs from "./programs.ts";
import * as sources from "./sources.ts";

/** All kinds of faults. */
export const FAULTS: readonly Fault[] = [network, programs, sources].flatMap((faults) => Object.values(faults));

export function faultOf(kind: string): Fault {
  const fault = FAULTS.find((other) => other.kind === kind);
  if (fault === undefined) throw new Error(`there is no fault of the kind ${kind}`);
  return fault;
}
