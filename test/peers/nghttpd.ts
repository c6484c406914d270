import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { create, toBinary } from "@bufbuild/protobuf";
import { Simple, SimpleResponseSchema } from "../../gen/simple_pb.ts";
import { concat } from "../support/raw-http2/frame.ts";
import { envelope } from "../support/raw-http2/session.ts";
import { server as identity } from "../support/tls.ts";
import { put, startProgram } from "./programs.ts";

/**
 * nghttpd serves files, and finds a file's type by its name's ending. So the answers of methods stand in files called
 * `Route.grpc` and the like, in gRPC's envelopes, and it is told to send a status after each.
 */
export const METHODS: {
  readonly unary: typeof Simple.method.route;
  readonly serverStream: typeof Simple.method.routeServerStream;
  readonly clientStream: typeof Simple.method.routeClientStream;
} = {
  unary: { ...Simple.method.route, name: "Route.grpc" },
  serverStream: { ...Simple.method.routeServerStream, name: "RouteServerStream.grpc" },
  clientStream: { ...Simple.method.routeClientStream, name: "RouteClientStream.grpc" },
};

/** What stands in the files: one short answer, and 10 MiB in 160 messages. */
export const STREAM = { messages: 160, characters: 65_536 } as const;

const answer = (value: string) => envelope(toBinary(SimpleResponseSchema, create(SimpleResponseSchema, { value })));

/** A running nghttpd. */
export interface Nghttpd {
  readonly address: string;
  stop(): Promise<void>;
}

/** Starts one in plaintext with more arguments. */
export function startNghttpd(...args: readonly string[]): Promise<Nghttpd> {
  return startServer(() => Promise.resolve({ options: ["--no-tls", ...args], files: [] }));
}

/** Starts one that speaks TLS, with more arguments. */
export function startSecureNghttpd(...args: readonly string[]): Promise<Nghttpd> {
  return startServer(async (folder) => ({
    options: args,
    files: [await put(folder, "key.pem", identity.key), await put(folder, "cert.pem", identity.cert)],
  }));
}

/** `more` gives the arguments before the port and the files behind it: the private key and the certificate, if any. */
async function startServer(
  more: (folder: string) => Promise<{ options: readonly string[]; files: readonly string[] }>,
): Promise<Nghttpd> {
  const { ports, stop } = await startProgram("nghttpd", 1, async (folder, [port]) => {
    const files = join(folder, Simple.typeName);
    await mkdir(files);
    await put(files, METHODS.unary.name, answer("hello"));
    await put(files, METHODS.clientStream.name, answer("taken"));
    const many = Array.from({ length: STREAM.messages }, () => answer("y".repeat(STREAM.characters)));
    await put(files, METHODS.serverStream.name, concat(...many));
    const types = await put(folder, "types", "application/grpc grpc\n");
    const status = ["--trailer", "grpc-status: 0"];
    const { options, files: pair } = await more(folder);
    const place = ["-a", "127.0.0.1", "-d", folder, "--mime-types-file", types];
    return [...place, ...status, ...options, `${port}`, ...pair];
  });
  return { address: `127.0.0.1:${ports[0]}`, stop };
}
