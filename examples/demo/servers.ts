// What the demo is about: an etcd, and three servers that register there.
import process from "node:process";
import { type Child, printed, start } from "./child.ts";

/** A server that is registered. */
export interface Server {
  readonly name: string;
  readonly address: string;
  readonly key: string;
  readonly child: Child;
}

/** What the demo prints. */
export type Say = (text: string) => void;

/** Starts an etcd in memory; returns its URL. */
export async function startEtcd(say: Say): Promise<string> {
  const child = start("etcd.ts", ["--port", "0"], {}, (line) => say(`etcd: ${line}`));
  const url = await printed("etcd", child, "says where it listens", /(http:\/\/\S+)/);
  say(`an etcd in memory: ${url}`);
  return url;
}

/** A service's name of its own, so that a real etcd's other servers are not called. */
export function ownService(): string {
  return `demo_${Date.now().toString(36)}_${process.pid}`;
}

/** Starts a server, and waits until it is registered. */
export async function startServer(
  { url, service, say }: { readonly url: string; readonly service: string; readonly say: Say },
  name: string,
  address: string = "127.0.0.1:0",
): Promise<Server> {
  const environment = { ETCD_ENDPOINTS: url, SERVICE: service, ADDRESS: address };
  const child = start("server.ts", [], environment, (line) => say(`${name}: ${line}`));
  const key = await printed(name, child, "is registered", /^registered: (.*)/);
  return { name, child, key, address: await printed(name, child, "listens", /^listening on (.*)/) };
}

/** Starts A, B and C, named in the order of their addresses, which is the order of the rotation. */
export async function startThree(of: Parameters<typeof startServer>[0]): Promise<Server[]> {
  const three = await Promise.all([1, 2, 3].map((i) => startServer(of, `server ${i}`)));
  const servers = three.sort((a, b) => a.address < b.address ? -1 : 1).map((server, i) => ({
    ...server,
    name: "ABC"[i]!,
  }));
  for (const { name, key } of servers) of.say(`server ${name} registered ${key}`);
  return servers;
}
