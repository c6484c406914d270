// A server that is called many times, with good and aborted calls, and looks at the memory that is in use when it is asked:
// `server-program.ts`. Prints its address, answers each line of its standard input with a line of JSON, closes when that
// ends, and must then end by itself.
import process from "node:process";
import { createInterface } from "node:readline";
import { createGrpcServer } from "../../src/server.ts";
import { demoRoutes } from "../peers/servers/routes.ts";
import { inUse } from "./in-use.ts";

/** What the server saw. */
export interface ServerMemory {
  /** Bytes in use (heap and buffers), after a collection. */
  readonly inUse: number;
  readonly connections: number;
}

// What handlers print of calls that wait is nobody's here.
console.log = () => {};
const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`);
const server = createGrpcServer({ routes: demoRoutes });
say(await server.listen({ host: "127.0.0.1", port: 0 }));
for await (const _ of createInterface({ input: process.stdin })) {
  say({ inUse: await inUse(), connections: server.connections } satisfies ServerMemory);
}
await server.close();
