// A worker whose pull transports stand in global scope: `GET /?registry=URL&calls=N` answers who served each call.
// `plain`: without `forRequest`; `warming`: by a transport that calls a server only some time after it was found;
// `slow`: calls that are not answered in time.
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";
import { Simple } from "../../gen/simple_pb.ts";
import {
  createPullTransport,
  type HealthCheck,
  type PullTransportOptions,
  type RequestContext,
  transportConnector,
  type TransportSnapshot,
} from "../../src/index.ts";

/** What the worker answers. */
export interface PullReport {
  /** The server of each call, or the code with which it failed. */
  readonly served: readonly string[];
  readonly errors: readonly string[];
  readonly stale: boolean;
  readonly inFlight: number;
}

let registry = "";
const options: PullTransportOptions = {
  resolver: {
    target: "simple",
    async list(signal) {
      const response = await fetch(registry, { signal });
      if (response.status !== 200) throw new Error(`HTTP ${response.status}`);
      const addresses = await response.json() as string[];
      return { endpoints: addresses.map((address) => ({ address })) };
    },
  },
  connector: transportConnector(({ address }) =>
    createConnectTransport({
      baseUrl: `http://${address}`,
      fetch: ((input, init) => fetch(input, { ...init, redirect: "manual" })) as typeof fetch,
    })
  ),
  maxAgeMs: 100,
  defaultTimeoutMs: 5_000,
};
const transport = createPullTransport(options);

/** Holds each server but the first back for a while, with a timer that is set in the request that finds it. */
const warmingUp: HealthCheck = (env) => {
  let found = 0;
  return {
    ready(connection) {
      if (found++ === 0) return;
      env.report(connection, new Error("it warms up"));
      env.timer(500, () => env.report(connection, "serving"));
    },
  };
};
// Without a panic, which would end the holding back of two of three.
const warming = createPullTransport({ ...options, maxAgeMs: Infinity, health: [warmingUp], panicShare: 0 });

async function report(over: Transport, query: URLSearchParams): Promise<PullReport> {
  const client = createClient(Simple, over);
  const served: string[] = [], errors: string[] = [];
  for (let i = 0; i < Number(query.get("calls")); i++) {
    try {
      const call = query.has("slow") ? client.route({ data: "hang" }, { timeoutMs: 300 }) : client.route({ data: "x" });
      served.push((await call).value);
    } catch (error) {
      served.push(Code[ConnectError.from(error).code]!);
      errors.push(String(error));
    }
  }
  const { stale, endpoints = [] }: TransportSnapshot = transport.snapshot();
  const inFlight = endpoints.reduce((sum, endpoint) => sum + endpoint.inFlight, 0);
  return { served, errors, stale: stale !== undefined, inFlight };
}

const worker: { fetch(request: Request, env: unknown, ctx: RequestContext): Promise<Response> } = {
  async fetch(request, _env, ctx) {
    const { searchParams } = new URL(request.url);
    registry = searchParams.get("registry")!;
    const pull = searchParams.has("warming") ? warming : transport;
    const over = searchParams.has("plain") ? pull : pull.forRequest(ctx);
    return Response.json(await report(over, searchParams));
  },
};
export default worker;
