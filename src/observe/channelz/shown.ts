import type { MessageInitShape } from "@bufbuild/protobuf";
import type { SocketSchema, SubchannelSchema } from "../../../gen/grpc/channelz/v1/channelz_pb.ts";
import type { ServerSnapshot } from "../../server/snapshot.ts";
import { nextId } from "../../snapshot.ts";
import type { TransportSnapshot } from "../../transport/snapshot.ts";
import { Channel, type ChannelSource } from "./channel.ts";
import { type ServerSource, ShownServer } from "./server.ts";
import { listenerMessage, socketMessage } from "./socket.ts";

/** For how long what was found is used to look up ids, in milliseconds: tools ask for one socket after another. */
const FRESH_MS = 250;

/** Those of transports and servers, whatever shows them, for as long as they exist. */
const ids = new WeakMap<object, number>();

function idOf(source: object): number {
  let id = ids.get(source);
  if (id === undefined) ids.set(source, id = nextId());
  return id;
}

interface Entry<Snapshot> {
  readonly id: bigint;
  snapshot(): Snapshot;
  forget(): void;
}

/** Entries by what they show, in the order of their ids. Those that are closed are dropped. */
class Entries<Source extends object, Snapshot extends { readonly state: string }, E extends Entry<Snapshot>> {
  readonly #create: (source: Source, id: number) => E;
  readonly #bySource = new Map<Source, E>();
  /** With this many entries, those that are closed are looked for even if nobody asks for any. */
  #sweepAt = 64;

  constructor(create: (source: Source, id: number) => E) {
    this.#create = create;
  }

  add(source: Source): void {
    if (this.#bySource.has(source)) return;
    if (this.#bySource.size >= this.#sweepAt) this.#sweepAt = 2 * Math.max(32, this.open().length);
    this.#bySource.set(source, this.#create(source, idOf(source)));
  }

  delete(source: Source): void {
    this.#bySource.get(source)?.forget();
    this.#bySource.delete(source);
  }

  /** Those that are not closed, with their states, in ascending order of ids, from `start` on. */
  open(start: bigint = 0n, most: number = Infinity): [E, Snapshot][] {
    const sorted = [...this.#bySource].filter(([, { id }]) => id >= start).sort(([, a], [, b]) => Number(a.id - b.id));
    const open: [E, Snapshot][] = [];
    for (const [source, entry] of sorted) {
      if (open.length >= most) break;
      const snapshot = entry.snapshot();
      if (snapshot.state === "closed" || snapshot.state === "shutdown") this.delete(source);
      else open.push([entry, snapshot]);
    }
    return open;
  }

  /** The one with this id, unless it is closed. */
  find(id: bigint): [E, Snapshot] | undefined {
    for (const { id: known } of this.#bySource.values()) {
      if (known === id) return this.open(id, 1).find(([e]) => e.id === id);
    }
    return undefined;
  }
}

/** What was found when ids were last looked up; messages are made when they are asked for. */
interface Found {
  readonly atMs: number;
  readonly subchannels: Map<bigint, () => MessageInitShape<typeof SubchannelSchema>>;
  readonly sockets: Map<bigint, () => MessageInitShape<typeof SocketSchema>>;
}

/** All that is shown. */
export class Shown {
  readonly channels: Entries<ChannelSource, TransportSnapshot, Channel> = new Entries((source, id) => {
    return new Channel(source, id);
  });
  readonly servers: Entries<ServerSource, ServerSnapshot, ShownServer> = new Entries((source, id) => {
    return new ShownServer(source, id);
  });
  #found: Found | undefined;

  /** What is looked up from now on is as of now. */
  refresh(): void {
    this.#found = undefined;
  }

  subchannel(id: bigint): MessageInitShape<typeof SubchannelSchema> | undefined {
    return this.#look().subchannels.get(id)?.();
  }

  socket(id: bigint): MessageInitShape<typeof SocketSchema> | undefined {
    return this.#look().sockets.get(id)?.();
  }

  #look(): Found {
    const now = Date.now();
    if (this.#found !== undefined && Math.abs(now - this.#found.atMs) < FRESH_MS) return this.#found;
    const found: Found = this.#found = { atMs: now, subchannels: new Map(), sockets: new Map() };
    for (const [channel, { endpoints = [], nowMs }] of this.channels.open()) {
      for (const endpoint of endpoints) {
        found.subchannels.set(BigInt(endpoint.id), () => channel.subchannelMessage(endpoint, nowMs));
        for (const socket of endpoint.sockets) {
          found.sockets.set(BigInt(socket.id), () => socketMessage(socket, endpoint.endpoint.address));
        }
      }
    }
    for (const [server, snapshot] of this.servers.open()) {
      for (const [address, id] of server.listeners(snapshot)) {
        found.sockets.set(BigInt(id), () => listenerMessage(id, address));
      }
      for (const socket of snapshot.connections) {
        found.sockets.set(BigInt(socket.id), () => socketMessage(socket, undefined));
      }
    }
    return found;
  }
}
