// The tools that ask servers for their services: grpcurl, and buf's curl.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import type { ConnectRouter } from "@connectrpc/connect";
import { createHealth } from "../../src/server/health.ts";
import { reflectionRoutes } from "../../src/server/reflection.ts";
import { createGrpcServer, type GrpcServer } from "../../src/server.ts";
import { builtWithGo, hasGo } from "../support/go.ts";
import { root, runtime } from "../support/process.ts";
import { type Served, serveRoutes } from "../support/serve-routes.ts";
import { simpleRoutes } from "../support/simple.ts";

const GRPCURL = "v1.9.4";
const MODULE = "github.com/fullstorydev/grpcurl";

/** The path of grpcurl, which is built first if need be: half a minute. */
function grpcurl(): string {
  const folder = builtWithGo(`grpcurl-${GRPCURL}`, (go) => {
    go("get", `${MODULE}@${GRPCURL}`);
    go("build", "-trimpath", "-o", "bin/grpcurl", `${MODULE}/cmd/grpcurl`);
  });
  return join(folder, "grpcurl");
}

const routes = (router: ConnectRouter) => {
  simpleRoutes({ name: "s" })(router);
  createHealth().routes(router);
  reflectionRoutes(router);
};

const SERVICES = [
  "grpc.health.v1.Health",
  "grpc.reflection.v1.ServerReflection",
  "grpc.reflection.v1alpha.ServerReflection",
  "proto.Simple",
];

async function run(command: string, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(command, args, { cwd: root, timeout: 60_000 });
  return stdout.trim();
}

describe("reflection of our server", () => {
  let server: GrpcServer, port: number;
  before(async () => {
    server = createGrpcServer({ routes: simpleRoutes({ name: "s" }), health: true, reflection: true });
    ({ port } = await server.listen({ host: "127.0.0.1" }));
  });
  after(() => server.close());
  tools(() => port);
});

// On Deno, servers of node:http2 end the process when such a client leaves.
describe("reflection of a server made with connect-node", { skip: runtime === "deno" }, () => {
  let served: Served;
  before(async () => void (served = await serveRoutes(routes)));
  after(() => served.close());
  tools(() => served.port);
});

/** What the tools must be able to do. */
function tools(port: () => number): void {
  const needsGo = hasGo() ? false : "grpcurl needs Go to be built";

  describe("by grpcurl", { skip: needsGo }, () => {
    let program: string;
    before(() => void (program = grpcurl()));
    const curl = (...args: string[]) => run(program, args);
    const at = () => `127.0.0.1:${port()}`;

    it("is listed", async () => {
      assert.deepEqual((await curl("-plaintext", at(), "list")).split("\n"), SERVICES);
      assert.deepEqual((await curl("-plaintext", at(), "list", "proto.Simple")).split("\n"), [
        "proto.Simple.Route",
        "proto.Simple.RouteBidiStream",
        "proto.Simple.RouteClientStream",
        "proto.Simple.RouteServerStream",
      ]);
    });

    it("is described", async () => {
      assert.match(
        await curl("-plaintext", at(), "describe", "proto.Simple.Route"),
        /rpc Route \( \.proto\.SimpleRequest \)/,
      );
      assert.match(
        await curl("-plaintext", at(), "describe", ".proto.SimpleResponse"),
        /int32 code = 1;\s+string value = 2;/,
      );
      await assert.rejects(curl("-plaintext", at(), "describe", "proto.Other"), /Symbol not found: proto\.Other/);
    });

    it("is called, all four kinds", async () => {
      const two = ["-plaintext", "-d", '{"data":"a"}{"data":"b"}', at()];
      const one = ["-plaintext", "-d", '{"data":"a"}', at()];
      assert.deepEqual(JSON.parse(await curl(...one, "proto.Simple/Route")), { code: 200, value: "s: hello a" });
      assert.match(await curl(...one, "proto.Simple/RouteServerStream"), /hello a 0[^]*hello a 1[^]*hello a 2/);
      assert.match(await curl(...two, "proto.Simple/RouteClientStream"), /s: a,b/);
      assert.match(await curl(...two, "proto.Simple/RouteBidiStream"), /hello a[^]*hello b/);
      assert.match(await curl("-plaintext", at(), "grpc.health.v1.Health/Check"), /SERVING/);
    });
  });

  describe("by buf curl", () => {
    const curl = (...args: string[]) =>
      run(`${root}node_modules/.bin/buf`, ["curl", "--http2-prior-knowledge", ...args]);
    const url = () => `http://127.0.0.1:${port()}`;

    it("is listed", async () => {
      assert.deepEqual((await curl("--list-services", url())).split("\n"), SERVICES);
    });

    for (const protocol of ["grpc", "grpcweb", "connect"]) {
      it(`is called over ${protocol}`, async () => {
        const args = ["--protocol", protocol, "-d", '{"data":"a"}'];
        assert.deepEqual(JSON.parse(await curl(...args, `${url()}/proto.Simple/Route`)), {
          code: 200,
          value: "s: hello a",
        });
      });
    }

    for (const version of ["grpc-v1", "grpc-v1alpha"]) {
      it(`is called with ${version} of reflection`, async () => {
        const args = ["--reflect-protocol", version, "--protocol", "grpc", "-d", '{"data":"a"}'];
        assert.match(
          await curl(...args, `${url()}/proto.Simple/RouteServerStream`),
          /hello a 0[^]*hello a 1[^]*hello a 2/,
        );
      });
    }
  });
}
