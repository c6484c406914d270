import { type Child, type Runtime, startScript } from "../support/process.ts";

/** A server that nobody here wrote, behind a few lines of ours; or this library's own. */
export interface Peer {
  readonly name: string;
  readonly address: string;
  readonly child: Child;
  stop(): Promise<unknown>;
}

/** What to start, and on which runtime. */
export interface PeerKind {
  readonly name: string;
  readonly script: "grpc-js" | "connect-node" | "connect-lb";
  readonly on: Runtime;
}

export const PEERS: readonly PeerKind[] = [
  { name: "grpc-js", script: "grpc-js", on: "node" },
  { name: "connect-node on Node", script: "connect-node", on: "node" },
  { name: "connect-node on Bun", script: "connect-node", on: "bun" },
  { name: "connect-node on Deno", script: "connect-node", on: "deno" },
  { name: "connect-lb on Node", script: "connect-lb", on: "node" },
  { name: "connect-lb on Bun", script: "connect-lb", on: "bun" },
  { name: "connect-lb on Deno", script: "connect-lb", on: "deno" },
];

/** Starts a server on a port that the kernel chooses, or on a given one. */
export async function startPeer(kind: PeerKind, ...args: readonly string[]): Promise<Peer> {
  const child = startScript(kind.on, `test/peers/servers/${kind.script}.ts`, args);
  const [, port] = await child.line(/^port (\d+)$/);
  return { name: kind.name, address: `127.0.0.1:${port}`, child, stop: () => child.stop() };
}
