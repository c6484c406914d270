import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { RegistrationTalk } from "../../src/cli/sidecar/registrar.ts";
import { createGrpcServer, createHealth } from "../../src/server.ts";
import { freePorts } from "../support/etcd.ts";
import { eventually } from "../support/eventually.ts";
import { type Child, executable, runtime, start as startProgram, startScript } from "../support/process.ts";
import { server as identity } from "../support/tls.ts";
import { type ServedEtcd, serveMemoryEtcd } from "./memory-etcd.ts";
import { run, start } from "./support.ts";

const caFile = fileURLToPath(new URL("../support/tls/ca.pem", import.meta.url));
const program = (port: number) => {
  const before = runtime === "deno" ? ["run", "-A", "--no-check"] : [];
  return ["--", executable(runtime), ...before, "test/cli/server-program.ts", String(port)];
};

describe("connect-lb register", () => {
  let etcd: ServedEtcd;
  const children: Child[] = [];

  /** Starts it as a process on this runtime. */
  const register = (args: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const child = startScript(runtime, "src/cli.ts", ["register", ...args], {
      env: { CONNECT_LB_ETCD: etcd.url, ...env },
    });
    children.push(child);
    return child;
  };
  /** The addresses under a service's name. */
  const addresses = async (service: string) => {
    const { stdout } = await run(["ls", service, "-o", "name", "--no-connect", "--endpoints", etcd.url]);
    return stdout.split("\n").filter((line) => line !== "");
  };
  const becomes = (service: string, expected: readonly string[]) =>
    eventually(`${service} is at [${expected.join()}]`, async () => {
      assert.deepEqual(await addresses(service), expected);
      return true;
    });
  /** A server that listens and is registered; the service is named after it. */
  const served = async (service: string, ...args: readonly string[]) => {
    const [port = 0] = await freePorts(1);
    const address = `127.0.0.1:${port}`;
    const child = register([service, address, "--interval", "50ms", ...args, ...program(port)]);
    await child.line(/^started$/);
    child.write("listen\n");
    await child.line(/^listening$/);
    await becomes(service, [address]);
    return { child, address };
  };

  before(async () => {
    etcd = await serveMemoryEtcd();
  });
  after(async () => {
    // Its program ends with its standard input's last words, or with the test's end of it.
    for (const child of children) child.write("exit 0\n");
    await Promise.all(children.map((child) => child.stop()));
    await etcd.close();
  });

  it("registers a program once it answers, deregisters it before SIGTERM, and ends with its code", async () => {
    const [port = 0] = await freePorts(1);
    const child = register(["a", `127.0.0.1:${port}`, "--settle", "0", ...program(port)]);
    await child.line(/^started$/);
    assert.deepEqual(await addresses("a"), []);
    child.write("listen\n");
    await child.line(/connect-lb: registered: a at 127\.0\.0\.1:\d+, as \/grpclb\/a\//);
    assert.deepEqual(await addresses("a"), [`127.0.0.1:${port}`]);
    assert.ok(!child.lines.some((line) => line.includes("not registered")), "nothing is wrong while it starts");
    child.signal("SIGTERM");
    await child.line(/^got SIGTERM$/);
    assert.deepEqual(await addresses("a"), [], "it was deregistered first");
    child.write("exit 7\n");
    assert.deepEqual(await child.exited, { code: 7, signal: null });
  });

  it("passes SIGHUP on as it is, and a second signal at once", async () => {
    const { child, address } = await served("b", "--settle", "1h");
    child.signal("SIGHUP");
    await child.line(/^got SIGHUP$/);
    assert.deepEqual(await addresses("b"), [address]);
    child.signal("SIGTERM");
    await becomes("b", []);
    assert.ok(!child.lines.includes("got SIGTERM"), "it settles first");
    child.signal("SIGINT");
    await child.line(/^got SIGINT$/);
    child.write("exit 3\n");
    assert.equal((await child.exited).code, 3);
    assert.ok(!child.lines.includes("got SIGTERM"));
  });

  it("deregisters a program that doesn't answer any more, and registers it when it comes back", async () => {
    const { child, address } = await served("c");
    child.write("close\n");
    await child.line(/deregistered until it is healthy again: .*ECONNREFUSED/);
    await becomes("c", []);
    child.write("listen\n");
    await becomes("c", [address]);
    child.write("exit 0\n");
    assert.equal((await child.exited).code, 0);
    assert.deepEqual(await addresses("c"), [], "nothing is left of a program that has ended");
  });

  it("deregisters on Ctrl-C in a terminal before the program hears of it, which it does once", {
    skip: spawnSync("script", ["--version"]).status === 0 ? false : "script, which makes terminals, is not installed",
  }, async () => {
    const [port = 0] = await freePorts(1);
    const before = runtime === "deno" ? ["run", "-A", "--no-check"] : [];
    const args = ["register", "t", `127.0.0.1:${port}`, "--interval", "50ms", ...program(port)];
    // From a file: Deno changes what shells are told by arguments.
    const file = join(mkdtempSync(join(tmpdir(), "connect-lb-terminal-")), "run");
    const command = [executable(runtime), ...before, "src/cli.ts", ...args].map((word) => `'${word}'`).join(" ");
    writeFileSync(file, `exec ${command}\n`);
    // With exec, as a dash that stays would get the Ctrl-C, too, and end with 130.
    const terminal = startProgram("script", ["-qec", `exec bash ${file}`, "/dev/null"], {
      env: { CONNECT_LB_ETCD: etcd.url },
    });
    children.push(terminal);
    await terminal.line(/^started/);
    terminal.write("listen\n");
    await terminal.line(/registered: t at/);
    terminal.write("\x03");
    await terminal.line(/SIGINT: deregistering/);
    await terminal.line(/got SIGINT/);
    assert.deepEqual(await addresses("t"), []);
    terminal.write("exit 9\n");
    assert.equal((await terminal.exited).code, 9);
    assert.equal(terminal.lines.filter((line) => line.includes("got SIGINT")).length, 1);
    rmSync(dirname(file), { recursive: true });
  });

  it("keeps etcd's credentials from the program", async () => {
    const [port = 0] = await freePorts(1);
    const env = { ETCDCTL_USER: "root:secret", ETCDCTL_PASSWORD: "secret", ETCDCTL_DIAL_TIMEOUT: "1s" };
    const child = register(["d", `127.0.0.1:${port}`, ...program(port)], env);
    const [, names = ""] = await child.line(/^etcd's variables: (.*)$/);
    assert.ok(names.includes("ETCDCTL_DIAL_TIMEOUT"), names);
    assert.ok(!/USER|PASSWORD|CERT|KEY/.test(names), names);
    await child.line(/^started$/);
    child.write("exit 0\n");
    assert.equal((await child.exited).code, 0);
  });

  it("ends as its program does: by a signal, or by not being there", async () => {
    const { child, address } = await served("e");
    assert.equal(await killed(address, child), 128 + 9);
    const none = register(["e", "127.0.0.1:1", "--", "no-such-program"]);
    assert.equal((await none.exited).code, 127);
    assert.match(none.lines.join("\n"), /connect-lb register: there is no program "no-such-program"/);
    const folder = register(["e", "127.0.0.1:1", "--", "/tmp"]);
    assert.equal((await folder.exited).code, 126);
  });

  it("registers what runs elsewhere, until a signal", async () => {
    for (const [name, code] of [["SIGTERM", 0], ["SIGINT", 130]] as const) {
      const args = ["register", "f", "10.0.0.7:80", "--health", "none", "--layout", "kratos", "--weight", "3"];
      const running = start(args, { env: { CONNECT_LB_ETCD: etcd.url } });
      const list = ["ls", "f", "--layout", "kratos", "-o", "json", "--no-connect", "--endpoints", etcd.url];
      await eventually("it is registered", async () => {
        const [found] = JSON.parse((await run(list)).stdout) as [Record<string, unknown>];
        assert.deepEqual([found["address"], found["weight"]], ["10.0.0.7:80", 3]);
        return true;
      });
      running.signal(name);
      assert.equal(await running.exited, code);
      assert.equal((await run(list)).code, 3);
    }
  });

  it("waits while another program holds the entry, says what to do, and leaves the entry alone; --take-over replaces it", async () => {
    const live = await etcd.register({ service: "twice", address: "10.0.0.8:80", ttlSeconds: 60 });
    const env = { CONNECT_LB_ETCD: etcd.url };
    const leaseOf = async () => {
      const { stdout } = await run(["ls", "twice", "-o", "json", "--no-connect"], { env });
      return (JSON.parse(stdout) as readonly { lease: string }[])[0]?.lease;
    };
    const lease = await leaseOf();
    const waiting = start(["register", "twice", "10.0.0.8:80", "--health", "none"], { env });
    await eventually("it says so", () => waiting.stderr.includes("--take-over"));
    assert.match(waiting.stderr, /not registered: twice at 10\.0\.0\.8:80 is registered by another program/);
    assert.ok(waiting.stderr.includes(`under the lease ${lease}`), waiting.stderr);
    waiting.signal("SIGTERM");
    assert.equal(await waiting.exited, 0);
    assert.equal(await leaseOf(), lease, "the entry of the live server is as it was");

    const taking = start(["register", "twice", "10.0.0.8:80", "--health", "none", "--take-over"], { env });
    await eventually("it is registered", () => taking.stderr.includes("registered: twice"));
    assert.notEqual(await leaseOf(), lease);
    await live.close();
    taking.signal("SIGTERM");
    assert.equal(await taking.exited, 0);
  });

  it("asks over TLS for the health of a server that speaks it", async () => {
    const server = createGrpcServer({ health: createHealth(), routes: () => {}, tls: identity });
    const { address } = await server.listen({ host: "127.0.0.1", port: 0 });
    const args = ["register", "tls", address, "--health", "grpc", "--interval", "50ms"];
    const running = start([...args, "--tls-ca", caFile], { env: { CONNECT_LB_ETCD: etcd.url } });
    await eventually("it is registered", () => running.stderr.includes("registered: tls"));
    running.signal("SIGTERM");
    await running.exited;
    server.closeAllConnections();
    await server.close();
  });

  it("says who it is to an etcd that refuses it, and which command looks closer", () => {
    const lines: string[] = [];
    const about = { where: "etcd at http://e:1", service: "s", say: (text: string) => void lines.push(text) };
    const event = { type: "auth-refused", cause: new Error("permission denied"), retryInMs: 1 } as const;
    new RegistrationTalk({ ...about, user: { name: "app", from: "ETCDCTL_USER" } }).onEvent(event);
    new RegistrationTalk({ ...about, user: undefined }).onEvent(event);
    assert.match(lines[0]!, /permission denied; the user is app \(ETCDCTL_USER\); connect-lb doctor s looks closer$/);
    assert.match(lines[1]!, /no user is given: set ETCDCTL_USER=name:password/);
  });

  it("goes on while etcd can't be reached, and says so once with its address", async () => {
    const [port = 0] = await freePorts(1);
    const running = start(["register", "g", "10.0.0.7:80", "--health", "none"], {
      env: { ETCDCTL_ENDPOINTS: `http://127.0.0.1:${port}` },
    });
    const said =
      /not registered in etcd at http:\/\/127\.0\.0\.1:\d+ \(ETCDCTL_ENDPOINTS\), will try again: .*ECONNREFUSED/g;
    await eventually("it says so", () => said.test(running.stderr));
    const later = await serveMemoryEtcd(port);
    await eventually("it is registered", () => /connect-lb: registered: g at/.test(running.stderr));
    assert.equal(running.stderr.match(said)?.length, 1);
    running.signal("SIGTERM");
    assert.equal(await running.exited, 0);
    await later.close();
  });

  it("refuses what can't be registered before it starts the program", async () => {
    const refused = async (args: readonly string[], pattern: RegExp) => {
      const { code, stderr } = await run(["register", ...args, "--", "no-such-program"]);
      assert.equal(code, 2);
      assert.match(stderr, pattern);
    };
    await refused(["s", "0.0.0.0:80"], /wildcard host/);
    await refused(["s", "10.0.0.1"], /has no port/);
    await refused(["s/t", "10.0.0.1:80"], /"\/", which this layout does not support/);
    await refused(
      ["s", "10.0.0.1:80", "--weight", "2"],
      /layout grpclb can't store --weight\n.*--layout etcdNaming, kratos, kitex, goMicro, dubboApplication\n$/,
    );
    await refused(["s", "10.0.0.1:80", "--tls"], /the options for TLS go with --health grpc/);
    await refused(["s", "10.0.0.1:80", "--ttl", "1.5"], /--ttl is "1\.5": expected a whole number from 1/);
    await refused(["s", "10.0.0.1:80", "--metadata", "{"], /--metadata is not JSON/);
    await refused(["s", "10.0.0.1:80", "--health-service", "x"], /goes with --health grpc/);
    await refused(["s", "10.0.0.1:80", "--health-address", "x"], /--health-address: address "x" has no port/);
  });
});

/** Ends the program of a sidecar by SIGKILL, found by its port in its arguments. Returns the sidecar's exit code. */
async function killed(address: string, sidecar: Child): Promise<number | null> {
  const port = address.split(":")[1]!;
  const rows = execFileSync("ps", ["-o", "pid=,args=", "--ppid", String(sidecar.pid)], { encoding: "utf8" }).split(
    "\n",
  );
  const pid = Number(rows.find((row) => row.includes(port))?.trim().split(" ")[0]);
  process.kill(pid, "SIGKILL");
  return (await sidecar.exited).code;
}
