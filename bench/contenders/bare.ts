import { Buffer } from "node:buffer";
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from "node:http2";
import { create, toBinary } from "@bufbuild/protobuf";
import { Simple, SimpleRequestSchema } from "../../gen/simple_pb.ts";
import { type CallSettings, type Contender, expect, perKind } from "../contender.ts";
import { type Addresses, BIDI_TURNS, type Kind, STREAM_MESSAGES, textLength } from "../kind.ts";

/**
 * `node:http2` with gRPC's framing and nothing else, on one endpoint: the ceiling of every client that is built on it.
 * It encodes its request once and decodes no answer; it counts the bytes and looks at grpc-status.
 */
export function open(addresses: Addresses): Contender {
  const sessions: ClientHttp2Session[] = [];
  const sessionOf = perKind(addresses, ([address]) => {
    const session = connect(`http://${address}`);
    sessions.push(session);
    return session;
  });
  const request = (kind: Kind, method: string, { timeoutMs, headers }: CallSettings = {}) => {
    const stream = sessionOf(kind).request({
      ":method": "POST",
      ":path": `/${Simple.typeName}/${method}`,
      "content-type": "application/grpc+proto",
      te: "trailers",
      ...(timeoutMs !== undefined && { "grpc-timeout": `${timeoutMs}m` }),
      ...headers,
    });
    if (timeoutMs !== undefined) {
      const timer = setTimeout(() => stream.close(8), timeoutMs);
      stream.on("close", () => clearTimeout(timer));
    }
    return stream;
  };
  return {
    unary(kind, settings) {
      const stream = request(kind, "Route", settings);
      stream.end(envelopeOf(kind));
      return ended(stream, responseBytes(kind));
    },
    serverStream(kind) {
      const stream = request(kind, "RouteServerStream");
      stream.end(envelopeOf(kind));
      return ended(stream, STREAM_MESSAGES * responseBytes(kind));
    },
    bidi(kind) {
      const stream = request(kind, "RouteBidiStream");
      let turns = 1, bytes = 0;
      stream.write(envelopeOf(kind));
      const one = responseBytes(kind);
      stream.on("data", (chunk: Uint8Array) => {
        bytes += chunk.length;
        if (bytes < turns * one) return;
        if (turns++ === BIDI_TURNS) stream.end();
        else stream.write(envelopeOf(kind));
      });
      return ended(stream, BIDI_TURNS * one);
    },
    async close() {
      for (const session of sessions) session.destroy();
    },
  };
}

function ended(stream: ClientHttp2Stream, wanted: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let bytes = 0, status: unknown;
    stream.on("data", (chunk: Uint8Array) => bytes += chunk.length);
    stream.on("trailers", (trailers) => status = trailers["grpc-status"]);
    stream.on("error", reject);
    stream.on("end", () => {
      try {
        expect("bytes", bytes, wanted);
        expect("as grpc-status", Number(status), 0);
        resolve();
      } catch (error) {
        reject(error);
      }
    });
  });
}

const envelopes = new Map<Kind, Buffer>();

function envelopeOf(kind: Kind): Buffer {
  let envelope = envelopes.get(kind);
  if (envelope === undefined) {
    const message = toBinary(SimpleRequestSchema, create(SimpleRequestSchema, { data: "x".repeat(textLength(kind)) }));
    envelope = Buffer.concat([Buffer.alloc(5), message]);
    envelope.writeUInt32BE(message.length, 1);
    envelopes.set(kind, envelope);
  }
  return envelope;
}

/** Envelope, `code: 200` (3 bytes), the text with its tag and length. */
function responseBytes(kind: Kind): number {
  const text = textLength(kind);
  return 5 + 3 + 1 + (text < 128 ? 1 : 2) + text;
}
