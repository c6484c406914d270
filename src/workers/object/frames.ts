// gRPC-Web's frames: messages, and at the end the trailers (gRPC's PROTOCOL-WEB).
import { Code, ConnectError } from "@connectrpc/connect";
import { setTrailerStatus } from "@connectrpc/connect/protocol-grpc";
import { COMPRESSED, EnvelopeReader, messagePrefix, PREFIX_BYTES } from "../../grpc/envelope.ts";

/** The flag of the frame that holds the trailers. */
const TRAILERS = 0x80;

/** The largest message that is relayed: whatever the servers and callers agree on. */
const MOST_BYTES = 0xffff_ffff;

/** A message or the trailers behind its prefix. */
export function frame(flags: number, bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(PREFIX_BYTES + bytes.length);
  whole.set(messagePrefix(flags, bytes.length));
  whole.set(bytes, PREFIX_BYTES);
  return whole;
}

/** Two frames as one run of bytes. */
export function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** The frame that ends a response: its trailers with its status. */
export function lastFrame(trailers: Headers, error?: ConnectError): Uint8Array {
  const all = passedOn(trailers);
  if (error === undefined) all.set("grpc-status", "0");
  else setStatus(all, error);
  let text = "";
  all.forEach((value, name) => text += `${name}: ${value}\r\n`);
  return frame(TRAILERS, new TextEncoder().encode(text));
}

/** Sets an error's metadata, which may hold the same trailers, its code, message and details. */
function setStatus(target: Headers, error: ConnectError): void {
  passedOn(error.metadata).forEach((value, name) => target.set(name, value));
  // Connect would leave out the metadata of an error that came from a server.
  const bare = new ConnectError(error.rawMessage, error.code);
  bare.details = error.details;
  setTrailerStatus(target, bare);
}

/** Fields that concern one connection only, or that are set anew. */
const OWN =
  /^(connect-lb-.*|accept-encoding|connection|content-.*|date|grpc-(accept-encoding|encoding|message|status.*|timeout)|host|keep-alive|te|trailer|transfer-encoding|upgrade|x-grpc-web|x-user-agent)$/;

/** The metadata that a relay passes on. */
export function passedOn(header: Headers): Headers {
  const passed = new Headers();
  header.forEach((value, name) => {
    const connects = name === "user-agent" && value.startsWith("connect-es/");
    if (!OWN.test(name) && !connects) passed.append(name, value);
  });
  return passed;
}

/** The messages of a request. @throws ConnectError for anything but complete messages without compression */
export async function* messagesOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array, void> {
  const frames = new EnvelopeReader(MOST_BYTES);
  const reader = body?.getReader();
  try {
    for (;;) {
      const { done, value } = await reader?.read() ?? { done: true, value: undefined };
      if (done || value === undefined) break;
      frames.push(value);
      for (let next = frames.next(); next !== undefined; next = frames.next()) {
        if (next.flags === COMPRESSED) throw broken("the message is compressed", Code.Unimplemented);
        if (next.flags !== 0) throw broken(`a frame has flags ${next.flags}`);
        yield next.bytes;
      }
    }
    if (frames.incomplete) throw broken("the message is incomplete");
  } finally {
    reader?.cancel().catch(() => {});
  }
}

function broken(text: string, code: Code = Code.InvalidArgument): ConnectError {
  return new ConnectError(`the request to the balancer object is no gRPC-Web: ${text}`, code);
}
