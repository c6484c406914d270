import { create, toBinary } from "@bufbuild/protobuf";
import { SimpleRequestSchema } from "../../../gen/simple_pb.ts";
import type { RawClient } from "../../support/raw-http2/client.ts";
import type { Field } from "../../support/raw-http2/header-block.ts";
import { concat } from "../../support/raw-http2/frame.ts";
import { sendPaced } from "../../support/raw-http2/paced.ts";
import { envelope } from "../../support/raw-http2/session.ts";
import type { OptionsName } from "./routes.ts";

/** Something that a client does, well or badly; what must come of it is what connect-node's server makes of it. */
export interface Request {
  readonly name: string;
  /** Default: usual. */
  readonly options?: OptionsName;
  /** Speaks on a connection, on which hands were shaken unless it says `handshake: false`; gives the stream to look at. */
  play(client: RawClient): number | Promise<number>;
  readonly handshake?: false;
}

/** The four kinds of calls, by the path of the method. */
export const UNARY = "/proto.Simple/Route";
export const SERVER_STREAM = "/proto.Simple/RouteServerStream";
export const CLIENT_STREAM = "/proto.Simple/RouteClientStream";
export const BIDI = "/proto.Simple/RouteBidiStream";

/** The header fields of an ordinary gRPC request. */
export function head(path: string = UNARY, more: readonly Field[] = [], without: readonly string[] = []): Field[] {
  const usual: Field[] = [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", "simple.test"],
    ["te", "trailers"],
    ["content-type", "application/grpc"],
  ];
  const replaced = new Set([...more.map(([name]) => name).filter((name) => name.startsWith(":")), ...without]);
  const kept = usual.filter(([name]) => !replaced.has(name));
  const pseudo = [...kept, ...more].filter(([name]) => name.startsWith(":"));
  return [...pseudo, ...[...kept, ...more].filter(([name]) => !name.startsWith(":"))];
}

/** A request message with a text. */
export function message(data: string): Uint8Array {
  return toBinary(SimpleRequestSchema, create(SimpleRequestSchema, { data }));
}

/** Whole requests: how they deviate from an ordinary one. */
export interface Sent {
  readonly path?: string;
  /** Header fields beside the usual ones; pseudo-header fields replace theirs. */
  readonly headers?: readonly Field[];
  /** Names of usual header fields that are not sent. */
  readonly without?: readonly string[];
  /** Texts of the messages. Default: one, "a". */
  readonly texts?: readonly string[];
  /** All DATA, in place of messages. */
  readonly body?: Uint8Array;
}

/** What every server takes before it has granted more, in bytes. */
const FIRST_WINDOW = 65_535;

/** Sends a whole request. */
export function send(sent: Sent): (client: RawClient) => number {
  const { path, headers, without, texts = ["a"] } = sent;
  const body = sent.body ?? concat(...texts.map((text) => envelope(message(text))));
  return (client) => {
    const id = client.nextId();
    client.headers(id, head(path, headers, without), { endStream: body.length === 0 });
    if (body.length > FIRST_WINDOW) {
      void sendPaced(client, id, body).then(() => client.data(id, NOTHING, { endStream: true }));
    } else if (body.length > 0) sendAtOnce(client, id, body);
    return id;
  };
}

function sendAtOnce(client: RawClient, id: number, body: Uint8Array): void {
  for (let at = 0; at < body.length; at += 16_384) {
    client.data(id, body.subarray(at, at + 16_384), { endStream: at + 16_384 >= body.length });
  }
}

const NOTHING = new Uint8Array(0);
