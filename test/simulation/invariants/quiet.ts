import { processLoans } from "../../../src/http2/lender.ts";
import type { SocketSnapshot } from "../../../src/snapshot.ts";
import type { World } from "../world/world.ts";
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
      for (const server of world.servers) {
        const { inFlight = 0, connections = [] } = server.grpc?.snapshot() ?? {};
        const most = connections.reduce((sum, { remote }) => sum + reportStreams(world, server.clientAt(remote)), 0);
        if (inFlight > most) world.broken("nothing-in-flight", `${server.address} counts ${inFlight}`);
      }
    },
  }),
};

/** What a connection accepts at once by default. */
const WINDOW_BYTES = 16 * 1024 * 1024;

/** The most that a load report takes which a server sends by itself, with its frame's header. */
const REPORT_BYTES = 100;

/** A connection whose windows are still to be agreed on. */
const NEW_MS = 5_000;

function sum(sockets: readonly SocketSnapshot[], of: "sendWindowBytes" | "receiveWindowBytes"): number {
  return sockets.reduce((bytes, socket) => bytes + (socket[of] ?? 0), 0);
}

/**
 * Once all calls have ended, no stream is left on a server's connections, and each end may send at least half of what
 * the other accepts at once, and no less than that expects.
 */
export const windowsAreWhole: Invariant = {
  name: "windows-are-whole",
  watch: (world) => ({
    still() {
      const old = (sockets: readonly SocketSnapshot[], nowMs: number) =>
        sockets.filter(({ sinceMs }) => nowMs - sinceMs > NEW_MS);
      const clients = world.clients.map(({ transport, plan }) => ({ ...transport.snapshot(), ...plan }));
      for (const server of world.servers) {
        const { address, grpc, running, plan } = server;
        if (!running || grpc === undefined) continue;
        const broken = (what: string) => world.broken("windows-are-whole", `${address}: ${what}`);
        const { connections, nowMs } = grpc.snapshot(), theirs = old(connections, nowMs);
        let acceptedByClients = 0, reportBytes = 0;
        const left = ({ streams }: SocketSnapshot, client: string) => {
          if (streams!.inFlight > reportStreams(world, client)) {
            broken(`${streams!.inFlight} streams of ${client} are left`);
          }
        };
        const ours = clients.flatMap(({ endpoints = [], nowMs, windowBytes = WINDOW_BYTES, name }) => {
          const here = endpoints.filter(({ endpoint }) => endpoint.address === address);
          const sockets = old(here.flatMap(({ sockets }) => sockets), nowMs);
          acceptedByClients += sockets.length * windowBytes;
          reportBytes += sockets.length * reportStreams(world, name) * REPORT_BYTES;
          for (const socket of sockets) left(socket, name);
          return sockets;
        });
        for (const socket of theirs) left(socket, server.clientAt(socket.remote));
        // One end may have closed a moment ago.
        if (ours.length !== theirs.length) continue;
        const acceptedByServer = ours.length * (plan.windowBytes ?? WINDOW_BYTES);
        for (
          const [from, to, windowBytes, underwayBytes] of [
            [ours, theirs, acceptedByServer, 0],
            [theirs, ours, acceptedByClients, reportBytes],
          ] as const
        ) {
          const may = sum(from, "sendWindowBytes") + underwayBytes, expected = sum(to, "receiveWindowBytes");
          if (may < Math.max(windowBytes / 2, expected)) {
            broken(`${may} of ${windowBytes} bytes may be sent, ${expected} are expected`);
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

/**
 * How many streams stay open on a connection of a client for load reports. Servers that have lost a client unawares, and
 * have its stream still, notice that only after minutes.
 */
function reportStreams(world: World, client: string): number {
  return world.client(client).plan.policy === "loadReportsOutOfBand" ? 1 : 0;
}

/** When all is closed, nothing is left. */
export const nothingIsLeft: Invariant = {
  name: "nothing-is-left",
  watch: (world) => ({
    closed() {
      const { network, processes } = world;
      for (const { grpc, address } of world.servers) {
        const inFlight = grpc?.snapshot().inFlight ?? 0;
        if (inFlight !== 0) world.broken("nothing-is-left", `${address} counts ${inFlight} in flight`);
      }
      if (network.open > 0) world.broken("nothing-is-left", `open connections: ${network.openEnds.join(", ")}`);
      if (processLoans.bytes !== 0) world.broken("nothing-is-left", `${processLoans.bytes} bytes are on loan`);
      for (const { name, timers } of processes) {
        if (timers > 0 && name !== "etcd's disk") world.broken("nothing-is-left", `${name} has ${timers} timers`);
      }
    },
  }),
};
