// A worker that calls a gRPC server over this library's own HTTP/2 on `node:net` and `node:tls`, and says what came of
// it: `GET /?address=…&calls=…`, with `secure` for TLS. Sockets belong to the request in which they were opened.
import { type Client, Code, ConnectError, createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { type BalancedTransport, createBalancedTransport, staticResolver } from "../../src/index.ts";
import { grpcConnector } from "../../src/node.ts";

/** What the worker answers. */
export interface Report {
  readonly unary: number;
  readonly serverStream: number;
  readonly clientStream: string;
  readonly bidi: readonly string[];
  readonly failure: string;
}

async function* texts() {
  for (let i = 0; i < 100; i++) yield { data: "x".repeat(100) };
}

async function* turns() {
  yield { data: "a" };
  yield { data: "b" };
}

async function callAll(addresses: readonly string[], secure: boolean, calls: number): Promise<Report> {
  const transport = createBalancedTransport({
    resolver: staticResolver(addresses),
    connector: grpcConnector(secure ? { tls: {} } : {}),
  });
  try {
    const client = createClient(Simple, transport);
    let unary = 0, serverStream = 0;
    for (let i = 0; i < calls; i++) {
      if ((await client.route({ data: `call ${i}` })).value === `call ${i}`) unary++;
    }
    for await (const { value } of client.routeServerStream({ data: "1000:100" })) serverStream += value.length;
    const { value: clientStream } = await client.routeClientStream(texts());
    const bidi: string[] = [];
    for await (const { value } of client.routeBidiStream(turns())) bidi.push(value);
    const failure = await client.route({ data: "fail" }).then(() => "none", (error) => {
      const { code, rawMessage } = ConnectError.from(error);
      return `${Code[code]} ${rawMessage}`;
    });
    return { unary, serverStream, clientStream, bidi, failure };
  } finally {
    await transport.close();
  }
}

/** A transport that outlives the request in which it was made, as programs elsewhere have it. */
let shared: { transport: BalancedTransport; client: Client<typeof Simple> } | undefined;

/** Six calls on that transport, one after another: `answered`, or how each failed. */
async function callShared(addresses: readonly string[]): Promise<string[]> {
  if (shared === undefined) {
    const transport = createBalancedTransport({ resolver: staticResolver(addresses), connector: grpcConnector() });
    shared = { transport, client: createClient(Simple, transport) };
  }
  const ends: string[] = [];
  for (let i = 0; i < 6; i++) {
    const call = shared.client.route({ data: `call ${i}` }, { timeoutMs: 5_000 });
    ends.push(await call.then(() => "answered", (error) => Code[ConnectError.from(error).code]!));
  }
  return ends;
}

const worker: { fetch(request: Request): Promise<Response> } = {
  async fetch(request) {
    const { searchParams } = new URL(request.url);
    try {
      const addresses = searchParams.get("addresses")!.split(",");
      if (searchParams.has("shared")) return Response.json(await callShared(addresses));
      return Response.json(await callAll(addresses, searchParams.has("secure"), Number(searchParams.get("calls"))));
    } catch (error) {
      return new Response(`${error} ${(error as Error).stack} ${(error as Error).cause}`, { status: 500 });
    }
  },
};
export default worker;
