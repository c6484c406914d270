import { processLoans } from "../../../src/http2/lender.ts";
import type { SocketSnapshot } from "../../../src/snapshot.ts";
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

/** What a connection accepts at once by default. */
const WINDOW_BYTES = 16 * 1024 * 1024;

/**
 * Once all calls have ended, no stream is left on a connection, and each end may send at least half of what the other
 * accepts at once, and no less than that expects.
 */
export const windowsAreWhole: Invariant = {
  name: "windows-are-whole",
  watch(world) {
    const broken = (what: string) => world.broken("windows-are-whole", what);
    const sum = (sockets: readonly SocketSnapshot[], of: "sendWindowBytes" | "receiveWindowBytes") =>
      sockets.reduce((bytes, socket) => bytes + (socket[of] ?? 0), 0);
    return {
      still() {
        for (const { address, grpc, running, plan } of world.servers) {
          if (!running || grpc === undefined) continue;
          for (const client of world.clients) {
            const { name } = client.plan, { endpoints = [] } = client.transport.snapshot();
            const ours = endpoints.find(({ endpoint }) => endpoint.address === address)?.sockets ?? [];
            const theirs = grpc.snapshot().connections.filter(({ remote }) => remote === name);
            const pair = `${name} and ${address}`;
            if (ours.length !== theirs.length) broken(`${pair} have ${ours.length} and ${theirs.length} connections`);
            for (const { streams } of [...ours, ...theirs]) {
              if (streams?.inFlight !== 0) broken(`${pair} have ${streams?.inFlight} streams`);
            }
            for (const [from, to, by] of [[ours, theirs, plan], [theirs, ours, client.plan]] as const) {
              const may = sum(from, "sendWindowBytes"), accepted = sum(to, "receiveWindowBytes");
              const least = from.length * (by.windowBytes ?? WINDOW_BYTES) / 2;
              if (may < Math.max(least, accepted)) {
                broken(`${pair}: ${may} bytes may be sent, ${accepted} are accepted`);
              }
            }
          }
        }
      },
    };
  },
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
