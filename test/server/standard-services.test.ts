import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { describe, it, type TestContext } from "node:test";
import { Code, ConnectError, createClient, decodeBinaryHeader } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { Simple } from "../../gen/simple_pb.ts";
import { OrcaLoadReportSchema } from "../../gen/xds/data/orca/v3/orca_load_report_pb.ts";
import { OpenRcaService } from "../../gen/xds/service/orca/v3/orca_pb.ts";
import { grpcConnector } from "../../src/node.ts";
import {
  createGrpcServer,
  type CreateGrpcServerOptions,
  createHealth,
  recordCallMetrics,
  reportLoad,
  shutdown,
} from "../../src/server.ts";
import { direct } from "../support/direct.ts";
import { eventually } from "../support/eventually.ts";

/** A server of the demo service that listens, and a transport to it. */
async function serve(t: TestContext, options: Partial<CreateGrpcServerOptions>) {
  const server = createGrpcServer({
    routes: (router) =>
      router.service(Simple, {
        route({ data }, context) {
          if (data !== "") recordCallMetrics(context, { requestCost: { rows: Number(data) } });
          return {};
        },
      }),
    ...options,
  });
  const { address } = await server.listen({ host: "127.0.0.1" });
  const { transport, close } = direct(grpcConnector(), address);
  t.after(async () => {
    await close(0);
    server.closeAllConnections();
    await server.close();
  });
  return { server, transport, simple: createClient(Simple, transport), health: createClient(Health, transport) };
}

const failsWith = (code: Code) => (error: unknown) => ConnectError.from(error).code === code;

describe("a server's standard services", () => {
  it("are missing unless they are switched on", async (t) => {
    for (const options of [{}, { health: false, reflection: false, loadReports: false }]) {
      const { health, simple, transport } = await serve(t, options);
      await assert.rejects(health.check({}), failsWith(Code.Unimplemented));
      const reflection = createClient(ServerReflection, transport).serverReflectionInfo((async function* () {})());
      await assert.rejects(reflection[Symbol.asyncIterator]().next(), failsWith(Code.Unimplemented));
      const reports = createClient(OpenRcaService, transport).streamCoreMetrics({});
      await assert.rejects(reports[Symbol.asyncIterator]().next(), failsWith(Code.Unimplemented));
      await simple.route({}, { onTrailer: (trailer) => assert.equal(trailer.get("endpoint-load-metrics-bin"), null) });
    }
  });

  it("report services as SERVING once anything can reach them", async (t) => {
    const own = () => {
      const health = createHealth();
      return { health, server: createGrpcServer({ routes: (router) => router.service(Simple, {}), health }) };
    };
    const [waiting, fetched, connected] = [own(), own(), own()];
    assert.equal(waiting.health.status(Simple), undefined);
    const check = {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: '{"service":"proto.Simple"}',
    };
    const answer = await fetched.server.handler(new Request("http://test/grpc.health.v1.Health/Check", check));
    assert.deepEqual(await answer.json(), { status: "SERVING" });
    const [ours, theirs] = duplexPair();
    connected.server.serveConnection(theirs);
    const { transport, close } = direct(grpcConnector({ dial: () => ours }), "memory:1");
    t.after(() => close(0));
    const { status } = await createClient(Health, transport).check({ service: Simple.typeName });
    assert.equal(status, Status.SERVING);
    // What the program says stays.
    connected.health.setStatus(Simple, "NOT_SERVING");
    connected.server.serveConnection(duplexPair()[1]);
    assert.equal(connected.health.status(Simple), "NOT_SERVING");
    connected.server.closeAllConnections();
    await connected.server.close();
  });

  it("report as SERVING what the server serves, unless its program says otherwise", async (t) => {
    const own = createHealth();
    own.setStatus(Simple, "NOT_SERVING");
    for (const [option, status] of [[true, Status.SERVING], [own, Status.NOT_SERVING]] as const) {
      const { health } = await serve(t, { health: option });
      assert.equal((await health.check({})).status, Status.SERVING);
      assert.equal((await health.check({ service: "proto.Simple" })).status, status);
      assert.deepEqual(Object.keys((await health.list({})).statuses), ["", "proto.Simple"]);
    }
  });

  it("report NOT_SERVING before anything else happens at a shutdown, and end their streams", async (t) => {
    const { health, server, simple } = await serve(t, { health: true });
    const statuses = health.watch({ service: "proto.Simple" })[Symbol.asyncIterator]();
    assert.equal((await statuses.next()).value?.status, Status.SERVING);
    let seen: Status | undefined;
    const registration = {
      async close() {
        seen = (await statuses.next()).value?.status;
        await simple.route({});
      },
    };
    assert.equal(await shutdown(server, { registration, settleMs: 0 }), true);
    assert.equal(seen, Status.NOT_SERVING);
    await assert.rejects(statuses.next(), failsWith(Code.Unavailable));
  });

  it("describe the server by reflection, with the other standard services", async (t) => {
    const { transport } = await serve(t, { health: true, loadReports: true, reflection: {} });
    const requests = (async function* () {
      yield { messageRequest: { case: "listServices" as const, value: "" } };
    })();
    for await (const { messageResponse } of createClient(ServerReflection, transport).serverReflectionInfo(requests)) {
      assert.partialDeepStrictEqual(messageResponse.value, {
        service: [
          { name: "grpc.health.v1.Health" },
          { name: "grpc.reflection.v1.ServerReflection" },
          { name: "grpc.reflection.v1alpha.ServerReflection" },
          { name: "proto.Simple" },
          { name: "xds.service.orca.v3.OpenRcaService" },
        ],
      });
    }
  });

  it("end streams of reflection that clients leave open at a shutdown", async (t) => {
    const { server, transport } = await serve(t, { reflection: true });
    const requests = (async function* () {
      yield { messageRequest: { case: "listServices" as const, value: "" } };
      await new Promise(() => {});
    })();
    const answers = createClient(ServerReflection, transport).serverReflectionInfo(requests)[Symbol.asyncIterator]();
    assert.equal((await answers.next()).value?.messageResponse.case, "listServicesResponse");
    const ended = assert.rejects(answers.next(), failsWith(Code.Unavailable));
    assert.equal(await shutdown(server), true);
    await ended;
  });

  it("report load with each answer, and end the streams of reports at a shutdown", async (t) => {
    const loadReports = reportLoad();
    loadReports.set({ applicationUtilization: 0.5 });
    const { server, simple, transport } = await serve(t, { loadReports });
    for (const rows of [3, 4]) {
      let value = "";
      const onTrailer = (trailer: Headers) => void (value = trailer.get("endpoint-load-metrics-bin") ?? "");
      await simple.route({ data: String(rows) }, { onTrailer });
      const report = decodeBinaryHeader(value, OrcaLoadReportSchema);
      assert.partialDeepStrictEqual(report, { applicationUtilization: 0.5, requestCost: { rows } });
    }
    const reports = createClient(OpenRcaService, transport).streamCoreMetrics({})[Symbol.asyncIterator]();
    assert.equal((await reports.next()).value?.namedMetrics["rif"], 0);
    const ended = assert.rejects(reports.next(), failsWith(Code.Unavailable));
    assert.equal(await shutdown(server), true);
    await ended;
  });

  it("leave the server's own interceptors in place", async (t) => {
    const seen: string[] = [];
    const { health, simple } = await serve(t, {
      health: true,
      loadReports: true,
      interceptors: [(next) => (request) => {
        seen.push(request.method.name);
        return next(request);
      }],
    });
    await simple.route({});
    await health.check({});
    assert.deepEqual(seen, ["Route", "Check"]);
  });

  it("report load with errors, too: of unary calls and of streams, also of those that nobody should read", async (t) => {
    const { simple } = await serve(t, {
      loadReports: true,
      onError: () => {},
      routes: (router) =>
        router.service(Simple, {
          route() {
            throw new ConnectError("no", Code.NotFound);
          },
          async *routeServerStream({ data }) {
            yield {};
            throw data === "" ? new ConnectError("no", Code.NotFound) : new Error("secret");
          },
        }),
    });
    const streamed = async (data: string) => {
      for await (const _ of simple.routeServerStream({ data }));
    };
    for (const call of [() => simple.route({}), () => streamed(""), () => streamed("x")]) {
      const { metadata } = await call().then(() => assert.fail(), (error) => ConnectError.from(error));
      const value = metadata.get("endpoint-load-metrics-bin");
      assert.equal(decodeBinaryHeader(value!, OrcaLoadReportSchema).namedMetrics["rif"], 0);
    }
  });

  it("count streams that clients give up, or never read, until they end", async (t) => {
    const loadReports = reportLoad();
    const { simple } = await serve(t, {
      loadReports,
      routes: (router) =>
        router.service(Simple, {
          route: () => ({}),
          async *routeServerStream(_request, { signal }) {
            yield {};
            await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
          },
        }),
    });
    const inFlight = async () => {
      let value = "";
      await simple.route({}, { onTrailer: (trailer) => value = trailer.get("endpoint-load-metrics-bin") ?? "" });
      return decodeBinaryHeader(value, OrcaLoadReportSchema).namedMetrics["rif"];
    };
    const given = new AbortController();
    for (let i = 0; i < 5; i++) {
      void simple.routeServerStream({}, { signal: given.signal })[Symbol.asyncIterator]().next();
    }
    const read = simple.routeServerStream({}, { signal: given.signal })[Symbol.asyncIterator]();
    await read.next();
    await eventually("six streams are in flight", async () => await inFlight() === 6);
    given.abort();
    await eventually("none is in flight", async () => await inFlight() === 0);
  });

  it("say what is wrong with their options", () => {
    const create = (options: object) => () => createGrpcServer({ routes: () => {}, ...options });
    assert.throws(create({ health: "yes" }), /option health is "yes": expected true or what createHealth\(\) returned/);
    assert.throws(create({ health: createHealth }), /createHealth\(\) returned\. Call it: createHealth\(…\)/);
    assert.throws(
      create({ loadReports: {} }),
      /option loadReports is \{\}: expected true or what reportLoad\(\) returned/,
    );
    assert.throws(
      create({ reflection: { type: 1 } }),
      /has no option "reflection\.type": did you mean reflection\.types\?/,
    );
    assert.throws(create({ reflection: { types: [] } }), /option .*types is an array: expected a Registry/);
  });
});
