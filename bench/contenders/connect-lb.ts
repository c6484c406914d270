import { type BalancedTransportOptions, createBalancedTransport, staticResolver } from "../../src/index.ts";
import { grpcConnector } from "../../src/node.ts";
import { type Contender, perKind } from "../contender.ts";
import type { Addresses } from "../kind.ts";
import { connectContender, simpleClient } from "./connect-client.ts";

/** This library: balanced over three endpoints, all defaults on. */
export function open(addresses: Addresses, options: Partial<BalancedTransportOptions> = {}): Contender {
  const transports: { close(): Promise<void> }[] = [];
  const clientOf = perKind(addresses, (endpoints) => {
    const resolver = staticResolver([...endpoints]);
    const transport = createBalancedTransport({ resolver, connector: grpcConnector(), ...options });
    transports.push(transport);
    return simpleClient(transport);
  });
  return connectContender(clientOf, async () => {
    await Promise.all(transports.map((transport) => transport.close()));
  });
}
