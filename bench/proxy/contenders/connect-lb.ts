// This library's proxy in front of the servers whose addresses are the arguments.
import process from "node:process";
import { staticResolver } from "../../../src/index.ts";
import { grpcConnector } from "../../../src/node.ts";
import { createProxy } from "../../../src/server.ts";
import { listening } from "../../server/listening.ts";

const to = { resolver: staticResolver(process.argv.slice(2)), connector: grpcConnector() };
const proxy = createProxy({ routes: [{ to }] });
listening((await proxy.listen({ host: "127.0.0.1", port: 0 })).address);
