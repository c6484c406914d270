import { Code, ConnectError } from "@connectrpc/connect";
import { sleep } from "../../../src/time/backoff.ts";
import type { CallRecord } from "../world/ledger.ts";
import type { Invariant } from "./invariant.ts";

/** How late a deadline may be noticed: the library's deadlines share slots of 4 ms. */
const LATE_MS = 6;
/** How long a stream whose reader is just gone may count as in flight: until its garbage is collected. */
const COLLECTED_MS = 5_000;

/** A call ends once, by its deadline. */
export const endsInTime: Invariant = {
  name: "ends-in-time",
  watch(world) {
    const late = ({ id, startedMs, timeoutMs = Infinity, client }: CallRecord) => {
      const { process } = world.client(client);
      const since = Math.max(startedMs + timeoutMs, process.thawedMs);
      if (!process.frozen && world.time.now() > since + LATE_MS) {
        world.broken("ends-in-time", `${id} took ${world.time.now() - startedMs} ms of ${timeoutMs}`);
      }
    };
    return {
      ended(call) {
        if (call.ends !== 1) world.broken("ends-in-time", `${call.id} ended ${call.ends} times`);
        // A stream's reader can be busy when its call ends.
        if (call.kind === "read" || call.kind === "write") late(call);
      },
      quiet() {
        for (const call of world.ledger.open) world.broken("ends-in-time", `${call.id} (${call.kind}) never ended`);
      },
    };
  },
};

/** What isn't idempotent is processed once; what was declared unprocessed, never. */
export const processedOnce: Invariant = {
  name: "processed-once",
  watch(world) {
    const unprocessed = ({ id, mark, processed }: CallRecord) => {
      if ((mark !== "not-sent" && mark !== "refused") || processed.length === 0) return;
      world.broken(
        "processed-once",
        `${id} was processed by ${processed.join(", ")}, and its caller was told: ${mark}`,
      );
    };
    return {
      processing(call) {
        if (call.kind !== "read" && call.processed.length > 1) {
          world.broken("processed-once", `${call.id} (${call.kind}) was processed by ${call.processed.join(" and ")}`);
        }
        if (call.ends > 0 && call.kind !== "read") unprocessed(call);
      },
      ended: (call) => call.kind !== "read" && unprocessed(call),
    };
  },
};

/** A call succeeds if it was processed, or says why not: no error is one of the library's own making. */
export const knownErrors: Invariant = {
  name: "known-errors",
  watch: (world) => ({
    ended({ id, code, error }) {
      if (code !== Code.Unknown && code !== Code.Internal) return;
      const { rawMessage, cause } = ConnectError.from(error);
      if (rawMessage === "the server is sick" || rawMessage.includes("no other server is tried")) return;
      world.broken(
        "known-errors",
        `${id} failed with ${Code[code]}: ${rawMessage}${cause ? ` (${String(cause)})` : ""}`,
      );
    },
  }),
};

/** Once everything is well again, calls succeed. */
export const recovers: Invariant = {
  name: "recovers",
  watch: (world) => ({
    async quiet() {
      for (const client of world.clients) {
        const { kinds, maxInFlight, maxInFlightPerEndpoint } = client.plan;
        const limited = maxInFlight !== undefined || maxInFlightPerEndpoint !== undefined;
        for (let i = 0; i < 6; i++) {
          const call = await client.call(kinds[i % kinds.length]!, 30_000);
          // What it has left counts for its limits, which refuse further calls.
          if (limited && call.givenUp) await sleep(client.process.clock, COLLECTED_MS, undefined);
          if (call.code === undefined || call.givenUp) continue;
          const text = call.error instanceof Error ? call.error.message : String(call.error);
          world.broken("recovers", `${call.id} failed although everything is well: ${text}`);
        }
      }
    },
  }),
};

/** No call that succeeded was processed by nobody. */
export const answersAreReal: Invariant = {
  name: "answers-are-real",
  watch: (world) => ({
    ended({ id, code, processed }) {
      if (code === undefined && processed.length === 0) {
        world.broken("answers-are-real", `${id} was answered by nobody`);
      }
    },
  }),
};
