import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type ChannelConnectivityState,
  ChannelConnectivityState_State as State,
  type ChannelSchema,
  type SubchannelSchema,
} from "../../../gen/grpc/channelz/v1/channelz_pb.ts";
import type { BalancerEvent } from "../../balancer/event.ts";
import type { ConnectivityState } from "../../connectivity.ts";
import { type Endpoint, endpointIdentity } from "../../endpoint.ts";
import { shownText } from "../../shown-text.ts";
import type { EndpointSnapshot, TransportSnapshot } from "../../transport/snapshot.ts";
import { traced } from "./events.ts";
import { socketRef } from "./socket.ts";
import { Trace } from "./trace.ts";

/** A transport as channelz sees it: one of `createBalancedTransport` or `createPullTransport`. */
export interface ChannelSource {
  snapshot(): TransportSnapshot;
  subscribe(listener: (event: BalancerEvent) => void): () => void;
}

/** How many events of a channel and of a subchannel are kept. */
const CHANNEL_EVENTS = 100;
const SUBCHANNEL_EVENTS = 30;

/** A transport, with what happened to it and to its connections since it was added. */
export class Channel {
  readonly id: bigint;
  readonly #source: ChannelSource;
  readonly #createdMs = Date.now();
  readonly #trace = new Trace(CHANNEL_EVENTS);
  /** By the identity of the endpoint. */
  readonly #traces = new Map<string, Trace>();
  readonly #unsubscribe: () => void;

  constructor(source: ChannelSource, id: number) {
    this.id = BigInt(id);
    this.#source = source;
    this.#unsubscribe = source.subscribe((event) => this.#happened(event));
  }

  /** Nothing more is heard of the transport. */
  forget(): void {
    this.#unsubscribe();
  }

  snapshot(): TransportSnapshot {
    return this.#source.snapshot();
  }

  #happened(event: BalancerEvent): void {
    const seen = traced(event);
    this.#trace.add(seen);
    if (seen.endpoint === undefined) return;
    // A connection that leaves the set takes its trace along: what has left must not pile up.
    if (event.type === "connection-state" && event.to === "shutdown") this.#traces.delete(seen.endpoint);
    else this.#traceOf(seen.endpoint).add(seen);
  }

  #traceOf(identity: string): Trace {
    let trace = this.#traces.get(identity);
    if (trace === undefined) this.#traces.set(identity, trace = new Trace(SUBCHANNEL_EVENTS));
    return trace;
  }

  message({ calls, endpoints = [], state, target }: TransportSnapshot): MessageInitShape<typeof ChannelSchema> {
    const ids = new Map(endpoints.map(({ endpoint, id }) => [endpointIdentity(endpoint), BigInt(id)]));
    return {
      ref: { channelId: this.id, name: shownText(target) },
      data: {
        state: stateOf(state),
        target: shownText(target),
        trace: this.#trace.message(this.#createdMs, (identity) => ids.get(identity)),
        callsStarted: BigInt(calls.started),
        callsSucceeded: BigInt(calls.succeeded),
        // To channelz, as gRPC's other implementations count, what was abandoned has failed.
        callsFailed: BigInt(calls.failed + calls.abandoned),
      },
      subchannelRef: endpoints.map(({ id, endpoint }) => ({ subchannelId: BigInt(id), name: nameOf(endpoint) })),
    };
  }

  subchannelMessage(
    { abandoned, endpoint, failed, id, picks, sinceMs, sockets, state, succeeded }: EndpointSnapshot,
    nowMs: number,
  ): MessageInitShape<typeof SubchannelSchema> {
    const createdMs = Math.round(Date.now() - (nowMs - sinceMs));
    return {
      ref: { subchannelId: BigInt(id), name: nameOf(endpoint) },
      data: {
        state: stateOf(state),
        target: nameOf(endpoint),
        trace: this.#traceOf(endpointIdentity(endpoint)).message(createdMs),
        callsStarted: BigInt(picks),
        callsSucceeded: BigInt(succeeded),
        callsFailed: BigInt(failed + abandoned),
      },
      socketRef: sockets.map(socketRef),
    };
  }
}

function nameOf({ address }: Endpoint): string {
  return shownText(address);
}

function stateOf(state: ConnectivityState): Pick<ChannelConnectivityState, "state"> {
  return { state: State[state.toUpperCase() as Uppercase<ConnectivityState>] };
}
