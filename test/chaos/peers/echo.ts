import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { SimpleRequestSchema, SimpleResponseSchema } from "../../../gen/simple_pb.ts";
import { concat, Flag, FrameType, type RawFrame } from "../../support/raw-http2/frame.ts";
import { envelope, OK_HEADERS, OK_TRAILERS, type RawSession } from "../../support/raw-http2/session.ts";
import { answerTo, kindOf, MESSAGES } from "../calls.ts";
import type { LedgerWriter } from "../ledger.ts";

/** How long every answer takes, so that calls are in flight together. */
const WORK_MS = 10;

/** A response message. */
export function response(id: string): Uint8Array {
  return toBinary(SimpleResponseSchema, { $typeName: "proto.SimpleResponse", code: 200, value: answerTo(id) });
}

/** What a server on raw frames does with its streams. */
export interface Echo {
  readonly session: RawSession;
  readonly ledger: LedgerWriter;
  /** Called with each new stream; false: nothing is done with it. */
  admit(streamId: number): boolean;
  /** Called when a stream that was admitted is answered. */
  answered?(streamId: number): void;
}

/** Serves the demo service by the books on a raw session, save for what `admit` does. Ends when the client leaves. */
export async function serveEcho(echo: Echo): Promise<void> {
  const streams = new Map<number, EchoStream>();
  for (;;) {
    const frame = await echo.session.read();
    const { type, streamId } = frame;
    if (type === FrameType.data && frame.payload.length > 0) echo.session.windowUpdate(0, frame.payload.length);
    if (type === FrameType.headers && !streams.has(streamId)) {
      if (!echo.admit(streamId)) continue;
      const stream = new EchoStream(echo, streamId, () => {
        streams.delete(streamId);
        echo.answered?.(streamId);
      });
      streams.set(streamId, stream);
    }
    if (type === FrameType.rstStream) streams.get(streamId)?.cancel();
    else streams.get(streamId)?.heard(frame);
  }
}

/** One call. It needs no header: the kind of call is in its id. */
class EchoStream {
  readonly #echo: Echo;
  readonly #streamId: number;
  readonly #onEnd: () => void;
  #buffer: Uint8Array = new Uint8Array(0);
  #id: string | undefined;
  #messages = 0;
  #over = false;

  constructor(echo: Echo, streamId: number, onEnd: () => void) {
    this.#echo = echo;
    this.#streamId = streamId;
    this.#onEnd = onEnd;
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#onEnd();
  }

  heard({ type, flags, payload }: RawFrame): void {
    if (type === FrameType.data) this.#buffer = concat(this.#buffer, payload);
    for (let length; this.#buffer.length >= 5 && (length = messageLength(this.#buffer)) <= this.#buffer.length - 5;) {
      this.#message(fromBinary(SimpleRequestSchema, this.#buffer.subarray(5, 5 + length)).data);
      this.#buffer = this.#buffer.subarray(5 + length);
    }
    if ((flags & Flag.endStream) !== 0) this.#later(() => this.#end());
  }

  #message(id: string): void {
    if (this.#id === undefined) this.#echo.ledger.processed(id);
    this.#id = id;
    const kind = kindOf(id);
    if (kind === "clientStream") return;
    this.#later(() => {
      for (let i = 0; i < (kind === "serverStream" ? MESSAGES : 1); i++) this.#answer(id);
    });
  }

  #answer(id: string): void {
    if (this.#over) return;
    const { session } = this.#echo;
    if (this.#messages++ === 0) session.headers(this.#streamId, OK_HEADERS);
    session.data(this.#streamId, envelope(response(id)));
  }

  #end(): void {
    if (this.#over) return;
    if (this.#messages === 0) this.#answer(this.#id ?? "");
    this.#echo.session.headers(this.#streamId, OK_TRAILERS, { endStream: true });
    this.cancel();
  }

  /** In order, because timers of one length are. */
  #later(work: () => void): void {
    setTimeout(() => this.#over || work(), WORK_MS);
  }
}

function messageLength(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(1);
}
