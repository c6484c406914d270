// A gRPC server that registers itself in etcd. In your own project import from "connect-lb/etcd" and
// "connect-lb/server" (on JSR: "@connect-lb/connect-lb/etcd" …) in place of "../src/…", and your own generated code.
//
//   ADDRESS=localhost:8001 bun run examples/server.ts
//
// It needs no `connect-lb register` beside it, which registers servers that don't do so themselves.
//
//   ADDRESS          where to listen, and what to register (default localhost:8000; port 0 takes a free one)
//   SERVICE          the name to register under (default simple_grpc)
//   ETCD_ENDPOINTS   etcd's client URLs, comma separated (default http://127.0.0.1:2379)
import process from "node:process";
import { Simple } from "../gen/simple_pb.ts";
import { createEtcdRegistry, type Registry, type RegistryEvent } from "../src/etcd.ts";
import { createGrpcServer, createHealth, shutdown } from "../src/server.ts";
import { etcdEndpoints, fail, listenAddress, serviceName, withVariable } from "./environment.ts";

const receive = (data: string) => {
  console.log(`receive: ${data}`);
  return data;
};

const server = createGrpcServer({
  routes: (router) =>
    router.service(Simple, {
      route: ({ data }) => ({ code: 200, value: `hello ${receive(data)}` }),
      async *routeServerStream({ data }) {
        receive(data);
        for (const part of [1, 2, 3]) yield { code: 200, value: `hello ${data}, part ${part}` };
      },
      async routeClientStream(requests) {
        let count = 0;
        for await (const { data } of requests) {
          receive(data);
          count++;
        }
        return { code: 200, value: `hello, ${count} messages came` };
      },
      async *routeBidiStream(requests) {
        for await (const { data } of requests) yield { code: 200, value: `hello ${receive(data)}` };
      },
    }),
  health: createHealth(),
  // For grpcurl and `buf curl`: they can list and call what is here.
  reflection: true,
});

let complainedAtMs = -Infinity;

/** With etcd away, the server serves those who know it, and goes on trying to register. */
function report(event: RegistryEvent): void {
  switch (event.type) {
    case "registered":
      return console.log(`registered${event.again ? " again" : ""}: ${event.key}`);
    case "registration-failed":
      // It tries more often than anybody wants to read.
      if (performance.now() - complainedAtMs < 10_000) return;
      complainedAtMs = performance.now();
      return console.error(`can't register, still trying: ${event.cause.message}`);
    case "registration-suspect":
    case "lease-lost":
    case "key-missing":
    case "key-taken":
    case "auth-refused":
      return console.error(`${event.type}: ${event.cause.message}`);
  }
}

function open(): { registry: Registry; service: string; host: string; port: number } {
  try {
    const endpoints = etcdEndpoints();
    const registry = withVariable(
      "ETCD_ENDPOINTS",
      endpoints.join(),
      () => createEtcdRegistry({ endpoints, onEvent: report }),
    );
    const service = serviceName();
    withVariable("SERVICE", service, () => registry.resolver(service));
    return { registry, service, ...listenAddress() };
  } catch (error) {
    return fail(error);
  }
}

const { registry, service, host, port } = open();

let taken: number;
try {
  taken = (await server.listen({ host, port })).port;
} catch (error) {
  console.error(`can't listen on ${host}:${port}: ${(error as Error).message}`);
  process.exit(1);
}
// Register what clients can call, and only once the server listens.
const address = `${host.includes(":") ? `[${host}]` : host}:${taken}`;
console.log(`listening on ${address}`);
let registration: ReturnType<Registry["register"]>;
try {
  registration = withVariable("ADDRESS", address, () => registry.register({ service, address, ttlSeconds: 5 }));
} catch (error) {
  fail(error);
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, async () => {
    console.log(`${signal}: deregistering, then draining`);
    const drained = await shutdown(server, { registration, settleMs: 500, drainMs: 10_000 });
    console.log(drained ? "drained" : "some calls took too long");
    await registry.close();
    process.exit(0);
  });
}
