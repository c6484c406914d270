// What tests of `connect-lb proxy` put before it and behind it.
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { type Client, type Code, ConnectError, createClient } from "@connectrpc/connect";
import { Simple } from "../../gen/simple_pb.ts";
import type { Layout } from "../../src/etcd.ts";
import { grpcConnector, type GrpcConnectorOptions } from "../../src/node.ts";
import { createGrpcServer, type CreateGrpcServerOptions } from "../../src/server.ts";
import { failureOf } from "../support/balanced.ts";
import { direct } from "../support/direct.ts";
import type { ServedEtcd } from "./memory-etcd.ts";

/** The path of a certificate, a key or a CA. */
export const pem = (name: string): string => fileURLToPath(new URL(`../support/tls/${name}.pem`, import.meta.url));

/** What a server is made of. */
export interface BackendOptions extends Partial<CreateGrpcServerOptions> {
  /** The name it answers with. Defaults to that of its service. */
  readonly says?: string;
  readonly layout?: Layout;
}

/**
 * A server of the demo service that is registered under a name; returns what it was asked. It answers, save for "wait",
 * which it does when it is let, and "lose", at which it loses the connection.
 */
export async function backend(
  t: TestContext,
  { etcd, service }: { readonly etcd: ServedEtcd; readonly service: string },
  { layout, says = service, ...options }: BackendOptions = {},
): Promise<{ readonly calls: string[]; readonly held: (() => void)[] }> {
  const calls: string[] = [], held: (() => void)[] = [];
  const server = createGrpcServer({
    routes: (router) =>
      router.service(Simple, {
        async route({ data }) {
          calls.push(data);
          if (data === "wait") await new Promise<void>((resolve) => held.push(resolve));
          if (data === "lose") server.closeAllConnections();
          return { value: `${says} ${data}` };
        },
      }),
    ...options,
  });
  t.after(async () => {
    server.closeAllConnections();
    await server.close();
  });
  const { address } = await server.listen({ host: "127.0.0.1", port: 0 });
  const registration = await etcd.register({ service, address }, layout);
  t.after(() => registration.close());
  return { calls, held };
}

/** A client of the demo service, of one address. */
export function simple(t: TestContext, address: string, link: GrpcConnectorOptions = {}): Client<typeof Simple> {
  const { transport, close } = direct(grpcConnector(link), address);
  t.after(() => close());
  return createClient(Simple, transport);
}

/** The code that a call fails with. */
export async function codeOf(call: Promise<unknown>): Promise<Code> {
  return ConnectError.from(await failureOf(call)).code;
}

/** The values of metrics by their names and labels. */
export async function metricsOf(admin: string): Promise<Readonly<Record<string, number>>> {
  const text = await (await fetch(`http://${admin}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return Object.fromEntries(lines.map((line) => [line.replace(/ [^ ]+$/, ""), Number(line.split(" ").at(-1))]));
}
