import { Code } from "@connectrpc/connect";
import type { CallRecord } from "../world/ledger.ts";
import type { Invariant } from "./invariant.ts";

const textOf = ({ error }: CallRecord) => error instanceof Error ? error.message : String(error);

/** A call whose time is over says so, whatever happens to its connection at that moment. */
export const saysDeadline: Invariant = {
  name: "says-deadline",
  watch: (world) => ({
    ended(call) {
      const { id, kind, code, givenUp, startedMs, endedMs, timeoutMs = Infinity } = call;
      if (code === undefined || code === Code.DeadlineExceeded || givenUp || endedMs! < startedMs + timeoutMs) return;
      // A stream's reader hears of its end when it comes to read.
      if (kind !== "read" && kind !== "write" || !textOf(call).includes("the connection was lost")) return;
      world.broken("says-deadline", `${id} ended as its time was over with ${Code[code]}: ${textOf(call)}`);
    },
  }),
};

/** How long unary calls may last at an endpoint that has left the set. */
const REMOVED_GRACE_MS = 30_000;

/** No client closes a connection while its calls are on it, unless they are unary and don't end once it was removed. */
export const closesOnNobody: Invariant = {
  name: "closes-on-nobody",
  watch: (world) => ({
    ended(call) {
      const { id, kind, code, givenUp, startedMs, endedMs } = call;
      if (code === undefined || givenUp || !textOf(call).includes("was closed locally")) return;
      if ((kind === "read" || kind === "write") && endedMs! - startedMs >= REMOVED_GRACE_MS) return;
      world.broken("closes-on-nobody", `${id} failed with ${textOf(call)}`);
    },
  }),
};

/** A call that makes servers end their connections ends few of them: idempotent ones could be repeated three times. */
export const poisonIsContained: Invariant = {
  name: "poison-is-contained",
  watch: (world) => ({
    processing({ id, poisoned, processed }) {
      if (poisoned > 2) world.broken("poison-is-contained", `${id} ended connections of ${processed.join(", ")}`);
    },
  }),
};
