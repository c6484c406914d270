import type { Client } from "@connectrpc/connect";
import type { Simple } from "../../gen/simple_pb.ts";
import type { Link } from "../../src/index.ts";
import { grpcConnector } from "../../src/node.ts";
import type { Contender } from "../contender.ts";
import { type Addresses, type Kind, KINDS } from "../kind.ts";
import { connectContender, simpleClient } from "./connect-client.ts";

/** This library's link without the balancer: three links, used in turn by an index, so that only the balancer differs. */
export async function open(addresses: Addresses): Promise<Contender> {
  const connector = grpcConnector();
  const links: Link[] = [];
  const clients: Partial<Record<Kind, Client<typeof Simple>[]>> = {};
  for (const kind of KINDS) {
    clients[kind] = [];
    for (const address of addresses[kind]) {
      const link = connector({ address }, { draining() {}, lost() {} });
      await link.connect?.(AbortSignal.timeout(10_000));
      links.push(link);
      clients[kind].push(simpleClient(link.transport));
    }
  }
  let next = 0;
  const clientOf = (kind: Kind) => {
    const those = clients[kind]!;
    return those[next = (next + 1) % those.length]!;
  };
  return connectContender(clientOf, async () => {
    await Promise.all(links.map((link) => link.close()));
  });
}
