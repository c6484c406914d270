// A worker without `nodejs_compat`, whose registry stands in the global scope and reaches etcd over fetch: requests list
// a service, and cron triggers keep the worker itself registered.
import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import { createGatewayRegistry } from "../../src/etcd-gateway.ts";
import { fetchConnector } from "../../src/fetch.ts";
import { type BalancedTransport, createBalancedTransport } from "../../src/index.ts";
import type { Registry, RenewOptions } from "../../src/registry/registry.ts";

/** The variables of the worker. */
interface Env {
  /** etcd's URLs, separated by commas. */
  readonly ETCD: string;
  readonly USERNAME?: string;
  readonly PASSWORD?: string;
}

/** The part of a request's context that is used. */
interface Context {
  waitUntil(promise: Promise<unknown>): void;
}

let registry: Registry | undefined;

/** At module scope, where its watch ends with the request of the first call. */
let transport: BalancedTransport | undefined;

function open({ ETCD, USERNAME, PASSWORD }: Env): Registry {
  const user = USERNAME === undefined || PASSWORD === undefined ? {} : { username: USERNAME, password: PASSWORD };
  return registry ??= createGatewayRegistry({ endpoints: ETCD.split(","), ...user });
}

/** What the worker registers: itself, as clients would reach it. */
const SELF: RenewOptions = { service: "worker", address: "worker.example:443", ttlSeconds: 5 };

const worker: {
  fetch(request: Request, env: Env, context: Context): Promise<Response>;
  scheduled(event: unknown, env: Env): Promise<void>;
} = {
  async fetch(request, env) {
    const registry = open(env);
    const { pathname, searchParams } = new URL(request.url);
    try {
      switch (pathname) {
        case "/list": {
          const resolver = registry.resolver(searchParams.get("service") ?? "a");
          const { endpoints } = await resolver.list!(AbortSignal.timeout(10_000));
          return Response.json(endpoints?.map(({ address }) => address));
        }
        case "/services":
          return Response.json(await registry.list(AbortSignal.timeout(10_000)));
        case "/watch": {
          // As many sets as are asked for, within one request.
          const stop = new AbortController();
          const sets: (string[] | undefined)[] = [];
          for await (const { endpoints } of registry.resolver("a").resolve(stop.signal)) {
            if (sets.push(endpoints?.map(({ address }) => address)) === Number(searchParams.get("sets"))) stop.abort();
          }
          return Response.json(sets);
        }
        case "/balanced": {
          const connector = fetchConnector({ protocol: "connect" });
          transport ??= createBalancedTransport({ resolver: registry.resolver("a"), connector });
          const call = createClient(Simple, transport).route({ data: "x" });
          const failure = await call.then(() => undefined, (error) => (error as Error).message);
          return Response.json({ failure, stale: transport.snapshot().stale?.cause.message });
        }
        case "/deregister":
          return Response.json(await registry.deregister(SELF) ?? null);
        default:
          return new Response(pathname, { status: 404 });
      }
    } catch (error) {
      return new Response(`${(error as Error).stack}`, { status: 500 });
    }
  },
  async scheduled(_event, env) {
    await open(env).renew(SELF);
  },
};
export default worker;
