// Calls that go on: `until-end.ts <client> <address,address,…>` makes client-streaming calls, balanced over the list, 64 at a
// time, until a line comes on standard input. Prints `calls <n>` from time to time, each failure, and `ended <n>`.
import { Buffer } from "node:buffer";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Client, credentials } from "@grpc/grpc-js";
import {
  Simple,
  type SimpleRequest,
  SimpleRequestSchema,
  type SimpleResponse,
  SimpleResponseSchema,
} from "../../../gen/simple_pb.ts";
import { type Connector, createBalancedTransport, staticResolver, transportConnector } from "../../../src/index.ts";
import { grpcConnector } from "../../../src/node.ts";
import { COUNTED } from "../servers/answers.ts";

const AT_ONCE = 64;
const TIMEOUT_MS = 20_000;

/** Sends a text twice, with a moment between, so that there is always a call that a server has to let finish. */
type Call = (text: string) => Promise<string>;

function balanced(addresses: readonly string[], connector: Connector): Call {
  const client = createClient(
    Simple,
    createBalancedTransport({ resolver: staticResolver([...addresses]), connector }),
  );
  async function* twice(data: string) {
    yield { data };
    await sleep(5);
    yield { data };
  }
  return async (text) => (await client.routeClientStream(twice(text), { timeoutMs: TIMEOUT_MS })).value;
}

function grpcJs(addresses: readonly string[]): Call {
  const client = new Client(`ipv4:${addresses.join(",")}`, credentials.createInsecure(), {
    "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
  });
  return (text) =>
    new Promise((resolve, reject) => {
      const call = client.makeClientStreamRequest<SimpleRequest, SimpleResponse>(
        `/${Simple.typeName}/RouteClientStream`,
        (message) => Buffer.from(toBinary(SimpleRequestSchema, message)),
        (bytes) => fromBinary(SimpleResponseSchema, bytes),
        { deadline: Date.now() + TIMEOUT_MS },
        (error, response) => error ? reject(error) : resolve(response!.value),
      );
      const message = create(SimpleRequestSchema, { data: text });
      call.write(message);
      setTimeout(() => {
        call.write(message);
        call.end();
      }, 5);
    });
}

const CLIENTS: Readonly<Record<string, (addresses: readonly string[]) => Call>> = {
  "connect-lb": (addresses) => balanced(addresses, grpcConnector()),
  "connect-node": (addresses) =>
    balanced(
      addresses,
      transportConnector(({ address }) => createGrpcTransport({ baseUrl: `http://${address}` })),
    ),
  "grpc-js": grpcJs,
};

const [name, list] = process.argv.slice(2) as [string, string];
const call = CLIENTS[name]!(list.split(","));
let calls = 0, ended = false;
const worker = async () => {
  while (!ended) {
    const text = `${COUNTED}${name} ${calls++}`;
    const value = await call(text).catch((error) => `${error?.stack ?? error}`);
    if (value === `2 ${2 * text.length}`) continue;
    console.log(`failed ${text}: ${value.replaceAll("\n", "; ")}`);
    // Calls that fail at once, one after another, would leave no time for anything else.
    await sleep(5);
  }
};
const workers = Array.from({ length: AT_ONCE }, worker);
setInterval(() => console.log(`calls ${calls}`), 20);
process.stdin.once("data", async () => {
  ended = true;
  await Promise.all(workers);
  console.log(`ended ${calls}`);
  process.exit(0);
});
