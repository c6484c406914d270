import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ChannelTraceEvent_Severity, type ChannelTraceSchema } from "../../../gen/grpc/channelz/v1/channelz_pb.ts";

/** How much an event matters. */
export type Severity = "info" | "warning" | "error";

const SEVERITIES = {
  info: ChannelTraceEvent_Severity.CT_INFO,
  warning: ChannelTraceEvent_Severity.CT_WARNING,
  error: ChannelTraceEvent_Severity.CT_ERROR,
} as const satisfies Record<Severity, ChannelTraceEvent_Severity>;

/** Something that happened to a channel or a subchannel. */
export interface TraceEvent {
  readonly severity: Severity;
  readonly description: string;
  /** The identity of the endpoint that it is about, if it is about one. */
  readonly endpoint: string | undefined;
}

/** The last events of a channel or a subchannel. */
export class Trace {
  readonly #most: number;
  readonly #events: (TraceEvent & { readonly atMs: number })[] = [];
  #logged = 0;

  /** `most`: how many events are kept. */
  constructor(most: number) {
    this.#most = most;
  }

  add(event: TraceEvent): void {
    // Its place among the last ones: each takes that of the oldest.
    this.#events[this.#logged++ % this.#most] = { ...event, atMs: Date.now() };
  }

  /** The trace, oldest event first. `idOf`: the id of the subchannel of an endpoint, if there is one now. */
  message(
    createdMs: number,
    idOf: (endpoint: string) => bigint | undefined = () => undefined,
  ): MessageInitShape<typeof ChannelTraceSchema> {
    const oldest = this.#logged > this.#most ? this.#logged % this.#most : 0;
    const events = [...this.#events.slice(oldest), ...this.#events.slice(0, oldest)];
    return {
      numEventsLogged: BigInt(this.#logged),
      creationTimestamp: timestampFromMs(createdMs),
      events: events.map(({ severity, description, endpoint, atMs }) => {
        const subchannelId = endpoint === undefined ? undefined : idOf(endpoint);
        return {
          severity: SEVERITIES[severity],
          description,
          timestamp: timestampFromMs(atMs),
          childRef: subchannelId === undefined
            ? { case: undefined }
            : { case: "subchannelRef", value: { subchannelId } },
        };
      }),
    };
  }
}
