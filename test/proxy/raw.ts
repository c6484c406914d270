// A proxy between a scripted client and scripted servers, for what stands on the wire.
import type { TestContext } from "node:test";
import { requestKind } from "../../src/http2/server/request-fields.ts";
import { HpackDecoder } from "../../src/http2/wire/hpack-decoder.ts";
import type { HeaderBlock } from "../../src/http2/wire/header-block.ts";
import type { CreateProxyOptions, Proxy } from "../../src/server.ts";
import type { BalancedTransportOptions } from "../../src/transport/options.ts";
import { connectRaw, type RawClient } from "../support/raw-http2/client.ts";
import { FrameType, type RawFrame } from "../support/raw-http2/frame.ts";
import type { Field } from "../support/raw-http2/header-block.ts";
import { type Scenario, startRawServer } from "../support/raw-http2/server.ts";
import { envelope, type RawSession } from "../support/raw-http2/session.ts";
import { proxyFor, to } from "./through.ts";

/** A proxy before scripted servers, with a client that has said hello. */
export interface RawProxy {
  readonly proxy: Proxy;
  readonly port: number;
  readonly client: RawClient;
  /** One per server. */
  readonly addresses: readonly string[];
}

/** What a test says of them. */
export interface RawProxySettings {
  readonly options?: Omit<CreateProxyOptions, "routes">;
  readonly to?: Partial<BalancedTransportOptions>;
  /** The client's SETTINGS. */
  readonly settings?: readonly (readonly [id: number, value: number])[];
}

/** Starts a proxy before one server for each scenario. */
export async function rawProxy(
  t: TestContext,
  scenarios: readonly Scenario[],
  { options, to: own, settings }: RawProxySettings = {},
): Promise<RawProxy> {
  const servers = await Promise.all(scenarios.map(startRawServer));
  for (const server of servers) t.after(() => server.close());
  const addresses = servers.map(({ address }) => address);
  const { proxy, port } = await proxyFor(t, { ...options, routes: [{ to: to(addresses, own) }] });
  const client = await connectRaw(port);
  t.after(() => client.destroy());
  await client.handshake(settings);
  return { proxy, port, client, addresses };
}

/** The header section of a request of gRPC. */
export function request(path = "/any.Thing/Unary", more: readonly Field[] = [], authority = "public.example"): Field[] {
  return [
    [":method", "POST"],
    [":scheme", "http"],
    [":path", path],
    [":authority", authority],
    ["content-type", "application/grpc"],
    ["te", "trailers"],
    ...more,
  ];
}

/** Begins a call; returns its stream's id. */
export function begin(client: RawClient, fields: readonly Field[] = request()): number {
  const id = client.nextId();
  client.headers(id, fields);
  return id;
}

/** Makes a call with one message; returns its stream's id. */
export function call(client: RawClient, fields: readonly Field[] = request(), message = "hello"): number {
  const id = begin(client, fields);
  client.data(id, envelope(new TextEncoder().encode(message)), { endStream: true });
  return id;
}

/** Reads the header sections that a server gets, in order. */
export class Requests {
  readonly #hpack = new HpackDecoder(4_096, 1 << 20, requestKind);
  readonly #session: RawSession;

  constructor(session: RawSession) {
    this.#session = session;
  }

  /** The next request. */
  async next(): Promise<{ readonly id: number; readonly head: HeaderBlock; readonly frame: RawFrame }> {
    const frame = await this.#session.read(({ type }) => type === FrameType.headers);
    return { id: frame.streamId, head: this.#hpack.decode(frame.payload, 0, frame.payload.length), frame };
  }
}

/** The value of a field in a header section. */
export function valueOf(section: readonly Field[] | undefined, name: string): string | undefined {
  return section?.find(([known]) => known === name)?.[1] as string | undefined;
}

/** The status that a reply ends with. */
export function statusOf({ sections }: { readonly sections: readonly (readonly Field[])[] }): string | undefined {
  return valueOf(sections.at(-1), "grpc-status");
}
