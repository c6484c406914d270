import type { Invariant } from "./invariant.ts";

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
