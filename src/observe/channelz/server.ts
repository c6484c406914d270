import type { MessageInitShape } from "@bufbuild/protobuf";
import type { ServerSchema } from "../../../gen/grpc/channelz/v1/channelz_pb.ts";
import type { ServerSnapshot } from "../../server/snapshot.ts";
import { shownText } from "../../shown-text.ts";
import { nextId } from "../../snapshot.ts";
import { Trace } from "./trace.ts";

/** A server as channelz sees it: one of `createGrpcServer`. */
export interface ServerSource {
  snapshot(): ServerSnapshot;
}

/** A server. */
export class ShownServer {
  readonly id: bigint;
  readonly #source: ServerSource;
  readonly #createdMs = Date.now();
  /** The ids of the sockets that listen, by address. */
  #listeners = new Map<string, number>();

  constructor(source: ServerSource, id: number) {
    this.id = BigInt(id);
    this.#source = source;
  }

  /** Servers have no events. */
  forget(): void {}

  snapshot(): ServerSnapshot {
    return this.#source.snapshot();
  }

  /** The sockets that listen, with their ids. */
  listeners({ addresses }: ServerSnapshot): ReadonlyMap<string, number> {
    const known = this.#listeners;
    return this.#listeners = new Map(addresses.map((address) => [address, known.get(address) ?? nextId()]));
  }

  message(snapshot: ServerSnapshot): MessageInitShape<typeof ServerSchema> {
    const { calls } = snapshot;
    return {
      ref: { serverId: this.id, name: shownText(snapshot.addresses.join(" ")) },
      data: {
        trace: new Trace(1).message(this.#createdMs),
        callsStarted: BigInt(calls.started),
        callsSucceeded: BigInt(calls.succeeded),
        callsFailed: BigInt(calls.failed),
        // Not known. Some clients of channelz fail without it.
        lastCallStartedTimestamp: {},
      },
      listenSocket: [...this.listeners(snapshot)].map(([address, id]) => ({
        socketId: BigInt(id),
        name: shownText(address),
      })),
    };
  }
}
