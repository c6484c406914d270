import { setImmediate } from "node:timers";
import { afterLook } from "./deno-look.ts";
import { DenoTurns } from "./deno-turns.ts";

/** Runs something in the event loop's next turn, after what sockets have for this one. */
export const nextTurn: (run: () => void) => void = "Deno" in globalThis
  ? turnsOnDeno()
  : (run) => void setImmediate(run);

function turnsOnDeno(): (run: () => void) => void {
  const nothing = new Uint8Array(0);
  const turns = new DenoTurns({
    now: () => performance.now(),
    soon: (run) => void crypto.subtle.digest("SHA-1", nothing).then(run),
    look: afterLook,
  });
  return (run) => turns.next(run);
}
