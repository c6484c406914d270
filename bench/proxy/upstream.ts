import { grpcGo } from "../../test/support/grpc-go.ts";
import { Lines, startScript } from "../process.ts";

/** What may stand behind the proxies. */
export const UPSTREAMS = ["connect-lb", "grpc-go"] as const;
export type UpstreamName = (typeof UPSTREAMS)[number];

/** Two servers, each in a process of its own. */
export interface Upstream {
  readonly addresses: readonly string[];
  readonly pids: readonly number[];
  end(): Promise<void>;
}

/** Starts two servers of a kind; this library's run on Node. @throws Error if one does not listen */
export async function startUpstream(name: UpstreamName): Promise<Upstream> {
  const servers = [1, 2].map(() =>
    name === "grpc-go" ? new Lines(grpcGo("server"), []) : startScript("node", "server/contenders/connect-lb.ts", [])
  );
  const end = async () => {
    await Promise.all(servers.map((server) => server.end()));
  };
  const addresses: string[] = [], pids: number[] = [];
  for (const server of servers) {
    const listening = await server.next<{ address: string; pid: number }>(20_000);
    if ("error" in listening) {
      await end();
      throw new Error(`a server behind the proxies did not start: ${listening.error}`);
    }
    addresses.push(listening.address);
    pids.push(listening.pid);
  }
  return { addresses, pids, end };
}
