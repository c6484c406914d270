// A worker that balances over fetch, without sockets and without `nodejs_compat`: `GET /?addresses=…&protocol=…`, with
// `kinds` for a call of each kind, `calls=N` for N unary calls and as many server streams, `binding` to send them through
// a binding, as a private network's. Its transports stand in global scope and serve all requests.
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { fetchConnector, type Fetcher } from "../../src/fetch.ts";
import { createPullTransport, type PullTransport, type RequestContext } from "../../src/index.ts";

interface Env {
  /** Reaches whatever the worker itself reaches, as `env.VPC` does in a private network. */
  readonly NETWORK?: Fetcher & { fetch: typeof fetch };
}

/** How each kind of call ended. */
export interface KindsReport {
  readonly unary: string;
  readonly serverStream: readonly string[];
  readonly clientStream: string;
  readonly bidi: string;
  readonly failure: string;
  readonly timeout: string;
}

/** Who answered each call, or how it failed. */
export interface CallsReport {
  readonly unary: readonly string[];
  readonly streams: readonly string[];
}

/** One for each set of servers, protocol and way. */
const transports = new Map<string, PullTransport>();

function transportTo(
  addresses: readonly string[],
  protocol: "connect" | "grpc-web",
  fetch: Fetcher | undefined,
): PullTransport {
  const key = `${addresses} ${protocol} ${fetch !== undefined}`;
  let transport = transports.get(key);
  if (transport === undefined) {
    transport = createPullTransport({
      resolver: {
        target: "simple",
        list: () => Promise.resolve({ endpoints: addresses.map((address) => ({ address })) }),
      },
      connector: fetchConnector({ protocol, fetch }),
      backoff: { initialMs: 300, maxMs: 300 },
      defaultTimeoutMs: 5_000,
    });
    transports.set(key, transport);
  }
  return transport;
}

const textOf = (error: unknown) => {
  const { code, rawMessage } = ConnectError.from(error);
  return `${Code[code]} ${rawMessage}`;
};

async function* texts(...all: string[]) {
  for (const data of all) yield { data };
}

async function read(responses: AsyncIterable<{ value: string }>): Promise<string[]> {
  const values: string[] = [];
  for await (const { value } of responses) values.push(value);
  return values;
}

const worker: { fetch(request: Request, env: Env, ctx: RequestContext): Promise<Response> } = {
  async fetch(request, env, ctx) {
    const { searchParams: query } = new URL(request.url);
    const addresses = query.get("addresses")!.split(",");
    const protocol = query.get("protocol") as "connect" | "grpc-web";
    const network = query.has("binding") ? env.NETWORK : undefined;
    if (query.has("unbound")) {
      const { transport } = fetchConnector({ protocol, fetch: env.NETWORK!.fetch })({ address: addresses[0]! }, {
        draining() {},
        lost() {},
      });
      return Response.json(await createClient(Simple, transport).route({}).then(() => "answered", textOf));
    }
    const client = createClient(Simple, transportTo(addresses, protocol, network).forRequest(ctx));
    if (query.has("kinds")) {
      const report: KindsReport = {
        unary: (await client.route({ data: "a" })).value,
        serverStream: await read(client.routeServerStream({ data: "b" })),
        clientStream: (await client.routeClientStream(texts("a", "b", "c"))).value,
        bidi: await read(client.routeBidiStream(texts("a"))).then(() => "answered", textOf),
        failure: await client.route({ data: "fail" }).then(() => "answered", textOf),
        timeout: await client.route({ data: "wait" }, { timeoutMs: 100 }).then(() => "answered", textOf),
      };
      return Response.json(report);
    }
    const unary: string[] = [], streams: string[] = [];
    for (let i = 0; i < Number(query.get("calls")); i++) {
      unary.push(await client.route({ data: "" }).then(({ value }) => value, textOf));
      streams.push(await read(client.routeServerStream({ data: "" })).then(([value]) => value!, textOf));
    }
    const report: CallsReport = { unary, streams };
    return Response.json(report);
  },
};
export default worker;
