// gRPC's channelz, version 1 (gRFC A14): what a program's channels, servers and sockets are doing.

import { create, type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type ConnectRouter } from "@connectrpc/connect";
import { ChannelSchema, Channelz as Service, ServerSchema } from "../../../gen/grpc/channelz/v1/channelz_pb.ts";
import type { RouteOptions } from "../../grpc/server/options.ts";
import { type Check, checkOptions, type Checks, listOf, quoted } from "../../option.ts";
import type { ChannelSource } from "./channel.ts";
import type { ServerSource } from "./server.ts";
import { Shown } from "./shown.ts";
import { socketRef } from "./socket.ts";

/** Options of {@link createChannelz}. */
export interface ChannelzOptions {
  /**
   * The transports to show as channels: those of `createBalancedTransport` and `createPullTransport`. Defaults to none:
   * `add` adds them.
   */
  readonly transports?: readonly ChannelSource[];
  /**
   * The servers to show: those of `createGrpcServer`. Defaults to none: `createGrpcServer({ channelz })` adds itself.
   */
  readonly servers?: readonly ServerSource[];
}

/** What {@link createChannelz} makes. */
export interface Channelz {
  /** Adds `grpc.channelz.v1.Channelz` to a Connect router. `createGrpcServer({ channelz })` does it by itself. */
  readonly routes: (router: ConnectRouter, options?: RouteOptions) => void;
  /**
   * Shows a transport or a server, too; does nothing if it already does. It is shown until it is closed or removed.
   *
   * @throws TypeError for anything else.
   */
  add(shown: ChannelSource | ServerSource): void;
  /** Shows it no longer. Does nothing if it doesn't. */
  remove(shown: ChannelSource | ServerSource): void;
}

const isTransport = (value: unknown): value is ChannelSource => has(value, "snapshot") && has(value, "subscribe");
const isServer = (value: unknown): value is ServerSource => has(value, "snapshot") && has(value, "listen");

function has(value: unknown, method: string): boolean {
  return typeof (value as Record<string, unknown> | null | undefined)?.[method] === "function";
}

const transports: Check = listOf("an array of transports, as createBalancedTransport() returns them", isTransport);
const servers: Check = listOf("an array of servers, as createGrpcServer() returns them", isServer);
const OPTIONS: Checks<ChannelzOptions> = { transports, servers };

/** How many entries a page has if its client leaves it to the server, and at most. */
const PAGE = 50, MOST = 1_000;
/** How many bytes a page of channels or servers may have: clients of gRPC accept messages of 4 MiB. */
const MOST_BYTES = 1_048_576;

/**
 * Creates gRPC's channelz service, `grpc.channelz.v1`: the channels (transports), subchannels (connections to
 * endpoints), sockets and servers of this program, for `grpcdebug` and other tools.
 *
 * ```ts
 * import { createChannelz } from "connect-lb/channelz";
 * import { createGrpcServer } from "connect-lb/server";
 * import { Simple } from "./gen/simple_pb.ts";
 *
 * const channelz = createChannelz({ transports: [transport] });
 * const server = createGrpcServer({ routes: (router) => router.service(Simple, {}), channelz });
 * ```
 *
 * It shows addresses, states, counts and the texts of errors, and neither metadata nor messages nor certificates. Serve
 * it where only those reach it who may know your program's peers: on a port of its own, for example.
 *
 * @throws TypeError for an invalid option.
 */
export function createChannelz(options: ChannelzOptions = {}): Channelz {
  checkOptions("createChannelz()", options, OPTIONS);
  const shown = new Shown();
  const channelz: Channelz = {
    routes: (router, routeOptions) => addRoutes(router, shown, routeOptions),
    add(source) {
      if (isTransport(source)) shown.channels.add(source);
      else if (isServer(source)) shown.servers.add(source);
      else throw new TypeError(`add() takes a transport or a server of this library, not ${quoted(source)}`);
    },
    remove(source) {
      shown.channels.delete(source as ChannelSource);
      shown.servers.delete(source as ServerSource);
      shown.refresh();
    },
  };
  for (const source of [...options.transports ?? [], ...options.servers ?? []]) channelz.add(source);
  return channelz;
}

function addRoutes(router: ConnectRouter, shown: Shown, options: RouteOptions | undefined): void {
  router.service(Service, {
    getTopChannels({ startChannelId, maxResults }) {
      shown.refresh();
      const { page, end } = paged(maxResults, (most) => shown.channels.open(startChannelId, most));
      const messages = page.map(([channel, snapshot]) => create(ChannelSchema, channel.message(snapshot)));
      const channel = fitting(ChannelSchema, messages);
      return { channel, end: end && channel.length === messages.length };
    },
    getServers({ startServerId, maxResults }) {
      shown.refresh();
      const { page, end } = paged(maxResults, (most) => shown.servers.open(startServerId, most));
      const messages = page.map(([server, snapshot]) => create(ServerSchema, server.message(snapshot)));
      const server = fitting(ServerSchema, messages);
      return { server, end: end && server.length === messages.length };
    },
    getServer({ serverId }) {
      const [server, snapshot] = shown.servers.find(serverId) ?? notFound("server", serverId);
      return { server: server.message(snapshot) };
    },
    getServerSockets({ serverId, startSocketId, maxResults }) {
      shown.refresh();
      const [, { connections }] = shown.servers.find(serverId) ?? notFound("server", serverId);
      const { page, end } = paged(maxResults, (most) => {
        return connections.filter(({ id }) => BigInt(id) >= startSocketId).slice(0, most);
      });
      return { socketRef: page.map(socketRef), end };
    },
    getChannel({ channelId }) {
      shown.refresh();
      const [channel, snapshot] = shown.channels.find(channelId) ?? notFound("channel", channelId);
      return { channel: channel.message(snapshot) };
    },
    getSubchannel: ({ subchannelId }) => ({
      subchannel: shown.subchannel(subchannelId) ?? notFound("subchannel", subchannelId),
    }),
    getSocket: ({ socketId }) => ({ socket: shown.socket(socketId) ?? notFound("socket", socketId) }),
  }, options);
}

/** Entries from the start of a page on: `from` gives as many as it is asked for, as far as there are any. */
function paged<T>(maxResults: bigint, from: (most: number) => T[]): { readonly page: T[]; readonly end: boolean } {
  if (maxResults < 0n) throw new ConnectError("max_results must not be negative", Code.InvalidArgument);
  const most = maxResults === 0n ? PAGE : Math.min(Number(maxResults), MOST);
  const found = from(most + 1);
  return { page: found.slice(0, most), end: found.length <= most };
}

/** As many of the messages as fit into a page, but at least one. The client asks for the others from there on. */
function fitting<Desc extends DescMessage>(
  schema: Desc,
  messages: readonly MessageShape<Desc>[],
): MessageShape<Desc>[] {
  let bytes = 0;
  const tooMany = messages.findIndex((message, i) => {
    bytes += toBinary(schema, message).length;
    return bytes > MOST_BYTES && i > 0;
  });
  return messages.slice(0, tooMany < 0 ? messages.length : tooMany);
}

function notFound(what: string, id: bigint): never {
  throw new ConnectError(`there is no ${what} ${id}`, Code.NotFound);
}
