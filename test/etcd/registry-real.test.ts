// The registry against real etcd processes, over each driver: what they do to it, it survives.
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { Etcd3 } from "etcd3";
import { createServer, type TLSSocket } from "node:tls";
import type { EtcdRegistryOptions } from "../../src/etcd/options.ts";
import { createRegistryOver } from "../../src/etcd/registry.ts";
import { createEtcdRegistry } from "../../src/etcd.ts";
import { createEtcd3Registry } from "../../src/etcd3.ts";
import { createGatewayRegistry } from "../../src/etcd-gateway.ts";
import type { RegistryEvent } from "../../src/registry/event.ts";
import type { Registration, Registry } from "../../src/registry/registry.ts";
import type { Resolution } from "../../src/resolver/resolver.ts";
import { type Etcd, etcdctl, etcdSkipped, startEtcd, startEtcdCluster } from "../support/etcd.ts";
import { eventually } from "../support/eventually.ts";
import { ca, client, server } from "../support/tls.ts";
import { type CutDriver, cutDriver } from "./cut-driver.ts";
import { connectKind, type DriverKind, etcd3Kind, gatewayKind } from "./drivers.ts";

const skip = etcdSkipped;

const keysOf = async (etcd: Etcd, ...more: string[]): Promise<string[]> =>
  (await etcdctl(etcd, "get", "--prefix", "--keys-only", "/grpclb/", ...more)).split("\n").filter((line) =>
    line !== ""
  );

const leasesOf = async (etcd: Etcd): Promise<string[]> =>
  (await etcdctl(etcd, "lease", "list")).split("\n").filter((line) => /^[0-9a-f]{8,}$/.test(line));

interface Options extends EtcdRegistryOptions {
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string; readonly servername?: string };
}

/** A registry over one of the drivers. */
interface Over extends DriverKind {
  createRegistry(options: Options): Registry;
  /** Whether it goes through all tests; the other drivers do through those that touch on what drivers do. */
  readonly all: boolean;
}

const over: readonly Over[] = [
  { ...connectKind, createRegistry: createEtcdRegistry, all: true },
  { ...etcd3Kind, createRegistry: (options) => createEtcd3Registry({ ...options, Etcd3 }), all: false },
  { ...gatewayKind, createRegistry: ({ tls: _, ...options }) => createGatewayRegistry(options), all: false },
];
/** The one that is being tested. */
let current = over[0] as Over;

/** What was opened, to be closed at the end even if a test fails. */
const opened: { close(): Promise<unknown> }[] = [];
const events: RegistryEvent[] = [];
const types = () => events.map(({ type }) => type);
const onEvent = (event: RegistryEvent) => events.push(event);

function open(options: Options): Registry {
  const registry = current.createRegistry({ onEvent, ...options });
  opened.push(registry);
  return registry;
}

/** A registry whose watches can be cut. */
function openCut(options: EtcdRegistryOptions): { registry: Registry; driver: CutDriver } {
  const driver = cutDriver(current.create());
  const registry = createRegistryOver(() => driver, { onEvent, ...options });
  opened.push(registry);
  return { registry, driver };
}

function follow(registry: Registry, service = "a"): { readonly last: Resolution | undefined; addresses(): string } {
  const stop = new AbortController();
  let last: Resolution | undefined;
  const ended = (async () => {
    for await (const resolution of registry.resolver(service).resolve(stop.signal)) last = resolution;
  })();
  opened.push({
    close: () => {
      stop.abort();
      return ended;
    },
  });
  return {
    get last() {
      return last;
    },
    addresses: () => (last?.endpoints ?? []).map(({ address }) => address).sort().join(" "),
  };
}

/** With a TTL that no program on a busy machine lets pass. */
const register = (registry: Registry, port = 8000, ttlSeconds = 15): Registration =>
  registry.register({ service: "a", address: `127.0.0.1:${port}`, ttlSeconds });

/** Tests that use one after another of the same etcd's services, each beginning with an empty store. */
function withEtcd(name: string, tests: (etcd: () => Etcd, all: boolean, name: string) => void) {
  for (const driver of over) {
    describe(`${name}, over ${driver.name}`, () => {
      let etcd: Etcd | undefined;
      before(async () => {
        current = driver;
        if (!skip) etcd = await startEtcd();
      });
      after(async () => {
        await closeAll();
        await etcd?.stop();
      });
      tests(() => etcd as Etcd, driver.all, driver.name);
    });
  }
}

async function closeAll(): Promise<void> {
  await Promise.all(opened.splice(0).map((resource) => resource.close()));
  events.length = 0;
}

withEtcd("the registry in a real etcd", (etcd, all, name) => {
  it("registers a key that etcdctl shows, resolves it, and takes it away", { skip }, async () => {
    const registry = open({ endpoints: [etcd().url] });
    const seen = follow(registry);
    const registration = register(registry);
    await registration.ready;
    assert.deepEqual(await keysOf(etcd()), ["/grpclb/a/127.0.0.1:8000"]);
    assert.match(await etcdctl(etcd(), "get", "/grpclb/a/127.0.0.1:8000"), /\n127\.0\.0\.1:8000\n/);
    await eventually("the endpoint is seen", () => seen.addresses() === "127.0.0.1:8000");
    const listed = await registry.resolver("a").list!(new AbortController().signal);
    assert.deepEqual(listed, seen.last);
    const { nowMs, registrations: [registered], watches } = registry.snapshot();
    const { sinceMs, renewedMs, ...entry } = registered!;
    assert.deepEqual(entry, {
      service: "a",
      address: "127.0.0.1:8000",
      state: "registered",
      ttlSeconds: 15,
      key: "/grpclb/a/127.0.0.1:8000",
      lastError: undefined,
    });
    assert.ok(renewedMs! <= nowMs && sinceMs <= nowMs);
    assert.deepEqual(watches, [{ service: "a", endpoints: 1, stale: undefined }]);
    await registration.close();
    await eventually("the endpoint is gone", () => seen.addresses() === "");
    assert.deepEqual([await keysOf(etcd()), await leasesOf(etcd())], [[], []]);
    await closeAll();
  });

  if (all) {
    it("R3: its lease revoked; R5: its key deleted; R4: left alone for longer than its TTL", { skip }, async () => {
      // Without a scheme, as many write it.
      const registry = open({ endpoints: [etcd().url.replace("http://", "")] });
      await register(registry, 8000, 2).ready;
      const [lease] = await leasesOf(etcd());
      await register(registry, 9000, 2).ready;
      const alone = (await leasesOf(etcd())).filter((other) => other !== lease);
      await etcdctl(etcd(), "lease", "revoke", lease as string);
      await eventually(
        "it is registered again",
        () => types().join(" ") === "registered registered lease-lost registered",
      );
      assert.equal((await keysOf(etcd())).length, 2);
      assert.equal((await leasesOf(etcd())).length, 2);
      await etcdctl(etcd(), "del", "/grpclb/a/127.0.0.1:8000");
      await eventually("the key is there again", async () => (await keysOf(etcd())).length === 2);
      const leases = await leasesOf(etcd());
      assert.equal(leases.length, 2);
      assert.ok(leases.includes(alone[0] as string));
      assert.equal(types().filter((type) => type === "lease-lost").length, 1);
      await closeAll();
    });
  }

  it("D3: compacted while it was cut: one list, and all is as it should be", { skip }, async () => {
    const { registry, driver } = openCut({ endpoints: [etcd().url] });
    const seen = follow(registry);
    await etcdctl(etcd(), "put", "/grpclb/a/1", "127.0.0.1:1");
    await etcdctl(etcd(), "put", "/grpclb/a/2", "127.0.0.1:2");
    await eventually("both are seen", () => seen.addresses() === "127.0.0.1:1 127.0.0.1:2");
    driver.cut();
    await eventually("it is stale", () => seen.last?.stale !== undefined);
    assert.equal(seen.addresses(), "127.0.0.1:1 127.0.0.1:2");
    await etcdctl(etcd(), "del", "/grpclb/a/1");
    await etcdctl(etcd(), "put", "/grpclb/a/3", "127.0.0.1:3");
    const { header } = JSON.parse(await etcdctl(etcd(), "get", "x", "-w", "json")) as { header: { revision: number } };
    await etcdctl(etcd(), "compact", String(header.revision));
    driver.mend();
    await eventually("the new set is seen", () => seen.addresses() === "127.0.0.1:2 127.0.0.1:3");
    await eventually("it is fresh", () => seen.last?.stale === undefined);
    assert.ok(events.some((event) => event.type === "watch-restarted" && /compacted/.test(event.cause.message)));
    await etcdctl(etcd(), "put", "/grpclb/a/4", "127.0.0.1:4");
    await eventually("it goes on", () => seen.addresses() === "127.0.0.1:2 127.0.0.1:3 127.0.0.1:4");
    await etcdctl(etcd(), "del", "--prefix", "/grpclb/");
    await closeAll();
  });

  it("D2: cut during a long catch-up: no event is lost", { skip }, async () => {
    const { registry, driver } = openCut({ endpoints: [etcd().url] });
    const seen = follow(registry);
    await eventually("the empty set is seen", () => seen.last !== undefined);
    driver.cut();
    const writer = current.create();
    opened.push(writer);
    const call = { endpoint: { address: `127.0.0.1:${etcd().port}` }, signal: new AbortController().signal };
    const bytes = new TextEncoder();
    const put = (n: number, port: number) => {
      const operation = { key: bytes.encode(`/grpclb/a/${n}`), value: bytes.encode(`127.0.0.1:${port}`), lease: 0n };
      return writer.txn({ compare: [], success: [{ put: operation }], failure: [] }, call);
    };
    // etcd sends a catch-up in batches of 1,000 revisions. Each key is written twice, so that a lost event shows.
    const puts = Array.from({ length: 2_500 }, (_, i) => i);
    for (let from = 0; from < puts.length; from += 250) {
      await Promise.all(puts.slice(from, from + 250).map((i) => put(i % 1_250, 1 + i)));
    }
    driver.cutAfter(1);
    driver.mend();
    await eventually("all are seen", () => {
      const ports = (seen.last?.endpoints ?? []).map(({ address }) => Number(address.split(":")[1]));
      return ports.length === 1_250 && ports.every((port) => port > 1_250);
    });
    assert.ok(driver.watches >= 3);
    await etcdctl(etcd(), "del", "--prefix", "/grpclb/");
    await closeAll();
  });

  const noTls = name === gatewayKind.name && "with fetch, certificates are the runtime's affair";
  it("TLS with a private CA and a client certificate", { skip: skip || noTls }, async () => {
    // A proxy that speaks TLS in front of the same etcd.
    const options = { ...server, ca, requestCert: true, rejectUnauthorized: true, ALPNProtocols: ["h2"] };
    const sockets = new Set<{ destroy(): void }>();
    const proxy = createServer(options, (socket: TLSSocket) => {
      const inner = connect(etcd().port, "127.0.0.1");
      for (const end of [socket, inner]) {
        sockets.add(end);
        end.on("error", () => {});
      }
      socket.pipe(inner).pipe(socket);
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const url = `https://127.0.0.1:${(proxy.address() as { port: number }).port}`;
    // grpc-js on Bun and Deno can't check the certificate of an IP address.
    const named = all ? {} : { servername: "localhost" };
    const registry = open({ endpoints: [url], tls: { ca, ...client, ...named } });
    const seen = follow(registry);
    const registration = register(registry);
    await registration.ready;
    await eventually("the endpoint is seen", () => seen.addresses() === "127.0.0.1:8000");
    await registry.close();

    const untrusting = open({ endpoints: [url], tls: named });
    await assert.rejects(untrusting.resolver("a").list!(new AbortController().signal), /certificate|CERT|issuer/i);
    await closeAll();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => proxy.close(resolve));
  });
});

withEtcd("an etcd that dies", (etcd, all) => {
  it("D6, R2: killed and started again: the set stands, and the key keeps its lease", { skip }, async () => {
    const registry = open({ endpoints: [etcd().url] });
    const seen = follow(registry);
    const registration = register(registry);
    await registration.ready;
    await eventually("the endpoint is seen", () => seen.addresses() === "127.0.0.1:8000");
    const leases = await leasesOf(etcd());
    await etcd().kill();
    await eventually("it is stale", () => seen.last?.stale !== undefined);
    assert.equal(seen.addresses(), "127.0.0.1:8000");
    await assert.rejects(registry.resolver("a").list!(new AbortController().signal));
    await etcd().restart();
    await eventually("it is fresh", () => seen.last?.stale === undefined);
    await registration.renew();
    assert.deepEqual(await leasesOf(etcd()), leases);
    assert.equal(registration.state, "registered");
    await closeAll();
  });

  it("D4, R3: wiped: registers again and resolves what there is now", { skip }, async () => {
    const registry = open({ endpoints: [etcd().url] });
    const seen = follow(registry);
    await Promise.all([1, 2, 3].map((n) => etcdctl(etcd(), "put", `/grpclb/a/${n}`, `127.0.0.1:${n}`)));
    const registration = register(registry, 8000, 2);
    await registration.ready;
    await eventually("all are seen", () => seen.last?.endpoints?.length === 4);
    await etcd().restart({ wipe: true });
    await eventually("only the new one is seen", () => seen.addresses() === "127.0.0.1:8000");
    await eventually("it is fresh", () => seen.last?.stale === undefined);
    await eventually("it is registered", () => registration.state === "registered");
    assert.equal((await leasesOf(etcd())).length, 1);
    await closeAll();
  });

  if (all) {
    it("R1, D6: away at the start: nothing is known until it is there; then all is well", { skip }, async () => {
      await etcd().kill();
      const registry = open({ endpoints: [etcd().url] });
      const seen = follow(registry);
      const registration = register(registry);
      await eventually("it is stale", () => seen.last?.stale !== undefined);
      assert.equal(seen.last?.endpoints, undefined);
      assert.equal(registration.state, "pending");
      await etcd().restart();
      await registration.ready;
      await eventually("the endpoint is seen", () => seen.addresses() === "127.0.0.1:8000");
      await closeAll();
    });
  }

  if (all) {
    it("R7: closing while etcd is frozen does not hang", { skip }, async () => {
      const registry = open({ endpoints: [etcd().url] });
      const seen = follow(registry);
      await register(registry, 8000, 2).ready;
      await eventually("the endpoint is seen", () => seen.addresses() === "127.0.0.1:8000");
      etcd().pause();
      await registry.close();
      etcd().resume();
      await closeAll();
    });
  }
});

withEtcd("an etcd with users", (etcd) => {
  it("B3: reports a wrong password; renews its token when etcd has lost it", { skip }, async () => {
    const root = ["--user", "root:secret"];
    await etcdctl(etcd(), "user", "add", "root:secret");
    await etcdctl(etcd(), "user", "grant-role", "root", "root").catch(async () => {
      await etcdctl(etcd(), "role", "add", "root");
      await etcdctl(etcd(), "user", "grant-role", "root", "root");
    });
    await etcdctl(etcd(), "user", "add", "reader:secret");
    await etcdctl(etcd(), "auth", "enable");

    const user = (username: string, password: string) => open({ endpoints: [etcd().url], username, password });
    const registry = user("root", "secret");
    const seen = follow(registry);
    const registration = register(registry);
    await registration.ready;
    await eventually("the endpoint is seen", () => seen.addresses() === "127.0.0.1:8000");
    assert.ok(!types().includes("auth-refused"));

    const refused = () => events.filter(({ type }) => type === "auth-refused").length;
    for (const other of [user("root", "wrong"), user("reader", "secret"), open({ endpoints: [etcd().url] })]) {
      const before = refused();
      register(other, 9000);
      await eventually("it is refused", () => refused() > before);
      await other.close();
    }

    events.length = 0;
    await etcd().restart();
    await eventually("it is fresh", () => types().includes("set-fresh") && seen.last?.stale === undefined);
    await etcdctl(etcd(), ...root, "put", "/grpclb/a/2", "127.0.0.1:2");
    await eventually("events come", () => seen.addresses() === "127.0.0.1:2 127.0.0.1:8000");
    await registration.renew();
    assert.equal(refused(), 0);
    await closeAll();
  });
});

describe("a cluster of three", () => {
  let members: readonly Etcd[] = [];
  before(async () => {
    current = over[0] as Over;
    if (!skip) members = await startEtcdCluster(3);
  });
  after(async () => {
    await closeAll();
    await Promise.all(members.map((member) => member.stop()));
  });

  it("D5, R4: the member in use freezes: another takes over, and the key stays", { skip }, async () => {
    // With this, all begins at the first member.
    const registry = open({ endpoints: members.map(({ url }) => url), random: () => 0 });
    const seen = follow(registry);
    const registration = register(registry);
    await registration.ready;
    await eventually("the endpoint is seen", () => seen.addresses() === "127.0.0.1:8000");
    const [frozen, other] = members as [Etcd, Etcd];
    const leases = await leasesOf(other);
    frozen.pause();
    await eventually("the watch is on another", () => types().includes("set-fresh"));
    await etcdctl(other, "put", "/grpclb/a/2", "127.0.0.1:2");
    await eventually("events come", () => seen.addresses() === "127.0.0.1:2 127.0.0.1:8000");
    await registration.renew();
    assert.deepEqual(await leasesOf(other), leases);
    assert.equal(registration.state, "registered");
    frozen.resume();
    await closeAll();
  });
});
