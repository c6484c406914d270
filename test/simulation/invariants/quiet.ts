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

/** Half of what a connection accepts at once, by default: it is credited once that much has been taken. */
const HALF_WINDOW_BYTES = 8 * 1024 * 1024;

/** No stream is left on a connection once all calls have ended, and its two ends agree on what may still be sent. */
export const windowsAreWhole: Invariant = {
  name: "windows-are-whole",
  watch: (world) => ({
    still() {
      for (const { address, grpc, running } of world.servers) {
        const theirs = running ? grpc?.snapshot().connections ?? [] : [];
        const ours = world.clients.flatMap(({ transport }) => transport.snapshot().endpoints ?? [])
          .filter(({ endpoint }) => endpoint.address === address).flatMap(({ sockets }) => sockets);
        for (const { streams, receiveWindowBytes = 0 } of [...ours, ...theirs]) {
          if (streams?.inFlight !== 0) world.broken("windows-are-whole", `${address} has ${streams?.inFlight} streams`);
          if (receiveWindowBytes < HALF_WINDOW_BYTES) {
            world.broken("windows-are-whole", `${receiveWindowBytes} bytes may be sent to or from ${address}`);
          }
        }
        for (const [from, to] of [[ours, theirs], [theirs, ours]] as const) {
          const may = from.map(({ sendWindowBytes }) => sendWindowBytes ?? 0).sort((a, b) => a - b).join();
          const accepted = to.map(({ receiveWindowBytes }) => receiveWindowBytes ?? 0).sort((a, b) => a - b).join();
          if (may !== accepted) {
            world.broken("windows-are-whole", `${may} may be sent at ${address}, ${accepted} be received`);
          }
        }
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
