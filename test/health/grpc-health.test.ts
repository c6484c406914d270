import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Code, ConnectError, type ConnectRouter, createRouterTransport } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import { grpcHealth, type GrpcHealthOptions } from "../../src/health/grpc-health.ts";
import { balanced, failureOf } from "../support/balanced.ts";
import { simpleRoutes } from "../support/simple.ts";

/** What a test makes the server a:1 say, next and from then on. Other servers always serve. */
class Server {
  readonly asked: string[] = [];
  status: Status = Status.SERVING;
  /** Streams and checks fail with it. */
  error: ConnectError | undefined;
  /** How many checks are answered by nothing. */
  silent = 0;
  #changed: () => void = () => {};
  #ended = false;

  set(status: Status): void {
    this.status = status;
    this.#changed();
  }
  /** Ends its stream: with `error`, if that is set. */
  end(): void {
    this.#ended = true;
    this.#changed();
  }

  routes(router: ConnectRouter): void {
    router.service(Health, {
      check: async ({ service }, { signal }) => {
        this.asked.push(service);
        if (this.silent > 0) {
          this.silent--;
          await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
        }
        if (this.error !== undefined) throw this.error;
        return { status: this.status };
      },
      watch: ({ service }, { signal }) => this.#watch(service, signal),
    });
  }

  async *#watch(service: string, signal: AbortSignal): AsyncGenerator<{ status: Status }> {
    this.asked.push(service);
    if (this.error !== undefined) throw this.error;
    for (this.#ended = false;;) {
      yield { status: this.status };
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
        signal.addEventListener("abort", () => resolve());
      });
      if (signal.aborted) return;
      if (!this.#ended) continue;
      if (this.error !== undefined) throw this.error;
      return;
    }
  }
}

function checked(options: GrpcHealthOptions = {}) {
  const server = new Server();
  const { transport, client, clock, events, links } = balanced({
    health: [grpcHealth(options)],
    ejectOutliers: false,
    links: {
      auto: true,
      transport: ({ address }) =>
        createRouterTransport((router) => {
          simpleRoutes({ name: address })(router);
          if (address === "a:1") server.routes(router);
          else new Server().routes(router);
        }),
    },
  });
  return {
    server,
    client,
    clock,
    transport,
    events,
    links,
    healthOf: () => {
      const { health } = transport.snapshot().endpoints!.find(({ endpoint }) => endpoint.address === "a:1")!;
      return health instanceof Error ? health.message : health;
    },
    async ready() {
      const connected = transport.connect();
      await clock.advance(40);
      await connected;
    },
  };
}

describe("grpcHealth by Watch (gRFC A17)", () => {
  it("gives calls to servers that say that they are serving, and asks for the service it was told", async () => {
    const { server, client, clock, ready, healthOf, transport } = checked({ service: "proto.Simple" });
    await ready();
    assert.deepEqual(server.asked, ["proto.Simple"]);
    assert.equal(healthOf(), "serving");
    const seen = new Set<string>();
    for (let i = 0; i < 6; i++) seen.add((await client.route({ data: "x" })).value.split(":")[0]!);
    assert.equal(seen.size, 3);
    await clock.advance(600_000);
    assert.equal(server.asked.length, 1);
    await transport.close();
  });

  for (const name of ["NOT_SERVING", "SERVICE_UNKNOWN", "UNKNOWN"] as const) {
    it(`holds back a server that says ${name}, until it is serving`, async () => {
      const { server, client, clock, ready, healthOf, transport } = checked();
      await ready();
      server.set(Status[name]);
      await clock.advance(20);
      assert.equal(healthOf(), `the server says that it is ${name}`);
      for (let i = 0; i < 9; i++) assert.doesNotMatch((await client.route({ data: "x" })).value, /^a:1/);
      server.set(Status.SERVING);
      await clock.advance(20);
      assert.equal(healthOf(), "serving");
      await transport.close();
    });
  }

  it("takes a server without the service for serving, and doesn't ask again", async () => {
    const { server, clock, ready, healthOf, transport } = checked();
    server.error = new ConnectError("no such service", Code.Unimplemented);
    await ready();
    assert.equal(healthOf(), "serving");
    await clock.advance(600_000);
    assert.equal(server.asked.length, 1);
    await transport.close();
  });

  it("opens a stream that ended at once, and keeps what was said until it says something", async () => {
    const { server, clock, ready, healthOf, transport } = checked();
    await ready();
    server.end();
    await clock.advance(0);
    assert.equal(server.asked.length, 2);
    assert.equal(healthOf(), "serving");
    await transport.close();
  });

  it("holds back a server whose stream can't be opened, and tries again after a backoff", async () => {
    const { server, clock, ready, healthOf, transport } = checked();
    await ready();
    server.error = new ConnectError("closed for lunch", Code.Unavailable);
    server.end();
    await clock.advance(20);
    assert.match(healthOf(), /its health is not known: closed for lunch/);
    assert.equal(server.asked.length, 2);
    // 1 s less a jitter of 20 %, then 1.6 times as much.
    await clock.advance(780);
    assert.equal(server.asked.length, 3);
    await clock.advance(1_279);
    assert.equal(server.asked.length, 3);
    server.error = undefined;
    await clock.advance(21);
    assert.equal(server.asked.length, 4);
    assert.equal(healthOf(), "serving");
    await transport.close();
  });

  it("does not ask a server that ends each stream after a message again and again", async () => {
    const { server, clock, ready, healthOf, transport } = checked();
    await ready();
    for (let i = 0; i < 5; i++) {
      server.end();
      await clock.advance(0);
    }
    assert.equal(server.asked.length, 2);
    await clock.advance(800);
    assert.equal(server.asked.length, 3);
    assert.equal(healthOf(), "serving");
    await transport.close();
  });

  it("ends its streams with the transport", async () => {
    const { server, clock, ready, transport } = checked();
    await ready();
    await transport.close();
    server.end();
    await clock.advance(10_000);
    assert.equal(server.asked.length, 1);
  });

  it("says why calls fail if no server is serving", async () => {
    const { client, clock, transport } = balanced({
      health: [grpcHealth()],
      panicShare: 0,
      links: {
        auto: true,
        transport: ({ address }) =>
          createRouterTransport((router) => {
            simpleRoutes({ name: address })(router);
            const server = new Server();
            server.status = Status.NOT_SERVING;
            server.routes(router);
          }),
      },
    });
    const call = failureOf(client.route({}));
    await clock.advance(100);
    assert.match(String(await call), /held back: the server says that it is NOT_SERVING/);
    await transport.close();
  });
});

describe("grpcHealth by polling", () => {
  it("asks at the interval, and follows what it is told", async () => {
    const { server, clock, ready, healthOf, transport } = checked({ pollIntervalMs: 1_000 });
    await ready();
    assert.equal(healthOf(), "serving");
    server.status = Status.NOT_SERVING;
    // An interval less 10 %.
    await clock.advance(899);
    assert.equal(server.asked.length, 2);
    assert.equal(healthOf(), "the server says that it is NOT_SERVING");
    server.status = Status.SERVING;
    await clock.advance(920);
    assert.equal(healthOf(), "serving");
    await transport.close();
  });

  it("waits for no interval on a connection that was lost during a check", async () => {
    const { server, clock, ready, links, transport } = checked({ pollIntervalMs: 60_000 });
    const pauses = () => clock.pending.filter((ms) => ms > 50_000 && ms < 59_000).length;
    server.silent = Infinity;
    await ready();
    assert.deepEqual([server.asked.length, pauses()], [1, 2], "the two others are to be asked again");
    links.get("a:1")!.events.lost(new Error("gone"));
    await clock.advance(0);
    assert.equal(pauses(), 2);
    await transport.close();
  });

  it("holds a server back that does not know the service", async () => {
    const { server, ready, healthOf, transport } = checked({ pollIntervalMs: 1_000, service: "x.Y" });
    server.error = new ConnectError("unknown service", Code.NotFound);
    await ready();
    assert.equal(healthOf(), 'the server says that its service "x.Y" is SERVICE_UNKNOWN');
    await transport.close();
  });

  it("holds a server that served back after three checks without an answer, a new one after one", async () => {
    const { server, clock, ready, healthOf, transport } = checked({ pollIntervalMs: 1_000 });
    await ready();
    server.error = new ConnectError("closed for lunch", Code.Unavailable);
    await clock.advance(1_820);
    assert.equal(healthOf(), "serving");
    await clock.advance(920);
    assert.match(healthOf(), /its health is not known: closed for lunch/);
    await transport.close();
    const other = checked({ pollIntervalMs: 1_000 });
    other.server.error = new ConnectError("closed for lunch", Code.Unavailable);
    await other.ready();
    assert.match(other.healthOf(), /closed for lunch/);
    await other.transport.close();
  });

  it("takes a server without the service for serving, and doesn't ask again", async () => {
    const { server, clock, ready, healthOf, transport } = checked({ pollIntervalMs: 1_000 });
    server.error = new ConnectError("no such service", Code.Unimplemented);
    await ready();
    assert.equal(healthOf(), "serving");
    await clock.advance(60_000);
    assert.equal(server.asked.length, 1);
    await transport.close();
  });

  it("throws for invalid options", () => {
    assert.throws(() => grpcHealth({ pollIntervalMs: 0 }), RangeError);
    grpcHealth({ service: "" });
    assert.throws(() => grpcHealth({ service: 5 as never }), { name: "TypeError", message: /option service/ });
  });
});
