// Why a connection can't be opened, as `connect-lb doctor` finds out by trying others.
import assert from "node:assert/strict";
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { after, describe, it } from "node:test";
import { etcdAdvice, serverAdvice } from "../../src/cli/doctor/connect-advice.ts";
import { type ConnectTrouble, troubleOf } from "../../src/cli/doctor/connect-trouble.ts";
import { greet } from "../../src/cli/doctor/greeting.ts";
import { probe, type ProbeLimits } from "../../src/cli/doctor/probing.ts";
import { destinationOf } from "../../src/node/socket.ts";
import type { TlsOptions } from "../../src/node/tls-options.ts";
import { createGrpcServer, type GrpcServer } from "../../src/server.ts";
import { freePorts } from "../support/etcd.ts";
import { ca, client, expired, server as identity } from "../support/tls.ts";
import { run } from "./support.ts";

const limits: ProbeLimits = { timeoutMs: 10_000, signal: new AbortController().signal };

/** What is found out about a connection that can't be opened. */
async function trouble(address: string, tls?: TlsOptions, timeoutMs = limits.timeoutMs): Promise<ConnectTrouble> {
  const dialling = { endpoint: { address }, tls }, own = { ...limits, timeoutMs };
  try {
    await probe(own, (signal) => greet(destinationOf(dialling.endpoint, tls).open, signal));
  } catch (error) {
    return await troubleOf(error, dialling, own);
  }
  assert.fail(`${address} can be reached`);
}

describe("the doctor finds out that a server", () => {
  const servers: (Server | HttpServer)[] = [], grpcServers: GrpcServer[] = [], sockets = new Set<Socket>();
  const open = async (server: Server | HttpServer) => {
    servers.push(server);
    server.on("error", () => {});
    server.on("connection", (socket: Socket) => {
      sockets.add(socket);
      socket.on("error", () => {});
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const openGrpc = async (options: Parameters<typeof createGrpcServer>[0]) => {
    const server = createGrpcServer(options);
    grpcServers.push(server);
    return (await server.listen({ host: "127.0.0.1", port: 0 })).address;
  };
  after(async () => {
    for (const socket of sockets) socket.destroy();
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    for (const server of grpcServers) {
      server.closeAllConnections();
      await server.close();
    }
  });

  it("is not there, does not answer, or has a name that nobody knows", async () => {
    const [port] = await freePorts(1);
    assert.equal((await trouble(`127.0.0.1:${port}`)).kind, "refused");
    assert.equal(
      (await trouble(await open(createServer((socket) => void socket.resume())), undefined, 100)).kind,
      "silent",
    );
    const unknown = Object.assign(new Error("getaddrinfo ENOTFOUND no-such-host"), { code: "ENOTFOUND" });
    const dialling = { endpoint: { address: "no-such-host:80" }, tls: undefined };
    assert.equal((await troubleOf(new Error("x", { cause: unknown }), dialling, limits)).kind, "unknown-host");
  });

  it("speaks HTTP/1.1, with TLS or without", async () => {
    const plain = await open(createHttpServer((_, response) => void response.end()));
    assert.equal((await trouble(plain)).kind, "http1");
    assert.equal((await trouble(plain, { ca })).kind, "http1");
    const secure = await open(createHttpsServer(identity, (_, response) => void response.end()) as HttpServer);
    assert.equal((await trouble(secure, { ca })).kind, "no-alpn");
    assert.equal((await trouble(secure)).kind, "needs-tls");
  });

  it("speaks something else", async () => {
    const address = await open(createServer((socket) => void socket.resume().end("SSH-2.0-OpenSSH_9.2\r\n")));
    const found = await trouble(address);
    assert.equal(found.kind, "other");
    assert.match(
      serverAdvice(found, true).what,
      /^the server can't be called: the server's first frame is not SETTINGS/,
    );
  });

  it("speaks TLS, or doesn't", async () => {
    assert.equal((await trouble(await openGrpc({ routes: () => {}, tls: identity }))).kind, "needs-tls");
    assert.equal((await trouble(await openGrpc({ routes: () => {} }), { ca })).kind, "no-tls");
  });

  it("has a certificate that is not trusted, of another name, or expired", async () => {
    const address = await openGrpc({ routes: () => {}, tls: identity });
    assert.equal((await trouble(address, {})).kind, "untrusted");
    const wrong = await trouble(address, { ca, servername: "other.test" });
    assert.equal(wrong.kind, "wrong-name");
    assert.match(serverAdvice(wrong, true).what, /\(it is for DNS:simple\.test, /);
    const old = await trouble(await openGrpc({ routes: () => {}, tls: expired.old }), { ca: expired.ca });
    assert.equal(old.kind, "expired");
    assert.match(etcdAdvice(old).what, /certificate of etcd has expired: it was valid until 2021-01-01/);
  });

  it("requires a client certificate", async () => {
    const address = await openGrpc({ routes: () => {}, tls: { ...identity, ca } });
    assert.equal((await trouble(address, { ca })).kind, "client-certificate");
    const { settings } = await greet(destinationOf({ address }, { ca, ...client }).open, limits.signal);
    assert.equal(settings.maxFrameSize, 16_384);
  });

  it("is no etcd", async () => {
    const web = await open(createHttpServer((_, response) => void response.end()));
    const { code, stdout } = await run(["doctor", "--endpoints", `http://${web}`]);
    assert.equal(code, 1);
    assert.match(stdout, /speaks HTTP\/1\.1, not the HTTP\/2 of etcd's gRPC/);
    const other = await run(["doctor", "--endpoints", `http://${await openGrpc({ routes: () => {} })}`]);
    assert.equal(other.code, 1);
    assert.match(other.stdout, /a gRPC server, and not etcd/);
  });
});

describe("what a server says on a new connection", () => {
  it("tells whether it limits PINGs", async () => {
    const strict = createGrpcServer({ routes: () => {}, limits: { maxConcurrentStreams: 12 } });
    const lenient = createGrpcServer({ routes: () => {}, keepalive: { minPingIntervalMs: 0 } });
    try {
      for (const [server, limitsPings] of [[strict, true], [lenient, false]] as const) {
        const { address } = await server.listen({ host: "127.0.0.1", port: 0 });
        const greeting = await greet(destinationOf({ address }, undefined).open, limits.signal);
        assert.equal(greeting.limitsPings, limitsPings);
        assert.ok(greeting.pingMs <= greeting.connectMs + greeting.pingMs && greeting.pingMs < Infinity);
        if (limitsPings) assert.equal(greeting.settings.maxConcurrentStreams, 12);
      }
    } finally {
      await strict.close();
      await lenient.close();
    }
  });
});
