import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { type Contender, perKind } from "../contender.ts";
import type { Addresses } from "../kind.ts";
import { connectContender, simpleClient } from "./connect-client.ts";

/** connect-node's gRPC transport on one endpoint: it has no load balancing. */
export function open(addresses: Addresses): Contender {
  const sessions: Http2SessionManager[] = [];
  const clientOf = perKind(addresses, ([address]) => {
    const sessionManager = new Http2SessionManager(`http://${address}`);
    sessions.push(sessionManager);
    return simpleClient(createGrpcTransport({ baseUrl: `http://${address}`, sessionManager }));
  });
  return connectContender(clientOf, async () => sessions.forEach((session) => session.abort()));
}
