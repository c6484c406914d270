import { createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { BalancedTransport } from "../../src/index.ts";
import { LANGUAGES, OrderedClient, withoutClient } from "../peers/clients/ordered.ts";
import { MESSAGES } from "./fleet.ts";

export const KINDS = ["unary", "serverStream", "clientStream", "bidi"] as const;
export type Kind = (typeof KINDS)[number];

/** The timeout of each call, in milliseconds. */
const TIMEOUT_MS = 20_000;

/** A client of the fleet. */
export interface FleetCaller {
  readonly name: string;
  /** Makes a call; gives the name of the server that answered. @throws Error if it fails, or its answer is wrong */
  call(kind: Kind, data: string): Promise<string>;
  close(): Promise<void>;
}

/** This library's client, which calls servers directly. */
export function ownCaller(transport: BalancedTransport): FleetCaller {
  const client = createClient(Simple, transport);
  const options = { timeoutMs: TIMEOUT_MS };
  const values = async (kind: Kind, data: string): Promise<string[]> => {
    switch (kind) {
      case "unary":
        return [(await client.route({ data }, options)).value];
      case "serverStream":
        return await all(client.routeServerStream({ data }, options));
      case "clientStream":
        return [(await client.routeClientStream(requests(data), options)).value];
      case "bidi":
        return await all(client.routeBidiStream(requests(data), options));
    }
  };
  return {
    name: "connect-lb",
    call: async (kind, data) => serverOf(kind, data, await values(kind, data)),
    close: () => transport.close(),
  };
}

/** Clients in other languages, which call through a proxy; and why those that are missing are. */
export function foreignCallers(proxy: string): { callers: readonly FleetCaller[]; missing: readonly string[] } {
  const without = LANGUAGES.map((language) => [language, withoutClient(language)] as const);
  const callers = without.filter(([, why]) => why === false).map(([language]): FleetCaller => {
    const client = new OrderedClient(language);
    return {
      name: `${language} through the proxy`,
      async call(kind, data) {
        const order = { kind, data, messages: MESSAGES, timeoutMs: TIMEOUT_MS };
        return serverOf(kind, data, await client.call([proxy], order));
      },
      close: () => client.close(),
    };
  });
  const missing = without.filter(([, why]) => why !== false).map(([language, why]) => `client in ${language}: ${why}`);
  return { callers, missing };
}

/** Which server gave these answers: all of them come from one. */
function serverOf(kind: Kind, data: string, values: readonly string[]): string {
  const [server, ...others] = new Set(values.map((value) => value.slice(0, value.lastIndexOf(": "))));
  const count = kind === "serverStream" || kind === "bidi" ? MESSAGES : 1;
  const right = values.length === count && others.length === 0 &&
    values.every((value) => value === `${server}: ${data}`);
  if (!right) throw new Error(`wrong answer to ${kind} ${data}: ${JSON.stringify(values)}`);
  return server!;
}

async function all(responses: AsyncIterable<{ value: string }>): Promise<string[]> {
  const values: string[] = [];
  for await (const { value } of responses) values.push(value);
  return values;
}

async function* requests(data: string): AsyncIterable<{ data: string }> {
  for (let i = 0; i < MESSAGES; i++) yield { data };
}
