import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { create, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, type ConnectRouter, type HandlerContext } from "@connectrpc/connect";
import { ServerReflection as ServerReflectionAlpha } from "../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { ServerReflection } from "../../gen/grpc/reflection/v1/reflection_pb.ts";
import { file_simple, Simple } from "../../gen/simple_pb.ts";
import { createGrpcServer, type GrpcServer, reflectionRoutes } from "../../src/server.ts";
import { freePorts } from "../support/etcd.ts";
import { server as identity } from "../support/tls.ts";
import { type ServedEtcd, serveMemoryEtcd } from "./memory-etcd.ts";
import { run } from "./support.ts";

const METHOD = "proto.Simple/Route";

/** The demo service; what is called "code N" fails with that code. */
function routes(router: ConnectRouter): void {
  const answer = (data: string, { requestHeader }: HandlerContext) => {
    const [, code] = /^code (\d+)$/.exec(data) ?? [];
    if (code !== undefined) throw new ConnectError("as asked", Number(code));
    return { code: 200, value: `${data}${requestHeader.get("x-tail") ?? ""}` };
  };
  router.service(Simple, {
    route: ({ data }, context) => answer(data, context),
    async *routeServerStream({ data }, context) {
      for (let i = 0; i < 3; i++) yield answer(`${data} ${i}`, context);
    },
    async routeClientStream(requests) {
      const all: string[] = [];
      for await (const { data } of requests) all.push(data);
      return { code: 200, value: all.join() };
    },
    async *routeBidiStream(requests, context) {
      for await (const { data } of requests) yield answer(data, context);
    },
  });
}

describe("connect-lb call", () => {
  let etcd: ServedEtcd, folder: string, schemaFile: string;
  const servers: GrpcServer[] = [], addresses: string[] = [];

  before(async () => {
    etcd = await serveMemoryEtcd();
    for (let i = 0; i < 3; i++) {
      const address = await serve({ routes, reflection: true });
      addresses.push(address);
      await etcd.register({ service: "demo", address });
    }
    folder = await mkdtemp(join(tmpdir(), "connect-lb-call-"));
    schemaFile = join(folder, "schema.binpb");
    await writeFile(
      schemaFile,
      toBinary(
        FileDescriptorSetSchema,
        create(FileDescriptorSetSchema, {
          file: [file_simple.proto],
        }),
      ),
    );
  });
  after(async () => {
    await etcd?.close();
    await Promise.all(servers.map((server) => (server.closeAllConnections(), server.close())));
    await rm(folder, { recursive: true, force: true });
  });

  async function serve(options: Parameters<typeof createGrpcServer>[0]): Promise<string> {
    const server = createGrpcServer(options);
    servers.push(server);
    return (await server.listen({ host: "127.0.0.1", port: 0 })).address;
  }

  const call = (...args: readonly string[]) => run(["call", ...args], { env: { CONNECT_LB_ETCD: etcd.url } });
  const calling = (stdin: string, ...args: readonly string[]) => {
    return run(["call", ...args], { env: { CONNECT_LB_ETCD: etcd.url }, stdin });
  };

  it("prints the response as JSON, and on standard error which server answered", async () => {
    const { code, stdout, stderr } = await call("demo", METHOD, "-d", '{"data":"hello"}');
    assert.deepEqual(JSON.parse(stdout), { code: 200, value: "hello" });
    assert.match(stderr, /^connect-lb: 127\.0\.0\.1:\d+: answered in [\d.]+ ms\n$/);
    assert.equal(code, 0);
  });

  it("prints all of it as one JSON document with -o json", async () => {
    const { stdout } = await call("demo", METHOD, "-d", '{"data":"hello"}', "-o", "json");
    const { endpoint, latencyMs, code, attempts, response } = JSON.parse(stdout);
    assert.ok(addresses.includes(endpoint));
    assert.equal(typeof latencyMs, "number");
    assert.equal(code, "OK");
    assert.deepEqual(response, { code: 200, value: "hello" });
    assert.equal(attempts.length, 1);
    assert.deepEqual({ ...attempts[0], latencyMs: 0 }, { endpoint, end: "answered", code: "OK", latencyMs: 0 });
  });

  it("ends with 64 and gRPC's code for a call that failed", async () => {
    const { code, stdout, stderr } = await call("demo", METHOD, "-d", '{"data":"code 7"}');
    assert.equal(code, 64 + Code.PermissionDenied);
    assert.equal(stdout, "");
    assert.match(stderr, /PERMISSION_DENIED: as asked\n$/);
  });

  it("calls streaming methods, a line of JSON for each message", async () => {
    const server = await call("demo", "proto.Simple/RouteServerStream", "-d", '{"data":"s"}');
    assert.deepEqual(server.stdout.trim().split("\n").map((line) => JSON.parse(line).value), ["s 0", "s 1", "s 2"]);
    const lines = '{"data":"a"}\n{"data":"b"}\n';
    const client = await calling(lines, "demo", "proto.Simple/RouteClientStream", "-d", "@-");
    assert.equal(JSON.parse(client.stdout).value, "a,b");
    const bidi = await calling(lines, "demo", "proto.Simple/RouteBidiStream", "-d", "@-", "-o", "json");
    assert.deepEqual(JSON.parse(bidi.stdout).responses.map(({ value }: { value: string }) => value), ["a", "b"]);
  });

  it("sends headers, and a request from a file", async () => {
    const file = join(folder, "request.json");
    await writeFile(file, '{"data":"from a file"}');
    const { stdout } = await call("demo", METHOD, "-d", `@${file}`, "-H", "X-Tail: !");
    assert.equal(JSON.parse(stdout).value, "from a file!");
  });

  it("makes many calls, and prints a table of endpoints", async () => {
    const { code, stdout, stderr } = await call("demo", METHOD, "-n", "30", "-c", "3");
    assert.equal(code, 0);
    const rows = stdout.trim().split("\n").map((line) => line.split(/ {2,}/));
    assert.deepEqual(rows[0], ["ENDPOINT", "CALLS", "ERRORS", "ATTEMPTS", "P50", "P99", "MAX"]);
    assert.deepEqual(rows.slice(1).map(([, ...cells]) => cells.slice(0, 3)), [
      ["10", "0", "10"],
      ["10", "0", "10"],
      ["10", "0", "10"],
      ["30", "0", "30"],
    ]);
    assert.equal(rows.at(-1)?.[0], "all");
    assert.match(stderr, /30 calls in [\d.]+ s, \d+ per second, 3 at a time\n$/);
  });

  it("counts the errors of many calls, and ends with the most frequent code", async () => {
    const { code, stdout } = await call("demo", METHOD, "-n", "9", "-d", '{"data":"code 5"}', "-o", "json");
    assert.equal(code, 64 + Code.NotFound);
    const { calls, errors, codes, endpoints, p50Ms } = JSON.parse(stdout);
    assert.deepEqual({ calls, errors, codes, p50Ms }, { calls: 9, errors: 9, codes: { NOT_FOUND: 9 }, p50Ms: null });
    assert.deepEqual(endpoints.map(({ endpoint }: { endpoint: string }) => endpoint), addresses.toSorted());
  });

  it("sends calls where its policy says", async () => {
    const { stdout } = await call("demo", METHOD, "-n", "12", "--policy", "pickfirst", "-o", "json");
    assert.deepEqual(JSON.parse(stdout).endpoints.map(({ calls }: { calls: number }) => calls), [12]);
    const hashed = ["--policy", "ringHash", "--hash-key", "somebody", "-n", "12", "-o", "json"];
    assert.equal(JSON.parse((await call("demo", METHOD, ...hashed)).stdout).endpoints.length, 1);
    const wrong = await call("demo", METHOD, "--policy", "roundrobbin");
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /did you mean roundRobin\?/);
  });

  it("works without etcd", async () => {
    const { code, stdout } = await run(["call", "--address", addresses.join(), METHOD, "-n", "6", "-o", "json"]);
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout).endpoints.map(({ calls }: { calls: number }) => calls), [2, 2, 2]);
  });

  it("lists a service's methods if none is named", async () => {
    const { code, stdout } = await call("demo");
    assert.equal(code, 0);
    assert.match(stdout, /^proto\.Simple\/Route \(proto\.SimpleRequest\) returns \(proto\.SimpleResponse\)$/m);
    assert.match(stdout, /^proto\.Simple\/RouteServerStream .* returns \(stream proto\.SimpleResponse\)$/m);
    assert.match((await call("demo", "-o", "name")).stdout, /^proto\.Simple\/Route$/m);
  });

  it("says what may have been meant", async () => {
    const mistakes: readonly (readonly [args: readonly string[], code: number, said: RegExp])[] = [
      [["demo", "proto.Simple/Rout"], 2, /no method "Rout"\n {2}did you mean proto\.Simple\/Route\?/],
      [["demo", "Simple/Route"], 2, /no service "Simple"\n {2}did you mean proto\.Simple\?/],
      [["demo", "Route"], 2, /"Route" is no method: expected pkg\.Service\/Method/],
      [["demos", METHOD], 3, /no endpoints of "demos"[^]*did you mean demo\?/],
      [[METHOD], 2, /looks like a method\n {2}connect-lb call SERVICE proto\.Simple\/Route/],
      [["demo", METHOD, "-d", "{data:1}"], 2, /-d is not JSON[^]*-d @FILE/],
      [["demo", METHOD, "-d", '{"date":"x"}'], 2, /-d is no proto\.SimpleRequest[^]*its fields are data/],
      [["demo", METHOD, "-H", "no header"], 2, /-H is no header: expected NAME:VALUE/],
      [["demo", METHOD, "--address", "127.0.0.1:1"], 2, /can't be combined/],
      [["demo", METHOD, "-n", "0"], 2, /-n is "0"/],
      [["--address", "http://x", METHOD], 2, /--address: .*is a URL/],
    ];
    for (const [args, expected, said] of mistakes) {
      const { code, stdout, stderr } = await call(...args);
      assert.match(stderr, said, args.join(" "));
      assert.equal(code, expected, args.join(" "));
      assert.equal(stdout, "");
    }
  });

  it("says that servers can't be reached, and why", async () => {
    const [port] = await freePorts(1);
    const { code, stderr } = await run(["call", "--address", `127.0.0.1:${port}`, METHOD, "--timeout", "1s"]);
    assert.equal(code, 4);
    assert.match(stderr, /no server can be reached[^]*ECONNREFUSED/i);
    const away = await run(["call", "demo", METHOD, "--endpoints", `http://127.0.0.1:${port}`]);
    assert.equal(away.code, 4);
    assert.match(away.stderr, /can't reach etcd/);
  });

  it("says how to pass a schema to servers without reflection, and takes it from a file", async () => {
    const address = await serve({ routes });
    const { code, stderr } = await run(["call", "--address", address, METHOD]);
    assert.equal(code, 2);
    assert.match(
      stderr,
      /it serves no reflection\n.*reflection: true[^]*--protoset FILE, made by buf build -o FILE\.binpb/,
    );
    const file = await run(["call", "--address", address, METHOD, "--protoset", schemaFile, "-d", '{"data":"x"}']);
    assert.equal(JSON.parse(file.stdout).value, "x");
    const none = await run(["call", "--address", address, METHOD, "--protoset", join(folder, "none")]);
    assert.equal(none.code, 2);
    assert.match(none.stderr, /--protoset: .*none" can't be used[^]*buf build/);
  });

  it("asks servers that have only the alpha version of reflection", async () => {
    let v1 = 0;
    const address = await serve({
      routes(router) {
        routes(router);
        const reflected = {
          async *serverReflectionInfo(requests: AsyncIterable<unknown>) {
            for await (const originalRequest of requests as AsyncIterable<{ messageRequest: { case?: string } }>) {
              const fileDescriptorProto = [toBinary(FileDescriptorProtoSchema, file_simple.proto)];
              yield {
                validHost: "",
                originalRequest,
                messageResponse: originalRequest.messageRequest.case === "fileContainingSymbol"
                  ? { case: "fileDescriptorResponse" as const, value: { fileDescriptorProto } }
                  : { case: "errorResponse" as const, value: { errorCode: 5, errorMessage: "unknown" } },
              };
            }
          },
        };
        router.service(ServerReflectionAlpha, reflected as never);
        router.service(ServerReflection, {
          async *serverReflectionInfo() {
            v1++;
            yield* [];
            throw new ConnectError("none", Code.Unimplemented);
          },
        });
      },
    });
    const { stdout, stderr } = await run(["call", "--address", address, METHOD, "-d", '{"data":"alpha"}']);
    assert.equal(JSON.parse(stdout || "{}").value, "alpha", stderr);
    assert.equal(v1, 1);
  });

  it("calls servers over TLS", async () => {
    const address = await serve({ routes: (router) => (routes(router), reflectionRoutes(router)), tls: identity });
    const ca = new URL("../support/tls/ca.pem", import.meta.url).pathname;
    const { stdout, stderr } = await run(["call", "--address", address, METHOD, "-d", '{"data":"x"}', "--tls-ca", ca]);
    assert.equal(JSON.parse(stdout || "{}").value, "x", stderr);
    const named = [...(["call", "--address", address, METHOD, "--tls-ca", ca, "--tls-name", "other.test"] as const)];
    // The default is 10 s: it ends when it can't succeed any more.
    const wrong = await run(named);
    assert.equal(wrong.code, 4);
    assert.match(wrong.stderr, /the certificate is for another name: --tls-name NAME/);
    const untrusted = await run(["call", "--address", address, METHOD, "--tls"]);
    assert.equal(untrusted.code, 4);
    assert.match(untrusted.stderr, /--tls-ca FILE gives the CA/);
    const without = await run(["call", "--address", address, METHOD, "--timeout", "1s"]);
    assert.equal(without.code, 4);
    assert.match(without.stderr, /servers that speak TLS need --tls/);
  });
});
