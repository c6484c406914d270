import type { Invariant } from "./invariant.ts";

/** How long after all is well again watches may still be renewed. */
const SETTLING_MS = 240_000;

/** While all is well, no watch has to begin again. */
export const watchesLast: Invariant = {
  name: "watches-last",
  watch: (world) => ({
    registryEvent(client, { type }) {
      if (type !== "watch-restarted" || world.time.now() < world.plan.durationMs + SETTLING_MS) return;
      world.broken("watches-last", `a watch of ${client} begins again although all is well`);
    },
  }),
};

/** Clients that follow several services know all of them: the first server is registered under each. */
export const allServicesAreKnown: Invariant = {
  name: "all-services-are-known",
  watch: (world) => ({
    still() {
      const [first] = world.servers;
      for (const { others, plan } of world.clients) {
        for (const [service, known] of others) {
          if (known === first!.address) continue;
          world.broken("all-services-are-known", `${plan.name} knows ${known || "none"} of ${service}`);
        }
      }
    },
  }),
};
