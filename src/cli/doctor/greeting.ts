import type { ByteStream, ByteStreamEvents, OpenByteStream } from "../../http2/byte-stream.ts";
import { Http2Error } from "../../http2/wire/error.ts";
import * as ErrorCode from "../../http2/wire/error-code.ts";
import { FrameReader, type FrameSink } from "../../http2/wire/frame-reader.ts";
import { FrameWriter } from "../../http2/wire/frame-writer.ts";
import * as Setting from "../../http2/wire/setting.ts";
import { PeerSettings } from "../../http2/wire/settings.ts";

/** What a server says on a new connection, before any call. */
export interface Greeting {
  /** From dialling until its SETTINGS arrived, with TLS if it is on. */
  readonly connectMs: number;
  /** The shortest round trip of a PING: the others may have waited in this process. */
  readonly pingMs: number;
  readonly settings: PeerSettings;
  /** Whether it closes connections that ping often (gRFC A8), as gRPC's servers do. */
  readonly limitsPings: boolean;
}

/** gRFC A8: the third PING that comes too early is one too many; the first one can't. */
const PINGS = 5;
const MAX_HEADER_BYTES = 64 * 1024;

/**
 * Opens a connection, reads the server's SETTINGS, sends a few PINGs and closes it.
 *
 * @throws the error of `open`, `Http2Error` for a server that speaks something else, or the signal's reason.
 */
export async function greet(open: OpenByteStream, signal: AbortSignal): Promise<Greeting> {
  const startedMs = performance.now();
  const bytes = await open(signal);
  bytes.hold(true);
  try {
    return await new Promise<Greeting>((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      bytes.start(new Greeter(bytes, startedMs, resolve, reject));
    });
  } finally {
    bytes.end();
    bytes.destroy();
  }
}

class Greeter implements ByteStreamEvents, FrameSink {
  readonly #startedMs: number;
  readonly #resolve: (greeting: Greeting) => void;
  readonly #reject: (cause: Error) => void;
  readonly #reader: FrameReader;
  readonly #writer: FrameWriter;
  readonly #settings = new PeerSettings();
  #connectMs: number | undefined;
  #pingMs = Infinity;
  #pingedMs = 0;
  #answered = 0;

  constructor(
    bytes: ByteStream,
    startedMs: number,
    resolve: (greeting: Greeting) => void,
    reject: (cause: Error) => void,
  ) {
    this.#startedMs = startedMs;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#reader = new FrameReader(this, MAX_HEADER_BYTES);
    this.#writer = new FrameWriter(bytes, queueMicrotask);
    this.#writer.preface([[Setting.ENABLE_PUSH, 0]], 0);
  }

  data(chunk: Uint8Array): void {
    try {
      this.#reader.read(chunk);
    } catch (error) {
      this.#failed(error as Error);
    }
  }

  writable(): void {
    this.#writer.drained();
  }

  end(): void {
    this.#failed(this.#ended());
  }

  closed(cause?: Error): void {
    this.#failed(cause ?? this.#ended());
  }

  onSettings(payload: Uint8Array, start: number, end: number): void {
    this.#settings.apply(payload, start, end);
    this.#writer.settingsAck();
    if (this.#connectMs !== undefined) return;
    this.#connectMs = performance.now() - this.#startedMs;
    this.#ping();
  }

  onPing(payload: Uint8Array, start: number): void {
    this.#writer.pingAck(payload, start);
  }

  onPingAck(): void {
    this.#pingMs = Math.min(this.#pingMs, performance.now() - this.#pingedMs);
    if (++this.#answered < PINGS) this.#ping();
    else this.#done({ limitsPings: false });
  }

  onGoaway(_lastStreamId: number, code: number, debug: Uint8Array): void {
    const limitsPings = code === ErrorCode.ENHANCE_YOUR_CALM;
    if (limitsPings && this.#answered > 0) return this.#done({ limitsPings });
    const why = new TextDecoder().decode(debug);
    this.#failed(new Http2Error(code, `the server sent GOAWAY${why === "" ? "" : `: ${why}`}`));
  }

  onData(): void {}
  onPadding(): void {}
  onHeaders(): void {}
  onReset(): void {}
  onSettingsAck(): void {}
  onWindowUpdate(): void {}
  onIgnored(): void {}

  #ping(): void {
    this.#pingedMs = performance.now();
    this.#writer.ping(Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1 + this.#answered));
  }

  #done({ limitsPings }: Pick<Greeting, "limitsPings">): void {
    this.#reader.stop();
    this.#resolve({ connectMs: this.#connectMs!, pingMs: this.#pingMs, settings: this.#settings, limitsPings });
  }

  /** A connection that ends after the first answer was closed because of the PINGs. */
  #failed(cause: Error): void {
    if (this.#answered > 0) this.#done({ limitsPings: true });
    else this.#reject(cause);
  }

  #ended(): Error {
    const when = this.#connectMs === undefined ? "before its SETTINGS" : "after its SETTINGS";
    return new Error(`the server closed the connection ${when}`);
  }
}
