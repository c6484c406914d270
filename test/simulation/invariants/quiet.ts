import { processLoans } from "../../../src/http2/lender.ts";
import type { Invariant } from "./invariant.ts";

/** Nothing is in flight once all calls have ended. */
export const nothingInFlight: Invariant = {
  name: "nothing-in-flight",
  watch: (world) => ({
    still() {
      for (const { transport, plan } of world.clients) {
        for (const { endpoint, inFlight } of transport.snapshot().endpoints ?? []) {
          if (inFlight !== 0) {
            world.broken("nothing-in-flight", `${plan.name} counts ${inFlight} at ${endpoint.address}`);
          }
        }
      }
      for (const { grpc, address } of world.servers) {
        const inFlight = grpc?.snapshot().inFlight ?? 0;
        if (inFlight !== 0) world.broken("nothing-in-flight", `${address} counts ${inFlight}`);
      }
    },
  }),
};

/** The clients' sets equal what is registered. */
export const setsAreTrue: Invariant = {
  name: "sets-are-true",
  watch: (world) => ({
    still() {
      const truth = world.servers.map(({ address }) => address).sort().join(" ");
      for (const { transport, plan } of world.clients) {
        const set = (transport.snapshot().endpoints ?? []).map(({ endpoint }) => endpoint.address).sort().join(" ");
        if (set !== truth) world.broken("sets-are-true", `${plan.name} knows ${set || "none"} of ${truth}`);
      }
    },
  }),
};

/** When all is closed, nothing is left. */
export const nothingIsLeft: Invariant = {
  name: "nothing-is-left",
  watch: (world) => ({
    closed() {
      const { network, processes } = world;
      if (network.open > 0) world.broken("nothing-is-left", `open connections: ${network.openEnds.join(", ")}`);
      if (processLoans.bytes !== 0) world.broken("nothing-is-left", `${processLoans.bytes} bytes are on loan`);
      for (const { name, timers } of processes) {
        if (timers > 0 && name !== "etcd's disk") world.broken("nothing-is-left", `${name} has ${timers} timers`);
      }
    },
  }),
};
