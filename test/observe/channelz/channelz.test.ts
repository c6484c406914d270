// What channelz answers of transports and servers.
import assert from "node:assert/strict";
import { duplexPair } from "node:stream";
import { describe, it, type TestContext } from "node:test";
import { toBinary } from "@bufbuild/protobuf";
import { type Client, Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import {
  ChannelConnectivityState_State as State,
  ChannelTraceEvent_Severity as Severity,
  Channelz as Service,
  GetTopChannelsResponseSchema,
} from "../../../gen/grpc/channelz/v1/channelz_pb.ts";
import { Simple } from "../../../gen/simple_pb.ts";
import { type Channelz, createChannelz } from "../../../src/channelz.ts";
import { grpcConnector } from "../../../src/node.ts";
import { staticResolver } from "../../../src/resolver/static.ts";
import { createGrpcServer, type CreateGrpcServerOptions } from "../../../src/server.ts";
import { type BalancedTransport, createBalancedTransport } from "../../../src/transport/transport.ts";
import type { TransportSnapshot } from "../../../src/transport/snapshot.ts";
import { balanced } from "../../support/balanced.ts";
import { eventually } from "../../support/eventually.ts";
import { manualResolver } from "../../support/manual-resolver.ts";
import * as tls from "../../support/tls.ts";
import { endpoint } from "../page/fakes.ts";

/** A client of channelz, over a router in this process. */
function clientOf(channelz: Channelz): Client<typeof Service> {
  return createClient(Service, createRouterTransport(channelz.routes));
}

const isNotFound = (error: unknown) => ConnectError.from(error).code === Code.NotFound;

async function serve(t: TestContext, options: Partial<CreateGrpcServerOptions> = {}) {
  const server = createGrpcServer({
    routes: (router) =>
      router.service(Simple, {
        route({ data }) {
          if (data === "fail") throw new ConnectError("no", Code.InvalidArgument);
          return { value: data };
        },
      }),
    ...options,
  });
  t.after(async () => {
    server.closeAllConnections();
    await server.close();
  });
  const { address, port } = await server.listen({ host: "127.0.0.1" });
  return { server, address, port };
}

function transportTo(t: TestContext, ...addresses: string[]): BalancedTransport {
  const transport = createBalancedTransport({ resolver: staticResolver(addresses), connector: grpcConnector() });
  t.after(() => transport.close());
  return transport;
}

describe("channelz", () => {
  it("counts an aborted call as failed: it knows no other end", async (t) => {
    const { address } = await serve(t);
    const transport = transportTo(t, address), simple = createClient(Simple, transport);
    const client = clientOf(createChannelz({ transports: [transport] }));
    await simple.route({ data: "a" });
    const abort = new AbortController(),
      aborted = assert.rejects(simple.route({ data: "a" }, { signal: abort.signal }));
    abort.abort();
    await aborted;
    assert.equal(transport.snapshot().calls.abandoned, 1);
    assert.equal(transport.snapshot().endpoints![0]!.abandoned, 1);
    const { channel: [channel] } = await client.getTopChannels({});
    const { data } = (await client.getSubchannel({ subchannelId: channel!.subchannelRef[0]!.subchannelId }))
      .subchannel!;
    for (const counted of [channel!.data!, data!]) {
      assert.deepEqual([counted.callsStarted, counted.callsSucceeded, counted.callsFailed], [2n, 1n, 1n]);
    }
  });

  it("shows a channel, its subchannels and their sockets, from the top down", async (t) => {
    const { address } = await serve(t);
    const transport = transportTo(t, address);
    const channelz = createChannelz({ transports: [transport] });
    const client = clientOf(channelz);
    const before = (await client.getTopChannels({})).channel;
    assert.equal(before[0]!.data!.state!.state, State.IDLE);
    assert.deepEqual(before[0]!.subchannelRef, []);
    const simple = createClient(Simple, transport);
    await simple.route({ data: "a" });
    await assert.rejects(simple.route({ data: "fail" }));

    const { channel: [channel, ...more], end } = await client.getTopChannels({});
    assert.deepEqual([more, end], [[], true]);
    assert.equal(channel!.ref!.channelId, before[0]!.ref!.channelId);
    const { state, target, trace, callsStarted, callsSucceeded, callsFailed } = channel!.data!;
    assert.deepEqual([state!.state, target], [State.READY, transport.snapshot().target]);
    assert.deepEqual([callsStarted, callsSucceeded, callsFailed], [2n, 1n, 1n]);
    assert.deepEqual((await client.getChannel({ channelId: channel!.ref!.channelId })).channel!.data!.state, state);

    const [ref] = channel!.subchannelRef;
    assert.equal(ref!.name, address);
    const { subchannel } = await client.getSubchannel({ subchannelId: ref!.subchannelId });
    assert.equal(subchannel!.ref!.subchannelId, ref!.subchannelId);
    assert.equal(subchannel!.data!.state!.state, State.READY);
    assert.equal(subchannel!.data!.target, address);
    assert.deepEqual(
      [subchannel!.data!.callsStarted, subchannel!.data!.callsSucceeded, subchannel!.data!.callsFailed],
      [2n, 1n, 1n],
    );
    assert.deepEqual(trace!.events.map(({ description }) => description.replace(address, "it")), [
      "endpoints: 1 (1 new, 0 gone)",
      "it: idle → connecting",
      "it: connecting → ready",
    ]);
    assert.equal(trace!.numEventsLogged, 3n);
    assert.deepEqual(trace!.events[1]!.childRef, {
      case: "subchannelRef",
      value: { ...trace!.events[1]!.childRef.value!, subchannelId: ref!.subchannelId },
    });
    assert.equal(subchannel!.data!.trace!.events.length, 2);

    const { socket } = await client.getSocket({ socketId: subchannel!.socketRef[0]!.socketId });
    const { data, local, remote, security, remoteName } = socket!;
    assert.deepEqual([data!.streamsStarted, data!.streamsSucceeded, data!.streamsFailed], [2n, 2n, 0n]);
    assert.ok(data!.localFlowControlWindow! > 0n && data!.remoteFlowControlWindow! > 0n);
    assert.deepEqual([security, remoteName], [undefined, address]);
    const port = Number(address.split(":")[1]);
    assert.equal(remote!.address.case, "tcpipAddress");
    assert.deepEqual({ ...remote!.address.value, $typeName: undefined }, {
      $typeName: undefined,
      ipAddress: Uint8Array.of(127, 0, 0, 1),
      port,
    });
    assert.equal(local!.address.case, "tcpipAddress");
  });

  it("shows servers, the sockets on which they listen, and those of their clients", async (t) => {
    const channelz = createChannelz();
    const { server, address, port } = await serve(t, { channelz });
    const client = clientOf(channelz);
    await createClient(Simple, transportTo(t, address)).route({ data: "a" });
    const { server: [shown, ...more], end } = await client.getServers({});
    assert.deepEqual([more, end], [[], true]);
    assert.deepEqual([shown!.data!.callsStarted, shown!.data!.callsSucceeded, shown!.data!.callsFailed], [1n, 1n, 0n]);
    assert.deepEqual((await client.getServer({ serverId: shown!.ref!.serverId })).server, shown);
    const { socket: listening } = await client.getSocket({ socketId: shown!.listenSocket[0]!.socketId });
    assert.equal(listening!.local!.address.case, "tcpipAddress");
    assert.equal((listening!.local!.address.value as { port: number }).port, port);
    assert.equal(listening!.remote, undefined);
    const { socketRef: [ref, ...others] } = await client.getServerSockets({ serverId: shown!.ref!.serverId });
    assert.deepEqual(others, []);
    const { socket } = await client.getSocket({ socketId: ref!.socketId });
    assert.equal(socket!.data!.streamsStarted, 1n);
    assert.equal((socket!.local!.address.value as { port: number }).port, port);
    await server.close();
    assert.deepEqual((await client.getServers({})).server, []);
    await assert.rejects(client.getServer({ serverId: shown!.ref!.serverId }), isNotFound);
  });

  it("is one option of a server, over gRPC", async (t) => {
    const { address } = await serve(t, { channelz: createChannelz() });
    const client = createClient(Service, transportTo(t, address));
    const { server: [shown] } = await client.getServers({});
    // Its own call is one of them.
    assert.equal(shown!.data!.callsStarted, 1n);
    assert.equal(shown!.ref!.name, address);
  });

  it("says how sockets are encrypted, and shows no certificates", async (t) => {
    const channelz = createChannelz();
    const { port } = await serve(t, { channelz, tls: tls.server });
    const transport = createBalancedTransport({
      resolver: staticResolver([`localhost:${port}`]),
      connector: grpcConnector({ tls: { ca: tls.ca } }),
    });
    t.after(() => transport.close());
    channelz.add(transport);
    await createClient(Simple, transport).route({ data: "a" });
    const client = clientOf(channelz);
    const { channel: [channel] } = await client.getTopChannels({}), { server: [server] } = await client.getServers({});
    const { subchannel } = await client.getSubchannel({ subchannelId: channel!.subchannelRef[0]!.subchannelId });
    const { socketRef } = await client.getServerSockets({ serverId: server!.ref!.serverId });
    for (const ref of [...subchannel!.socketRef, ...socketRef]) {
      const { model } = (await client.getSocket({ socketId: ref.socketId })).socket!.security!;
      assert.equal(model.case, "tls");
      const { cipherSuite, localCertificate, remoteCertificate } = model.value as Extract<
        typeof model,
        { case: "tls" }
      >[
        "value"
      ];
      assert.equal(cipherSuite.case, "standardName");
      assert.match(cipherSuite.value!, /^TLS_\w+$/);
      assert.deepEqual([localCertificate.length, remoteCertificate.length], [0, 0]);
    }
  });

  it("keeps ids for as long as things exist, in all that show them, and gives none twice", async (t) => {
    const resolver = manualResolver();
    const { transport, clock, ready } = balanced({ resolver });
    t.after(() => transport.close());
    const channelz = createChannelz({ transports: [transport] }), client = clientOf(channelz);
    resolver.tell({ endpoints: [{ address: "a:1" }, { address: "b:1" }] });
    await ready();
    const ids = async () => {
      const { channel: [channel] } = await client.getTopChannels({});
      return new Map(channel!.subchannelRef.map(({ name, subchannelId }) => [name, subchannelId]));
    };
    const first = await ids();
    assert.deepEqual([...first.keys()], ["a:1", "b:1"]);
    resolver.tell({ endpoints: [{ address: "b:1" }, { address: "c:1" }] });
    await clock.advance(40);
    const second = await ids();
    assert.deepEqual([...second.keys()], ["b:1", "c:1"]);
    assert.equal(second.get("b:1"), first.get("b:1"));
    await assert.rejects(client.getSubchannel({ subchannelId: first.get("a:1")! }), isNotFound);
    resolver.tell({ endpoints: [{ address: "a:1" }, { address: "b:1" }, { address: "c:1" }] });
    await clock.advance(40);
    const third = await ids();
    assert.notEqual(third.get("a:1"), first.get("a:1"));
    const { channel: [channel] } = await client.getTopChannels({});
    const other = createChannelz({ transports: [transport] });
    assert.equal((await clientOf(other).getTopChannels({})).channel[0]!.ref!.channelId, channel!.ref!.channelId);
    channelz.remove(transport);
    channelz.add(transport);
    assert.equal((await client.getTopChannels({})).channel[0]!.ref!.channelId, channel!.ref!.channelId);
    const all = [channel!.ref!.channelId, ...first.values(), second.get("c:1")!, third.get("a:1")!];
    assert.equal(new Set(all).size, all.length);
    assert.ok(all.every((id) => id > 0n));
  });

  it("shows transports and servers that are added later, until they are removed or closed", async (t) => {
    const channelz = createChannelz(), client = clientOf(channelz);
    assert.deepEqual(await client.getTopChannels({}), { ...await client.getTopChannels({}), channel: [], end: true });
    const { server } = await serve(t);
    const [a, b] = [balanced().transport, balanced().transport];
    for (const shown of [a, b, server, a]) channelz.add(shown);
    assert.equal((await client.getTopChannels({})).channel.length, 2);
    assert.equal((await client.getServers({})).server.length, 1);
    channelz.remove(a);
    channelz.remove(a);
    channelz.remove(server);
    const { channel: [left, ...more] } = await client.getTopChannels({});
    assert.deepEqual(more, []);
    assert.deepEqual((await client.getServers({})).server, []);
    await b.close();
    await assert.rejects(client.getChannel({ channelId: left!.ref!.channelId }), isNotFound);
    assert.deepEqual((await client.getTopChannels({})).channel, []);
    await a.close();
  });

  it("has pages, from an id on, in ascending order", async (t) => {
    const transports = Array.from({ length: 120 }, () => balanced().transport);
    t.after(() => Promise.all(transports.map((transport) => transport.close())));
    const client = clientOf(createChannelz({ transports: transports.toReversed() }));
    const first = await client.getTopChannels({});
    assert.deepEqual([first.channel.length, first.end], [50, false]);
    const ids: bigint[] = [];
    for (let start = 0n, end = false; !end;) {
      const page = await client.getTopChannels({ startChannelId: start, maxResults: 40n });
      assert.ok(page.channel.length <= 40);
      ids.push(...page.channel.map(({ ref }) => ref!.channelId));
      start = ids.at(-1)! + 1n;
      end = page.end;
    }
    assert.equal(ids.length, 120);
    assert.deepEqual(ids, [...new Set(ids)].sort((a, b) => Number(a - b)));
    const exactly = await client.getTopChannels({ startChannelId: ids[80]!, maxResults: 40n });
    assert.deepEqual([exactly.channel.length, exactly.end], [40, true]);
    const after = await client.getTopChannels({ startChannelId: ids.at(-1)! + 1n });
    assert.deepEqual([after.channel.length, after.end], [0, true]);
    for (const ask of [client.getTopChannels({ maxResults: -1n }), client.getServers({ maxResults: -1n })]) {
      await assert.rejects(ask, (error: unknown) => ConnectError.from(error).code === Code.InvalidArgument);
    }
  });

  it("has pages that clients accept, however large its channels are", async () => {
    const large = (count: number) => ({
      snapshot: (): TransportSnapshot => ({
        target: "large",
        nowMs: 0,
        state: "ready",
        calls: { started: 0, succeeded: 0, failed: 0, abandoned: 0 },
        endpoints: Array.from({ length: count }, (_, i) => endpoint(`10.0.${i >> 8}.${i & 255}:8000`, { id: i + 1 })),
        stale: undefined,
        waiting: 0,
        panic: false,
      }),
      subscribe: () => () => {},
    });
    const client = clientOf(
      createChannelz({ transports: [...Array.from({ length: 40 }, () => large(2_000)), large(60_000)] }),
    );
    const seen: number[] = [];
    for (let startChannelId = 0n, end = false; !end;) {
      const page = await client.getTopChannels({ startChannelId });
      const bytes = toBinary(GetTopChannelsResponseSchema, page).length;
      assert.ok(bytes < 1_100_000 || page.channel.length === 1, `${page.channel.length} channels in ${bytes} bytes`);
      seen.push(...page.channel.map(({ subchannelRef }) => subchannelRef.length));
      startChannelId = page.channel.at(-1)!.ref!.channelId + 1n;
      end = page.end;
    }
    assert.deepEqual(seen, [...Array<number>(40).fill(2_000), 60_000]);
  });

  it("has pages of a server's sockets", async (t) => {
    const channelz = createChannelz(), client = clientOf(channelz);
    const { server } = await serve(t, { channelz });
    const ends = Array.from({ length: 7 }, () => duplexPair());
    for (const [end] of ends) server.serveConnection(end, { address: "unix:" });
    const serverId = (await client.getServers({})).server[0]!.ref!.serverId;
    const ids: bigint[] = [];
    for (let startSocketId = 0n, end = false; !end;) {
      const page = await client.getServerSockets({ serverId, startSocketId, maxResults: 3n });
      ids.push(...page.socketRef.map(({ socketId }) => socketId));
      startSocketId = ids.at(-1)! + 1n;
      end = page.end;
    }
    assert.equal(ids.length, 7);
    const { socket } = await client.getSocket({ socketId: ids[0]! });
    assert.deepEqual([socket!.remote!.address.case, socket!.local!.address.case], ["udsAddress", "otherAddress"]);
    for (const [, end] of ends) end.destroy();
  });

  it("answers NOT_FOUND for what it does not have", async () => {
    const client = clientOf(createChannelz());
    for (const id of [0n, -1n, 1n, 2n ** 62n]) {
      await assert.rejects(client.getChannel({ channelId: id }), isNotFound);
      await assert.rejects(client.getSubchannel({ subchannelId: id }), isNotFound);
      await assert.rejects(client.getSocket({ socketId: id }), isNotFound);
      await assert.rejects(client.getServer({ serverId: id }), isNotFound);
      await assert.rejects(client.getServerSockets({ serverId: id }), isNotFound);
    }
  });

  it("traces what happens to a channel, with its severity, and keeps the last of it", async (t) => {
    const { transport, clock, links } = balanced({
      resolver: staticResolver(["a:1"]),
      links: { auto: false },
      backoff: { initialMs: 10, maxMs: 10, jitter: 0 },
    });
    t.after(() => transport.close());
    const client = clientOf(createChannelz({ transports: [transport] }));
    const failed = assert.rejects(transport.connect({ timeoutMs: 10_000 }));
    await clock.advance(40);
    links.get("a:1")!.refuse(new Error(`refused\n\u202e${"x".repeat(1_000)}`));
    await clock.advance(0);
    const trace = async () => (await client.getTopChannels({})).channel[0]!.data!.trace!;
    const { description, severity } = (await trace()).events.at(-1)!;
    assert.equal(severity, Severity.CT_WARNING);
    assert.match(description, /^a:1: connecting → transient_failure: refused[^\n\u202e]{1,200}…$/);
    for (let i = 0; i < 60; i++) {
      await clock.advance(50);
      links.get("a:1")!.refuse();
    }
    const { events, numEventsLogged } = await trace();
    assert.equal(events.length, 100);
    assert.ok(numEventsLogged > 100n);
    const times = events.map(({ timestamp }) => Number(timestamp!.seconds) * 1e9 + timestamp!.nanos);
    assert.deepEqual(times, times.toSorted((a, b) => a - b));
    const { channel: [channel] } = await client.getTopChannels({});
    const { subchannel } = await client.getSubchannel({ subchannelId: channel!.subchannelRef[0]!.subchannelId });
    assert.equal(subchannel!.data!.trace!.events.length, 30);
    assert.equal(channel!.data!.state!.state, State.TRANSIENT_FAILURE);
    await clock.advance(10_000);
    await failed;
  });

  it("takes one snapshot for all the ids that a tool asks for one after another, and another one later", async (t) => {
    let now = 1_000_000;
    t.mock.method(Date, "now", () => now);
    const addresses = Array.from({ length: 100 }, (_, i) => `10.0.0.${i}:80`);
    const { transport, ready } = balanced({ resolver: staticResolver(addresses) });
    t.after(() => transport.close());
    await ready();
    let snapshots = 0;
    const counted = { ...transport, snapshot: () => (snapshots++, transport.snapshot()) };
    const client = clientOf(createChannelz({ transports: [counted] }));
    const { channel: [channel] } = await client.getTopChannels({});
    assert.equal(snapshots, 1);
    const ask = async () => {
      for (const { subchannelId } of channel!.subchannelRef) await client.getSubchannel({ subchannelId });
    };
    await ask();
    assert.equal(snapshots, 2);
    now += 1_000;
    await ask();
    assert.equal(snapshots, 3);
    // A list is always as of now, and what is asked for after it, too.
    await client.getTopChannels({});
    await client.getSubchannel({ subchannelId: channel!.subchannelRef[0]!.subchannelId });
    assert.equal(snapshots, 5);
  });

  it("refuses what is neither a transport nor a server", () => {
    const channelz = createChannelz();
    assert.throws(() => channelz.add({} as never), TypeError);
    assert.throws(() => channelz.add(undefined as never), TypeError);
    assert.throws(
      () => createChannelz({ transports: [{}] as never }),
      /option transports is .*createBalancedTransport/,
    );
    assert.throws(() => createChannelz({ transport: [] } as never), /did you mean transports/);
    assert.throws(
      () => createGrpcServer({ routes: () => {}, channelz: true as never }),
      /option channelz is true: expected what createChannelz\(\) returned/,
    );
  });

  it("lets go of what was closed, although nobody looks", async () => {
    const channelz = createChannelz();
    let read = 0;
    for (let i = 0; i < 1_000; i++) {
      const { transport } = balanced();
      channelz.add({ ...transport, snapshot: () => (read++, transport.snapshot()) });
      await transport.close();
    }
    // Each was looked at about once, and dropped.
    assert.ok(read > 800 && read <= 1_000, `${read}`);
    assert.deepEqual((await clientOf(channelz).getTopChannels({})).channel, []);
    await eventually("all were read", () => read >= 1_000);
  });
});
