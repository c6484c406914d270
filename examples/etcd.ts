// An etcd in memory on a port: `npm run etcd`. For development; see createMemoryEtcd().
import process from "node:process";
import { parseArgs } from "node:util";
import { createGrpcServer } from "../src/server.ts";
import { createMemoryEtcd } from "../src/testing.ts";

const usage = `Serves an etcd in memory, for development: a single member, without authentication, empty at each start.

usage: npm run etcd -- [--port PORT] [--host HOST]

  --port PORT   where to listen; 0 takes a free port (default 2379)
  --host HOST   the address to listen on (default 127.0.0.1)
  --help        print this`;

function fail(message: string): never {
  console.error(`etcd: ${message}\nTry --help.`);
  process.exit(2);
}

function readArguments(): { port: number; host: string } {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: "string", default: "2379" },
        host: { type: "string", default: "127.0.0.1" },
        help: { type: "boolean", default: false },
      },
    });
    if (values.help) {
      console.log(usage);
      process.exit(0);
    }
    const port = /^\d{1,5}$/.test(values.port) ? Number(values.port) : NaN;
    if (!(port <= 65_535)) fail(`--port is ${JSON.stringify(values.port)}; expected a number from 0 to 65535.`);
    if (values.host === "") fail("--host is empty; expected an address to listen on, such as 127.0.0.1.");
    return { port, host: values.host };
  } catch (error) {
    return fail((error as Error).message);
  }
}

const { port, host } = readArguments();
const etcd = createMemoryEtcd();
const server = createGrpcServer({ routes: etcd.routes });

try {
  const { address } = await server.listen({ host, port });
  console.log(`etcd in memory, for development: http://${address}`);
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === "EADDRINUSE") {
    console.error(`etcd: port ${port} of ${host} is taken. Is an etcd running there already? Choose another: --port 0`);
  } else {
    console.error(`etcd: can't listen on port ${port} of ${host}: ${message}`);
  }
  process.exit(1);
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    void etcd.close();
    server.closeAllConnections();
    process.exit(0);
  });
}
