// A client of ours and a server of ours, joined in memory.
import type { TestContext } from "node:test";
import { type Client, createClient, type ServiceImpl, type Transport } from "@connectrpc/connect";
import { Simple } from "../../../gen/simple_pb.ts";
import type { GrpcOptions } from "../../../src/grpc/client/options.ts";
import { createGrpcTransport } from "../../../src/grpc/client/transport.ts";
import { Dispatcher } from "../../../src/grpc/server/dispatcher.ts";
import type { ServiceOptions } from "../../../src/grpc/server/options.ts";
import { Http2Connection } from "../../../src/http2/client/connection.ts";
import { Services } from "../../../src/grpc/server/services.ts";
import { BufferedBytes } from "../../../src/http2/server/buffered-bytes.ts";
import { ServerConnection } from "../../../src/http2/server/connection.ts";
import type { Peer } from "../../../src/http2/server/peer.ts";
import type { Clock } from "../../../src/time/clock.ts";
import { bytePipe } from "../../support/byte-pipe.ts";

export type Methods = Partial<ServiceImpl<typeof Simple>>;

export interface Pair {
  readonly client: Client<typeof Simple>;
  readonly transport: Transport;
  readonly connection: Http2Connection;
  readonly server: ServerConnection;
}

export interface PairOptions {
  /** The server's. */
  readonly server?: Partial<ServiceOptions>;
  readonly client?: GrpcOptions;
  readonly peer?: Peer;
  readonly clock?: Clock;
  /** How many bytes of unfinished requests the server may hold. */
  readonly maxBufferedBytes?: number;
}

/** The methods of the demo service on a server, and a client of them. */
export function pair(
  t: TestContext,
  methods: Methods,
  { server = {}, client = {}, peer, clock, maxBufferedBytes }: PairOptions = {},
): Pair {
  const [ours, theirs] = bytePipe();
  const services = new Services({ routes: (router) => router.service(Simple, methods), ...server });
  const { accept } = new Dispatcher(services, clock);
  const serverConnection = new ServerConnection(theirs, {}, {
    accept,
    client: peer,
    clock,
    buffered: new BufferedBytes(maxBufferedBytes),
  });
  const connection = new Http2Connection(ours, {}, { clock });
  t.after(() => connection.close(0, 0));
  const transport = createGrpcTransport(() => connection, { authority: "test", scheme: "http", clock, ...client });
  return { client: createClient(Simple, transport), transport, connection, server: serverConnection };
}
