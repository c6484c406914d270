// A proxy in front of the server at its argument, which looks at the memory that is in use when it is asked:
// `proxy-program.ts <address>`. Prints its address, answers each line of its standard input with a line of JSON, closes
// when that ends, and must then end by itself.
import process from "node:process";
import { createInterface } from "node:readline";
import { staticResolver } from "../../src/index.ts";
import { grpcConnector } from "../../src/node.ts";
import { createProxy } from "../../src/server.ts";
import { inUse } from "./in-use.ts";

const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
const to = { resolver: staticResolver([process.argv[2]!]), connector: grpcConnector() };
const proxy = createProxy({ routes: [{ to }] });
say(await proxy.listen({ host: "127.0.0.1", port: 0 }));
for await (const _ of createInterface({ input: process.stdin })) say({ inUse: await inUse() });
await proxy.close();
